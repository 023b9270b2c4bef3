"""Rotary embedding and cache write: oracle, inputs, gates, baselines and the judge."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.judge import CandidateJudge
from kernelwright.problems.contract import Answers, Inputs
from kernelwright.problems.rounding import E4M3, rounded
from kernelwright.problems.storage import has_gaps, tensor_bytes
from kernelwright.sandbox import CaptureService
from tests.problems.folders import SEEDS, Fake, Params, called, changed, folder, left_behind, report_on, smoke
from tests.problems.judged import edited, opened, verdict_on

PROBLEM = folder("rope_kv_write")
SMOKE = smoke(PROBLEM)
FULL = [workload for workload in SMOKE if workload.params["extend"]]
BY_NAME = {workload.name: workload for workload in SMOKE}
CACHES = ("k_cache", "v_cache")
Applies = Callable[[Params], bool]


def _is_fp8(params: Params) -> bool:
    return params.get("cache") == "f8e4m3fn"


def _always(_params: Params) -> bool:
    return True


def _changing(change: Callable[[Inputs], Inputs]) -> Fake:
    """Return the fake that answers rightly for changed inputs."""
    return lambda inputs: PROBLEM.oracle(change(inputs))


def sines_turned_round(inputs: Inputs) -> Answers:
    table = inputs.tensor("cos_sin").clone()
    table[:, table.shape[1] // 2 :] *= -1
    return PROBLEM.oracle(changed(inputs, cos_sin=table))


def table_made_up(inputs: Inputs) -> Answers:
    table = inputs.tensor("cos_sin")
    pairs = table.shape[1] // 2
    angles = torch.arange(len(table))[:, None] * 1e4 ** -(torch.arange(pairs) / pairs)
    return PROBLEM.oracle(changed(inputs, cos_sin=torch.cat([angles.cos(), angles.sin()], 1)))


def last_columns_rotated(inputs: Inputs) -> Answers:
    turned = PROBLEM.oracle(changed(inputs, q=inputs.tensor("q").flip(-1), k=inputs.tensor("k").flip(-1)))
    return {"q": turned["q"].flip(-1), "k": turned["k"].flip(-1)}


def keys_cached_as_they_came(inputs: Inputs) -> Answers:
    still = torch.zeros_like(inputs.tensor("cos_sin"))
    still[:, : still.shape[1] // 2] = 1
    return {"k_cache": PROBLEM.oracle(changed(inputs, cos_sin=still))["k_cache"]}


def queries_left_alone(inputs: Inputs) -> Answers:
    return {"q": inputs.tensor("q").double()}


def keys_left_alone(inputs: Inputs) -> Answers:
    return {"k": inputs.tensor("k").double()}


def queries_in_fp8(inputs: Inputs) -> Answers:
    return {"q": PROBLEM.oracle(inputs)["q"].to(torch.float8_e4m3fn).double()}


def padding_written(inputs: Inputs) -> Answers:
    slots, cache = inputs.tensor("slot_mapping"), inputs.tensor("k_cache")
    last = cache.shape[0] * cache.shape[1] - 1
    return PROBLEM.oracle(changed(inputs, slot_mapping=torch.where(slots < 0, last, slots)))


def slots_shifted(inputs: Inputs) -> Answers:
    slots = inputs.tensor("slot_mapping")
    return PROBLEM.oracle(changed(inputs, slot_mapping=torch.where(slots > 0, slots - 1, slots)))


def slots_in_order(inputs: Inputs) -> Answers:
    return PROBLEM.oracle(changed(inputs, slot_mapping=torch.arange(len(inputs.tensor("slot_mapping")))))


def page_and_offset_swapped(inputs: Inputs) -> Answers:
    answers = dict(PROBLEM.oracle(inputs))
    pages, page = inputs.tensor("k_cache").shape[:2]
    for name in CACHES:
        answers[name] = answers[name].transpose(0, 1).reshape(pages, page, *answers[name].shape[2:])
    return answers


def heads_of_caches_reversed(inputs: Inputs) -> Answers:
    return {name: PROBLEM.oracle(inputs)[name].flip(2) for name in CACHES}


def heads_of_queries_shifted(inputs: Inputs) -> Answers:
    return {"q": PROBLEM.oracle(inputs)["q"].roll(1, 1)}


def scales_multiply(inputs: Inputs) -> Answers:
    scales = {name: 1 / inputs.number(name) for name in ("k_scale", "v_scale")}
    return PROBLEM.oracle(changed(inputs, **scales))


def scales_on_every_cache(inputs: Inputs) -> Answers:
    answers = PROBLEM.oracle(inputs)
    return {"k_cache": answers["k_cache"] / inputs.number("k_scale")}


def not_saturated(inputs: Inputs) -> Answers:
    answers = PROBLEM.oracle(inputs)
    return {name: torch.where(answers[name].abs() == 448, math.inf, answers[name]) for name in CACHES}


def pool_cleared(inputs: Inputs) -> Answers:
    return {name: PROBLEM.oracle(inputs)[name].nan_to_num(0.0) for name in CACHES}


def last_token_left_out(inputs: Inputs) -> Answers:
    slots = inputs.tensor("slot_mapping").clone()
    slots[int((slots >= 0).nonzero()[-1])] = -1
    right, short = PROBLEM.oracle(inputs), PROBLEM.oracle(changed(inputs, slot_mapping=slots))
    # What should have been written still holds what was there.
    before = {name: inputs.tensor(name).double().nan_to_num(1e3) for name in CACHES}
    return {name: torch.where(right[name].isnan() | ~short[name].isnan(), short[name], before[name]) for name in CACHES}


FAKES: dict[str, tuple[Fake, Applies]] = {
    "positions-off-by-one": (_changing(lambda i: changed(i, positions=i.tensor("positions") + 1)), _always),
    "positions-from-zero": (
        _changing(lambda i: changed(i, positions=torch.arange(len(i.tensor("positions"))))),
        lambda p: p["prefix"] != [0],
    ),
    "other-pairs": (_changing(lambda i: changed(i, is_neox=not i.values["is_neox"])), _always),
    "sines-turned-round": (sines_turned_round, _always),
    "table-made-up": (table_made_up, lambda p: "attention_factor" in p),
    "last-columns-rotated": (last_columns_rotated, _always),
    "keys-cached-as-they-came": (keys_cached_as_they_came, _always),
    "queries-left-alone": (queries_left_alone, _always),
    "keys-left-alone": (keys_left_alone, _always),
    "queries-in-fp8": (queries_in_fp8, _always),
    "padding-written": (padding_written, lambda p: "padding" in p or "skip_every" in p),
    "slots-shifted": (slots_shifted, _always),
    "slots-in-order": (slots_in_order, _always),
    "page-and-offset-swapped": (page_and_offset_swapped, lambda p: p.get("page") != 1),
    "heads-of-caches-reversed": (heads_of_caches_reversed, lambda p: p["kv_heads"] != 1),
    "heads-of-queries-shifted": (heads_of_queries_shifted, _always),
    "k-scale-ignored": (_changing(lambda i: changed(i, k_scale=1.0)), lambda p: _is_fp8(p) and "k_scale" in p),
    "v-scale-ignored": (_changing(lambda i: changed(i, v_scale=1.0)), lambda p: _is_fp8(p) and "v_scale" in p),
    "scales-multiply": (scales_multiply, _is_fp8),
    "scales-on-every-cache": (scales_on_every_cache, lambda p: not _is_fp8(p) and "k_scale" in p),
    "not-saturated": (not_saturated, lambda p: _is_fp8(p) and ("k_scale" in p)),
    "pool-cleared": (pool_cleared, _always),
    "last-token-left-out": (last_token_left_out, _always),
}


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_fails_on_every_smoke_workload_that_has_what_it_ignores(name: str) -> None:
    fake, applies = FAKES[name]
    caught = [w for w in FULL if applies(dict(w.params))]
    assert caught
    for workload in caught:
        for seed in SEEDS:
            assert not report_on(PROBLEM, workload, seed, fake).passed, f"{name} passed on {workload.name}"


def keys_rounded_before_they_are_cached(inputs: Inputs) -> Answers:
    answers = PROBLEM.oracle(inputs)
    k = answers["k"].to(inputs.tensor("k").dtype).double()
    still = torch.zeros_like(inputs.tensor("cos_sin"))
    still[:, : still.shape[1] // 2] = 1
    return {**answers, "k_cache": PROBLEM.oracle(changed(inputs, k=k, cos_sin=still))["k_cache"]}


def table_in_the_type_of_queries(inputs: Inputs) -> Answers:
    return PROBLEM.oracle(changed(inputs, cos_sin=inputs.tensor("cos_sin").to(inputs.tensor("q").dtype)))


HONEST: dict[str, tuple[Fake, Applies]] = {
    "exact": (PROBLEM.oracle, _always),
    "keys-rounded-first": (keys_rounded_before_they_are_cached, _always),
    "table-rounded": (table_in_the_type_of_queries, lambda p: not _is_fp8(p)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_rounding_passes(name: str) -> None:
    fake, applies = HONEST[name]
    for workload in [w for w in FULL if applies(dict(w.params))]:
        for seed in SEEDS:
            report = report_on(PROBLEM, workload, seed, fake)
            assert report.passed, report.reason


@pytest.mark.parametrize("workload", FULL, ids=lambda w: w.name)
def test_the_oracle_agrees_with_a_turn_of_one_pair_after_the_other(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 3)
    answers, table = PROBLEM.oracle(inputs), inputs.tensor("cos_sin").double().tolist()
    k, v, cache = (inputs.tensor(name) for name in ("k", "v", "k_cache"))
    pairs, is_fp8, taken = len(table[0]) // 2, cache.dtype == torch.float8_e4m3fn, set()
    for token, position in enumerate(inputs.tensor("positions").tolist()):
        slot = int(inputs.tensor("slot_mapping")[token])
        place = divmod(slot, cache.shape[1])
        for head in range(k.shape[1]):
            row = k[token, head].double().tolist()
            for pair in range(pairs):
                first, second = (pair, pair + pairs) if inputs.values["is_neox"] else (2 * pair, 2 * pair + 1)
                turned = complex(row[first], row[second]) * complex(*(table[position][i] for i in (pair, pair + pairs)))
                row[first], row[second] = turned.real, turned.imag
            assert answers["k"][token, head].tolist() == pytest.approx(row, rel=1e-12, abs=1e-12)
            if slot >= 0:
                taken.add((*place, head))
                for name, held, scale in (("k_cache", row, "k_scale"), ("v_cache", v[token, head].double(), "v_scale")):
                    exact = torch.as_tensor(held, dtype=torch.float64)
                    expected = rounded(exact / inputs.number(scale), E4M3) if is_fp8 else exact
                    assert torch.allclose(answers[name][*place, head], expected, rtol=1e-12, atol=1e-12)
    written = {tuple(place) for place in (~answers["k_cache"].isnan()).any(-1).nonzero().tolist()}
    assert written == taken


def test_rotation_keeps_lengths_and_scores_depend_on_distances_only() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["decode-neox"], 1)
    q, positions = inputs.tensor("q").double(), inputs.tensor("positions")
    turned = PROBLEM.oracle(inputs)["q"]
    assert torch.allclose(turned.norm(dim=-1), q.norm(dim=-1), rtol=1e-5)
    same = q[:1].expand(q.shape[0], -1, -1)
    for start in (0, 3):
        scores = PROBLEM.oracle(changed(inputs, q=same, positions=torch.arange(len(positions)) + start))["q"]
        distance_one = (scores[1:] * scores[:-1]).sum(-1)
        assert torch.allclose(distance_one, distance_one[:1].expand_as(distance_one), rtol=1e-5)


def test_permuted_tokens_permute_the_answer_and_leave_the_caches() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["slices-interleaved-f16"], 1)
    order = torch.randperm(len(inputs.tensor("positions")))
    names = ("q", "k", "v", "positions", "slot_mapping")
    moved = PROBLEM.oracle(changed(inputs, **{name: inputs.tensor(name)[order] for name in names}))
    right = PROBLEM.oracle(inputs)
    assert torch.equal(moved["q"], right["q"][order])
    assert torch.equal(moved["k_cache"].nan_to_num(), right["k_cache"].nan_to_num())


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_slots_are_taken_once_and_others_hold_garbage(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 1)
    slots = inputs.tensor("slot_mapping")
    taken = slots[slots >= 0]
    pages, page = inputs.tensor("k_cache").shape[:2]
    assert len(set(taken.tolist())) == len(taken) and bool((taken < pages * page).all())
    assert bool(inputs.tensor("k_cache").double().isnan().any())
    if workload.params.get("slices_of_qkv"):
        q = inputs.tensor("q")
        heads = int(str(workload.params["q_heads"])) + 2 * int(str(workload.params["kv_heads"]))
        assert has_gaps(q) and q.stride(0) == heads * q.shape[2]


def test_memory_between_the_slices_of_qkv_is_checked() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["slices-interleaved-f16"], 1)
    expected = PROBLEM.oracle(inputs)
    outputs = left_behind(expected, inputs)
    memory = bytearray(tensor_bytes(outputs["q"]))
    assert PROBLEM.check({**outputs, "q": bytes(memory)}, inputs, expected).passed
    behind_first_row = inputs.tensor("q").shape[1] * inputs.tensor("q").shape[2] * 2
    memory[behind_first_row] ^= 1
    report = PROBLEM.check({**outputs, "q": bytes(memory)}, inputs, expected)
    assert not report.passed and "memory between its rows" in report.reason


def test_the_work_is_what_must_be_moved() -> None:
    plain = PROBLEM.work(BY_NAME["decode-neox"])
    rows = 8 * 2 * 2 * 10 * 64 + 5 * 2 * (2 * 64 + 2 * 2 * 64)
    # Five positions, one of them that of the padding.
    assert plain.moved_bytes == rows + 5 * 64 * 4 + 16 * 8
    partial = PROBLEM.work(BY_NAME["prefill-partial-fp8"])
    rows = 27 * 2 * 2 * 6 * 24 + 22 * 2 * (2 * (96 - 24) + 2 * 96 + 2 * 96)
    assert partial.moved_bytes == rows + 27 * 24 * 4 - _shared(BY_NAME["prefill-partial-fp8"]) + 16 * 27


def _shared(workload: Workload) -> int:
    """Return the bytes of table rows that tokens of several requests share."""
    inputs = PROBLEM.make_inputs(workload, 0)
    positions = inputs.tensor("positions")
    return (len(positions) - len(set(positions.tolist()))) * inputs.tensor("cos_sin").shape[1] * 4


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_every_way_to_call_the_library_passes(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2)
    expected = PROBLEM.oracle(inputs)
    for number in range(len(PROBLEM.baselines.library(inputs))):
        way, _, own = called(PROBLEM, inputs, number)
        report = PROBLEM.check({name: own.tensor(name) for name in own.answers}, inputs, expected)
        assert report.passed, f"{way.name}: {report.reason}"


@pytest.fixture(scope="module")
def judge(capture: CaptureService) -> Iterator[CandidateJudge]:
    yield from opened(PROBLEM, capture)


WRONG = {
    "padding-written": ("memory_fault", [(" & (slot >= 0)", "")]),
    "keys-cached-as-they-came": ("incorrect", [("as_cached(turned_x,", "as_cached(x,")]),
    "rows-taken-as-packed": ("incorrect", [("q.stride(0), k.stride(0)", "q_heads * width, k.stride(0)")]),
    "no-saturation": ("incorrect", [("tl.minimum(tl.maximum(x / scale, -448.0), 448.0)", "x / scale * 1.1")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_judge_refuses_wrong_kernels(judge: CandidateJudge, name: str) -> None:
    status, edits = WRONG[name]
    verdict = verdict_on(judge, edited(PROBLEM.baselines.reference(), *edits))
    assert verdict.status == status, verdict.reason


@pytest.mark.parametrize("file", ["reference", "autotuned"])
def test_the_judge_accepts_the_reference_and_the_tuned_one(judge: CandidateJudge, file: str) -> None:
    source = getattr(PROBLEM.baselines, file)()
    verdict = verdict_on(judge, source)
    assert verdict.is_accepted, verdict.reason
