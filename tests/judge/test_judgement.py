"""The whole pipeline on suite smoke: real sandbox, real compiler, real chip."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.problem import Workload
from kernelwright.core.verdict import Verdict
from kernelwright.judge import CandidateJudge, verdict_json
from kernelwright.problems import load_problem

CANDIDATES = Path(__file__).parent / "candidates"

# file, status, words of the reason that tell a person what to do
REJECTED = [
    ("syntax_error.py_", "compile_error", ("line 3", "never closed")),
    ("import_os.py", "cheating", ("line 3", "import of os", "may import")),
    ("torch_matmul.py", "cheating", ("matmul",)),
    ("endless_host.py", "timeout", ("host code", "s")),
    ("endless_kernel.py", "timeout", ("'waiting_kernel'", "within 4 s")),
    ("out_of_bounds.py", "memory_fault", ("q_extend", "reads", "line 10", "program (0, 0, 0)")),
    ("racing_programs.py", "memory_fault", ("line 11", "must not race", "program (1, 0, 0) writes", "o_extend")),
    ("wrong_answer.py", "incorrect", ("float64", "request 0", "head 0", "expected", "got 0")),
    ("modifies_input.py", "incorrect", ("q_extend",)),
    ("writes_nothing.py", "incorrect", ("float64", "got nan")),
]


def _judged(judge: CandidateJudge, source: str, seed: int = 1) -> Verdict:
    return judge(Candidate(source), seed, lambda _line: None)


@pytest.mark.parametrize(("file", "status", "words"), REJECTED, ids=[row[0].split(".")[0] for row in REJECTED])
def test_bad_candidates_get_the_right_status_and_a_reason_to_act_on(
    judge: CandidateJudge, file: str, status: str, words: tuple[str, ...]
) -> None:
    verdict = _judged(judge, (CANDIDATES / file).read_text())
    assert verdict.status == status, verdict.reason
    for word in words:
        assert word in verdict.reason
    assert "\n" not in verdict.reason
    assert "/tmp" not in verdict.reason and "0x" not in verdict.reason
    assert verdict.geomean_speedup is None


@pytest.mark.parametrize(
    ("file", "fact", "code"),
    [
        ("syntax_error.py_", "code", "def extend_attention_fwd(q_extend, k_extend"),
        ("out_of_bounds.py", "code", "past = tl.load(q + n + i % 16)"),
        ("racing_programs.py", "other_code", "tl.store(out, total.to(out.dtype.element_ty))"),
        ("torch_matmul.py", "code", "logits = torch.matmul(q_extend.transpose(0, 1), k_extend.permute(1, 2, 0))"),
        (
            "wrong_answer.py",
            "store_code",
            ["tl.store(out + i, tl.zeros([BLOCK], tl.float32).to(out.dtype.element_ty), mask=i < n)"],
        ),
    ],
)
def test_a_failure_holds_the_candidates_own_line(judge: CandidateJudge, file: str, fact: str, code: object) -> None:
    facts = judge.check(Candidate((CANDIDATES / file).read_text()), 1, lambda _line: None).facts
    assert facts[fact] == code


def test_a_wrong_answer_names_the_first_wrong_place_and_who_writes_there(judge: CandidateJudge) -> None:
    facts = judge.check(Candidate((CANDIDATES / "wrong_answer.py").read_text()), 1, lambda _line: None).facts
    assert {"request", "head", "row", "column", "expected"} <= set(facts)
    assert (facts["output"], facts["got"], facts["store_lines"]) == ("o_extend", 0.0, [10])


def test_equal_failures_have_equal_text(judge: CandidateJudge) -> None:
    source = (CANDIDATES / "out_of_bounds.py").read_text()
    first, second = _judged(judge, source, 1), _judged(judge, source, 2)
    assert first.reason == second.reason


@pytest.fixture(scope="module")
def reference_verdict(judge: CandidateJudge) -> Verdict:
    return _judged(judge, load_problem("extend-attention").baselines.reference())


def test_the_reference_is_accepted_at_its_own_speed(reference_verdict: Verdict) -> None:
    verdict = reference_verdict
    assert verdict.is_accepted, verdict.reason
    assert verdict.ci95 is not None and verdict.geomean_speedup is not None and verdict.noise_floor is not None
    low, high = verdict.ci95
    assert low <= verdict.geomean_speedup <= high
    assert low / (1 + verdict.noise_floor) < 1.15 and high * (1 + verdict.noise_floor) > 0.85
    assert verdict.roofline_fraction is not None and 0 < verdict.roofline_fraction < 1
    assert all(0 < w.rel_l2 < w.rel_l2_gate for w in verdict.workloads)
    assert len(verdict.machine_sha256) == len(verdict.plan_sha256) == len(verdict.architecture) == 64


def test_every_workload_is_scored_public_ones_first(reference_verdict: Verdict) -> None:
    flags = [w.hidden for w in reference_verdict.workloads]
    assert flags == sorted(flags)
    assert 0 < sum(flags) < len(flags)


def test_the_json_has_every_field_and_is_plain(reference_verdict: Verdict) -> None:
    shown = verdict_json(reference_verdict)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    wanted = {
        "status",
        "reason",
        "geomean_speedup",
        "ci95",
        "roofline_fraction",
        "workloads",
        "plan_sha256",
        "emulated",
    }
    assert wanted <= set(shown)
    workloads = shown["workloads"]
    assert isinstance(workloads, list)
    assert {"name", "hidden", "baseline_ns", "candidate_ns", "speedup", "rel_l2"} <= set(workloads[0])


def test_the_speedup_is_the_ratio_of_the_times_shown(reference_verdict: Verdict) -> None:
    for result in reference_verdict.workloads:
        assert result.speedup == pytest.approx(result.baseline_ns / result.candidate_ns)


def test_renamed_source_has_the_same_plan_and_machine_code(judge: CandidateJudge, reference_verdict: Verdict) -> None:
    source = load_problem("extend-attention").baselines.reference()
    renamed = "# another first line\n" + source.replace("extend_kernel", "my_kernel").replace("softmax_step", "my_step")
    verdict = judge.check(Candidate(renamed), 2, lambda _line: None)
    assert verdict.is_accepted, verdict.reason
    assert verdict.plan_sha256 == reference_verdict.plan_sha256
    assert verdict.architecture == reference_verdict.architecture
    assert verdict.architecture == judge.reference_architecture()


def test_a_kernel_whose_plans_are_known_keeps_its_verdict_and_is_not_judged_again(
    judge: CandidateJudge, reference_verdict: Verdict
) -> None:
    known = {reference_verdict.plan_sha256: reference_verdict}
    source = load_problem("extend-attention").baselines.reference()
    lines: list[str] = []
    renamed = Candidate(source.replace("softmax_step", "my_step"))
    verdict = judge(renamed, 5, lines.append, known.get)
    assert replace(verdict, seconds=reference_verdict.seconds, advice=()) == replace(reference_verdict, advice=())
    assert [line.split(":")[0] for line in lines] == ["capture"]
    other = judge(Candidate((CANDIDATES / "wrong_answer.py").read_text()), 6, lines.append, known.get)
    assert other.status == "incorrect"


def test_an_autotuned_candidate_is_accepted(judge: CandidateJudge) -> None:
    source = load_problem("extend-attention").baselines.reference()
    configs = "[triton.Config({'BLOCK_N': n}) for n in (32, 64)]"
    tuned = source.replace(
        "@triton.jit\ndef extend_kernel(",
        f"@triton.autotune({configs}, key=['kv_group_num'])\n@triton.jit\ndef extend_kernel(",
    )
    for keyword in ("        BLOCK_N=block_n,\n", "        num_warps=warps,\n", "        num_stages=stages,\n"):
        assert keyword in tuned
        tuned = tuned.replace(keyword, "")
    verdict = judge.check(Candidate(tuned), 3, lambda _line: None)
    assert verdict.is_accepted, verdict.reason


def test_a_fault_on_hidden_workloads_tells_regime_and_kind_only(judge: CandidateJudge) -> None:
    hidden = [w for w in judge.workloads if w.hidden]
    source = load_problem("extend-attention").baselines.reference()
    totals = _totals_of(hidden)
    # Right wherever the number of new tokens is a public one, wrong on the hidden ones.
    wrong = source.replace(
        "    if max_len_extend == 0:",
        f"    if q_extend.shape[0] in {totals}:\n        sm_scale = 0.5\n    if max_len_extend == 0:",
    )
    verdict = judge.check(Candidate(wrong), 4, lambda _line: None)
    assert verdict.status == "incorrect"
    assert verdict.reason == f"hidden workload of regime '{hidden[0].regime}': wrong answer"
    assert verdict.facts == {"regime": hidden[0].regime, "hidden": True}


def _totals_of(workloads: list[Workload]) -> set[int]:
    totals = set()
    for workload in workloads:
        extend = workload.params["extend"]
        assert isinstance(extend, list)
        totals.add(sum(extend))
    return totals
