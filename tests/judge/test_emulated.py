"""Judging on an emulated chip, with a stand-in for the emulator: what is executed, what is timed, what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.chips.emulated import clockwork
from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import OverLimitError, UnsupportedOpError
from kernelwright.core.fault import Fault
from kernelwright.core.problem import Suite
from kernelwright.core.verdict import Verdict
from kernelwright.judge import EmulatedJudge, full_size, make_judge, verdict_json
from kernelwright.judge.baseline_tuning import tune_reference
from kernelwright.judge.comparison import judge_final
from kernelwright.judge.verdict_form import failed_verdict
from kernelwright.problems import load_problem
from kernelwright.problems.contract import ErrorReport
from kernelwright.problems.extend_attention import PROBLEM
from kernelwright.sandbox import CaptureService
from kernelwright.sandbox import Limits as HostLimits
from tests.chips.emulated import modelled_clockwork
from tests.judge.conftest import SECRET

CANDIDATES = Path(__file__).parent / "candidates"
EXECUTED = ("cold-mla", "hit-scaled", "hidden-chunked")
# Beside twins of executed workloads one whose kernel, with a logit cap, none of those launches.
TIMED = ("cold-mla", "hit-scaled", "chunked-cap", "hidden-chunked")
REFERENCE = PROBLEM.baselines.reference()


def _chip() -> EmulatedChip:
    chip = EmulatedChip(load_profile("m890"))
    chip.work_out_afresh()
    return chip


def _named(name: str, names: tuple[str, ...]) -> Suite:
    return Suite(name, tuple(w for w in PROBLEM.suite("smoke", SECRET).workloads if w.name in names))


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureService]:
    with CaptureService(limits=HostLimits(call_s=5.0)) as service:
        yield service


@pytest.fixture(autouse=True)
def modelled(monkeypatch: pytest.MonkeyPatch) -> None:
    modelled_clockwork.install(monkeypatch)


def _judge(capture: CaptureService, timed: tuple[str, ...] = TIMED) -> EmulatedJudge:
    suites = (_named("cpu", EXECUTED), _named("full", timed))
    return EmulatedJudge(PROBLEM, suites, _chip(), capture, (SECRET, SECRET))


@pytest.fixture(scope="module")
def shared(capture: CaptureService) -> Iterator[EmulatedJudge]:
    judge = _judge(capture)
    yield judge
    judge.close()


@pytest.fixture
def own(capture: CaptureService) -> Iterator[EmulatedJudge]:
    judge = _judge(capture)
    yield judge
    judge.close()


def _judged(judge: EmulatedJudge, source: str, seed: int = 1, lines: list[str] | None = None) -> Verdict:
    return judge(Candidate(source), seed, (lines if lines is not None else []).append)


def test_the_reference_is_exactly_as_fast_as_itself_on_the_timed_workloads(shared: EmulatedJudge) -> None:
    verdict = _judged(shared, REFERENCE)
    assert verdict.status == "accepted", verdict.reason
    assert (verdict.geomean_speedup, verdict.ci95, verdict.noise_floor) == (1.0, (1.0, 1.0), 0.0)
    assert verdict.emulated and verdict.conditions is None
    assert {result.name for result in verdict.workloads} == set(TIMED)
    assert all(result.candidate_ns == int(result.candidate_ns) == result.baseline_ns for result in verdict.workloads)
    told = verdict_json(verdict)
    assert told["emulated"] is True
    assert all(row["emulated"] is True for row in told["workloads"])  # type: ignore[attr-defined]


def test_what_was_right_is_not_executed_again_until_the_final_judgement(shared: EmulatedJudge) -> None:
    _judged(shared, REFERENCE)
    lines: list[str] = []
    assert _judged(shared, REFERENCE + "\n# another text\n", 2, lines).is_accepted
    assert not any(line.startswith("correctness") for line in lines)
    figures = judge_final(shared, PROBLEM, Candidate(REFERENCE), None, 3, lines.append)
    assert figures.verdict.is_accepted and figures.library is None
    assert any(line.startswith("correctness") for line in lines)
    assert any(line.startswith("confirming") for line in lines)


def test_a_kernel_whose_plans_are_known_keeps_its_verdict_but_for_the_final_judgement(shared: EmulatedJudge) -> None:
    first = _judged(shared, REFERENCE)
    lines: list[str] = []
    again = shared(Candidate(REFERENCE + "\n# more\n"), 2, lines.append, {first.plan_sha256: first}.get)
    assert replace(again, seconds=first.seconds) == first
    assert [line.split(":")[0] for line in lines] == ["capture"]
    assert judge_final(shared, PROBLEM, Candidate(REFERENCE), None, 3, lines.append).verdict.is_accepted
    assert any(line.startswith("correctness") for line in lines)


def test_a_kernel_that_is_only_timed_is_executed_at_full_size(own: EmulatedJudge) -> None:
    lines: list[str] = []
    assert _judged(own, REFERENCE, 1, lines).is_accepted
    assert [line for line in lines if line.startswith("executing")] == [
        "executing kernel 'extend_kernel', which suite cpu does not launch, at full size"
    ]
    lines.clear()
    assert _judged(own, REFERENCE + "\n# again\n", 2, lines).is_accepted
    assert not any(line.startswith("executing") for line in lines)


def test_a_kernel_that_is_too_much_to_execute_is_not_timed_either(
    own: EmulatedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_size, "MOST_FLOPS", 0)
    verdict = _judged(own, REFERENCE)
    assert verdict.status == "over_limit"
    assert "kernel 'extend_kernel' of workload 'chunked-cap' is launched by no workload of suite cpu" in verdict.reason
    assert verdict.facts["workload"] == "chunked-cap"


def test_a_confirmation_is_made_once_and_tells_no_workload_when_it_fails(
    own: EmulatedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _judged(own, REFERENCE).is_accepted
    wrong = ErrorReport(False, "sampled rows must agree with float64", 1.0, 0.01, 1.0, 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(type(PROBLEM), "check_sample", lambda *_: wrong)
        failed = own.confirm(5, lambda _line: None)
        assert failed is not None and failed.status == "incorrect"
        assert failed.facts["hidden"] is True and not any(name in failed.reason for name in TIMED)
        assert own.confirm(5, lambda _line: None) is not None
    assert own.confirm(5, lambda _line: None) is None
    with monkeypatch.context() as patch:
        patch.setattr(type(PROBLEM), "check_sample", lambda *_: wrong)
        assert own.confirm(6, lambda _line: None) is None


def test_workloads_that_the_reference_cannot_run_on_are_left_out_and_said(
    own: EmulatedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = own.both_plans_of(REFERENCE).timed
    capped = plans[[case.workload.name for case in own.timing.cases].index("chunked-cap")].kernels[0].sha256

    def compiled(kernel, capability):  # type: ignore[no-untyped-def]
        if kernel.sha256 == capped:
            raise UnsupportedOpError("line 1: no such op")
        return kernel

    monkeypatch.setattr(clockwork, "compiled", compiled)
    verdict = _judged(own, REFERENCE)
    assert {result.name for result in verdict.workloads} == set(TIMED) - {"chunked-cap"}
    assert any("not timed: workload 'chunked-cap'" in flag and "no such op" in flag for flag in verdict.flags)


def test_a_kernel_that_does_not_fit_the_chip_is_refused_before_anything_is_executed(
    own: EmulatedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.emulated_baseline()

    def compiled(kernel, capability):  # type: ignore[no-untyped-def]
        raise OverLimitError("a block must fit 128 KiB of shared memory, it takes 200 KiB", {"shared_bytes": 204800})

    monkeypatch.setattr(clockwork, "compiled", compiled)
    lines: list[str] = []
    tuned = PROBLEM.baselines.tuning
    table = {tuning_key: tuned.space(w, True)[0] for w in own.workloads for tuning_key in (tuned.key(w),)}
    table |= {tuned.key(c.workload): tuned.space(c.workload, True)[0] for c in own.timing.cases}
    verdict = _judged(own, tuned.source(table), 1, lines)
    assert verdict.status == "over_limit"
    assert "200 KiB" in verdict.reason and "workload 'cold-mla'" in verdict.reason
    assert not any(line.startswith("correctness") for line in lines)


@pytest.mark.parametrize(
    ("file", "status"),
    [("import_os.py", "cheating"), ("wrong_answer.py", "incorrect"), ("out_of_bounds.py", "memory_fault")],
)
def test_bad_candidates_end_as_on_any_chip(shared: EmulatedJudge, file: str, status: str) -> None:
    verdict = _judged(shared, (CANDIDATES / file).read_text())
    assert verdict.status == status, verdict.reason
    assert verdict.emulated and verdict.geomean_speedup is None


def test_a_wrong_answer_names_the_suite_that_it_came_up_in(shared: EmulatedJudge) -> None:
    verdict = _judged(shared, (CANDIDATES / "wrong_answer.py").read_text())
    assert verdict.reason.startswith("workload 'cold-mla' of suite cpu: ")


def test_the_reference_is_tuned_with_warps_and_stages_and_compared_exactly(shared: EmulatedJudge) -> None:
    tuned = tune_reference(shared, PROBLEM, SECRET, 3, 5, lambda _line: None)
    assert tuned is not None and tuned.evaluations == 3
    assert any("warps 8" in words for words in tuned.configs.values())
    again = tune_reference(shared, PROBLEM, SECRET, 3, 5, lambda _line: None)
    assert again == tuned
    figures = judge_final(shared, PROBLEM, Candidate(REFERENCE), tuned, 9, lambda _line: None)
    assert figures.tuned is not None
    assert [row.name for row in figures.tuned.workloads] == [case.workload.name for case in shared.timing.cases]
    assert all(row.ci95 == (row.speedup, row.speedup) for row in figures.tuned.workloads)


def test_of_autotuned_configurations_the_one_with_the_smallest_emulated_time_is_timed(capture: CaptureService) -> None:
    problem = load_problem("rms-norm-residual")
    source = problem.baselines.autotuned()
    assert source is not None
    judge = make_judge(problem, "smoke", _chip(), capture, SECRET, SECRET)
    assert isinstance(judge, EmulatedJudge)
    try:
        verdict = judge(Candidate(source), 1, lambda _line: None)
        assert verdict.status == "accepted", verdict.reason
        ways = judge.both_plans_of(source).timed
        chosen = judge.chosen(ways)
        for number, plan in enumerate(ways):
            (launch,) = plan.launches
            times = [judge.times_of([plan.choose((n,))] * len(ways))[number] for n in range(len(launch.options))]
            assert judge.times_of(chosen)[number] == min(times)  # type: ignore[arg-type, type-var]
            assert verdict.workloads[number].candidate_ns == min(times)  # type: ignore[type-var]
    finally:
        judge.close()


def test_a_call_that_launches_nothing_takes_an_empty_launch(capture: CaptureService) -> None:
    matmul = load_problem("matmul")
    judge = make_judge(matmul, "smoke", _chip(), capture, SECRET, SECRET, False)
    verdict = judge(Candidate(matmul.baselines.reference()), 1, lambda line: None)
    judge.close()
    (empty,) = (result for result in verdict.workloads if result.name == "no-rows")
    floor_ns = _chip().peaks().launch_ns
    assert (verdict.status, empty.baseline_ns, empty.candidate_ns) == ("accepted", floor_ns, floor_ns)


def test_times_do_not_depend_on_threads(own: EmulatedJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = own.both_plans_of(REFERENCE).timed
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(own._chip, "_host", replace(own._chip._host, cores=tuple(range(threads))))  # type: ignore[attr-defined]
        found.append(own.times_of(plans))
    assert found[0] == found[1] == found[2]


def test_hidden_timing_inputs_follow_from_the_secret_and_public_ones_do_not(capture: CaptureService) -> None:
    names = ("ragged", "hidden-verify")
    first, again, other = (
        EmulatedJudge(PROBLEM, (_named("cpu", EXECUTED), _named("full", names)), _chip(), capture, (secret, 1))
        for secret in (SECRET, SECRET, SECRET + 1)
    )
    arrays = [
        {case.workload.name: case.inputs.arrays() for case in judge.timing.cases} for judge in (first, again, other)
    ]
    assert arrays[0] == arrays[1]
    assert arrays[0]["ragged"] == arrays[2]["ragged"]
    assert arrays[0]["hidden-verify"] != arrays[2]["hidden-verify"]


def test_that_a_hidden_workload_needs_too_much_on_chip_memory_is_told_without_figures() -> None:
    hidden = next(w for w in PROBLEM.suite("smoke", SECRET).workloads if w.hidden)
    failed = failed_verdict(Fault("over_limit", "tile needs 286720 bytes", {"needs_bytes": 286720}), hidden)
    assert "on-chip memory" in failed.reason and "286720" not in failed.reason
    assert set(failed.facts) == {"regime", "hidden", "kind"}
