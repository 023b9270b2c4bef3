"""Paged decode attention: the oracle, what is hostile in its inputs, fakes and honest roundings, work, library."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Answers, Inputs, tensor
from tests.problems.folders import Fake, changed, folder, report_on, smoke, zeros

PROBLEM = folder("paged_decode_attention")
SMOKE = smoke(PROBLEM)
SEEDS = (0, 1)
Applies = Callable[[Mapping[str, object]], bool]


def _tokens(inputs: Inputs, request: int, head: int) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """Return position, key and value of every token of a request, float64, whether seen or not."""
    table, keys, values = (inputs.tensor(name) for name in ("block_tables", "k_cache", "v_cache"))
    found = []
    for position in range(int(inputs.tensor("seq_lens")[request])):
        page, slot = int(table[request, position // keys.shape[1]]), position % keys.shape[1]
        found.append((position, keys[page, slot, head].double(), values[page, slot, head].double()))
    return found


def _naive(inputs: Inputs) -> torch.Tensor:
    """Return the answer from its definition, number by number; shares no code with the oracle."""
    q, out = inputs.tensor("q").double(), torch.zeros(inputs.tensor("out").shape, dtype=torch.float64)
    cap, window, sinks = inputs.number("logit_cap"), inputs.number("window_size"), inputs.values["sinks"]
    group = q.shape[1] // inputs.tensor("k_cache").shape[2]
    for request in range(q.shape[0]):
        last = int(inputs.tensor("seq_lens")[request]) - 1
        for head in range(q.shape[1]):
            total = math.exp(float(sinks[head])) if isinstance(sinks, torch.Tensor) else 0.0
            for position, key, value in _tokens(inputs, request, head // group):
                if window >= 0 and last > position + window:
                    continue
                logit = float(q[request, head] @ key) * inputs.number("sm_scale") * inputs.number("k_scale")
                weight = math.exp(cap * math.tanh(logit / cap) if cap else logit)
                total += weight
                out[request, head] += weight * inputs.number("v_scale") * value
            out[request, head] /= total or 1.0
    return out


TINY: dict[str, dict[str, object]] = {
    "plain": {},
    "empty and single": {"lens": [0, 1, 5]},
    "page of one": {"page_size": 1},
    "window": {"window": 6, "lens": [30, 7, 6]},
    "window of nothing else": {"window": 0},
    "sinks": {"sinks": True, "lens": [4, 0]},
    "cap": {"logit_cap": 5.0},
    "fp8 with scales": {"pool_dtype": "f8e4m3fn", "k_scale": 1.5, "v_scale": 0.5},
    "narrow values": {"heads": [4, 2, 24, 16], "sm_scale": 0.3},
    "shared": {"lens": [20, 9, 13], "shared": 11},
    "all at once": {"window": 9, "sinks": True, "logit_cap": 9.0, "k_scale": 0.8, "shared": 8, "lens": [31, 12, 17]},
}


@pytest.mark.parametrize("name", TINY)
def test_the_oracle_agrees_with_the_definition(name: str) -> None:
    plain = {"heads": [4, 2, 16, 16], "lens": [13, 8], "page_size": 4}
    inputs = PROBLEM.make_inputs(Workload(name, "steady", False, {**plain, **TINY[name]}), 3)
    torch.testing.assert_close(PROBLEM.oracle(inputs)["out"], _naive(inputs), rtol=1e-9, atol=1e-12)


def _attend(inputs: Inputs) -> torch.Tensor:
    return PROBLEM.oracle(inputs)["out"]


def _clean(inputs: Inputs) -> Inputs:
    """Return inputs whose hostile slots are ordinary: a fake must fail because it is wrong, not because of NaN."""
    caches = {n: inputs.tensor(n).float().nan_to_num(1.0).clamp(-2, 2) for n in ("k_cache", "v_cache")}
    table = inputs.tensor("block_tables").clamp(0, caches["k_cache"].shape[0] - 1)
    return changed(inputs, block_tables=table, **caches)


def _lengths(change: Callable[[torch.Tensor], torch.Tensor]) -> Fake:
    def run(inputs: Inputs) -> Answers:
        clean = _clean(inputs)
        return {"out": _attend(changed(clean, seq_lens=change(inputs.tensor("seq_lens")).to(torch.int32)))}

    return run


def mean_of_v(inputs: Inputs) -> Answers:
    return {"out": _attend(changed(inputs, q=torch.zeros_like(inputs.tensor("q"))))}


def table_ignored(inputs: Inputs) -> Answers:
    clean = _clean(inputs)
    table = torch.arange(inputs.tensor("block_tables").shape[1]) % clean.tensor("k_cache").shape[0]
    return {"out": _attend(changed(clean, block_tables=table.expand(inputs.tensor("block_tables").shape)))}


def table_of_the_first_request(inputs: Inputs) -> Answers:
    clean = _clean(inputs)
    table = clean.tensor("block_tables")
    return {"out": _attend(changed(clean, block_tables=table[:1].expand(table.shape)))}


def tail_page_dropped(inputs: Inputs) -> Answers:
    page = inputs.tensor("k_cache").shape[1]
    return _lengths(lambda lens: torch.where(lens > page, lens // page * page, lens))(inputs)


def tail_page_filled_up(inputs: Inputs) -> Answers:
    page = inputs.tensor("k_cache").shape[1]
    return _lengths(lambda lens: (lens + page - 1) // page * page)(inputs)


def wrong_heads(inputs: Inputs) -> Answers:
    kv_heads, sinks = inputs.tensor("k_cache").shape[2], inputs.values["sinks"]
    order = torch.arange(inputs.tensor("q").shape[1]).view(-1, kv_heads).T.flatten()
    moved = sinks[order] if isinstance(sinks, torch.Tensor) else sinks
    out = torch.empty(inputs.tensor("out").shape, dtype=torch.float64)
    out[:, order] = _attend(changed(inputs, q=inputs.tensor("q")[:, order], sinks=moved))
    return {"out": out}


def parts_averaged(inputs: Inputs) -> Answers:
    """Return the mean of both halves of every context, as if their weights were equal."""
    half = _lengths(lambda lens: (lens + 1) // 2)(inputs)["out"]
    return {"out": (half + _attend(inputs)) / 2}


def _heads(params: Mapping[str, object]) -> list[int]:
    heads = params["heads"]
    assert isinstance(heads, list)
    return heads


def _lens(params: Mapping[str, object]) -> list[int]:
    lens = params["lens"]
    assert isinstance(lens, list)
    return lens


def _page(params: Mapping[str, object]) -> int:
    return int(str(params.get("page_size", 16)))


def _always(_params: Mapping[str, object]) -> bool:
    return True


def _without(name: str, value: float | bool | None) -> tuple[Fake, Applies]:
    """Return the fake that takes `value` for an argument, and where it applies."""
    key = "window" if name == "window_size" else name
    # Pages before a window are nobody's, and NaN would be found for another reason.
    return (lambda i: {"out": _attend(changed(_clean(i), **{name: value}))}, lambda p: key in p)


FAKES: dict[str, tuple[Fake, Applies]] = {
    "zeros": (zeros, _always),
    "mean of V": (mean_of_v, _always),
    "page table ignored": (table_ignored, _always),
    "page table of the first request": (table_of_the_first_request, lambda p: len(_lens(p)) > 1),
    "last token dropped": (_lengths(lambda lens: (lens - 1).clamp_min(0)), _always),
    "tail page dropped": (tail_page_dropped, lambda p: any(n > _page(p) and n % _page(p) for n in _lens(p))),
    "tail page filled up": (tail_page_filled_up, lambda p: any(n % _page(p) for n in _lens(p))),
    "longest length for all": (_lengths(lambda lens: lens.max().expand(lens.shape)), lambda p: len(_lens(p)) > 1),
    "wrong head map": (wrong_heads, lambda p: 1 < _heads(p)[1] < _heads(p)[0]),
    "parts averaged": (parts_averaged, _always),
    "scale of 1": (lambda i: {"out": _attend(changed(i, sm_scale=1.0))}, _always),
    "own scale ignored": (lambda i: {"out": _attend(changed(i, sm_scale=i.tensor("q").shape[2] ** -0.5))},
                          lambda p: "sm_scale" in p),
    "k_scale ignored": _without("k_scale", 1.0),
    "v_scale ignored": _without("v_scale", 1.0),
    "cap ignored": _without("logit_cap", 0.0),
    "sinks ignored": _without("sinks", None),
    "window ignored": _without("window_size", -1),
    "window one short": _without("window_size", 127),
    "window one long": _without("window_size", 129),
    "one NaN": (lambda i: {"out": _attend(i).index_fill(2, torch.tensor([0]), torch.nan)}, _always),
}  # fmt: skip


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_fails_on_every_smoke_workload_that_has_what_it_gets_wrong(name: str) -> None:
    fake, applies = FAKES[name]
    caught = [w for w in SMOKE if applies(w.params)]
    assert caught, f"no smoke workload has what fake '{name}' gets wrong"
    for workload in caught:
        for seed in SEEDS:
            report = report_on(PROBLEM, workload, seed, fake)
            assert not report.passed, f"{name} passed on {workload.name}, seed {seed}: {report.rel_l2:.1e}"
            assert report.wrong is not None


def rounded_weights(inputs: Inputs) -> Answers:
    """Return what a kernel with 16-bit weights, a split context and fp32 sums gives."""
    out = torch.zeros(inputs.tensor("out").shape, dtype=torch.float32)
    q, dtype = inputs.tensor("q"), inputs.tensor("q").dtype
    keys, values = inputs.tensor("k_cache"), inputs.tensor("v_cache")
    page, window, cap = keys.shape[1], inputs.number("window_size"), inputs.number("logit_cap")
    group, sinks = q.shape[1] // keys.shape[2], inputs.values["sinks"]
    for request, length in enumerate(inputs.tensor("seq_lens").tolist()):
        positions = torch.arange(max(length - 1 - int(window), 0) if window >= 0 else 0, length)
        pages = inputs.tensor("block_tables")[request, positions // page].long()
        for head in range(q.shape[1] if length else 0):
            k, v = (c.float()[pages, positions % page, head // group].to(dtype).float() for c in (keys, values))
            logits = (k @ q[request, head].float()) * (inputs.number("sm_scale") * inputs.number("k_scale"))
            logits = cap * torch.tanh(logits / cap) if cap else logits
            weights = torch.exp(logits - logits.max())
            total = weights.sum()
            if isinstance(sinks, torch.Tensor):
                total = total + torch.exp(sinks[head].float() - logits.max())
            out[request, head] = (weights.to(dtype).float() @ v) * inputs.number("v_scale") / total
    return {"out": out}


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
@pytest.mark.parametrize("answer", [PROBLEM.oracle, rounded_weights], ids=["exact", "rounded-weights"])
def test_honest_rounding_passes_with_room(workload: Workload, answer: Fake) -> None:
    for seed in SEEDS:
        report = report_on(PROBLEM, workload, seed, answer)
        assert report.passed, report.reason
        assert report.rel_l2 < 0.5 * report.rel_l2_gate
        assert report.row_error < 0.5 * report.row_gate


def test_nobodys_pages_and_slots_are_hostile_and_entries_without_a_page_lie_outside_the_pool() -> None:
    workload = next(w for w in SMOKE if w.name == "window-sinks")
    inputs = PROBLEM.make_inputs(workload, 0)
    keys, table = inputs.tensor("k_cache").float(), inputs.tensor("block_tables")
    assert keys[0].isnan().all()
    # 333 tokens, window 128: pages 0..11 are before it, 21 is the last with 13 tokens in it.
    assert (table[0, :12] == 0).all() and (table[0, 12:21] > 0).all()
    assert ((table[0, 21:] < 0) | (table[0, 21:] >= len(keys))).all()
    assert keys[table[0, 20].long(), 13:].isnan().all() and keys[table[0, 20].long(), :13].isfinite().all()
    free = torch.tensor([page for page in range(len(keys)) if page not in table.flatten().tolist()])
    assert (keys[free].isnan() | (keys[free] > 1e4)).all()
    assert keys[free].isnan().any() and (keys[free] > 1e4).any()


def test_every_seed_has_sharp_heads_and_flat_ones() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[1], 5)
    values = changed(inputs, v_cache=torch.ones_like(inputs.tensor("v_cache"))).values
    for head in range(4):
        slots = inputs.tensor("block_tables")[0, :65].long()
        logits = tensor(values, "k_cache")[slots].flatten(0, 1)[:4211, 0].float() @ inputs.tensor("q")[0, head].float()
        largest = float(torch.softmax(logits * inputs.number("sm_scale"), 0).max())
        assert largest > 0.05 or largest < 0.005


def test_the_work_counts_what_is_seen_once() -> None:
    shared = next(w for w in SMOKE if w.name == "hidden-shared-scales")
    params = {**shared.params, "lens": [201, 190, 95, 63], "shared": 64}
    work = PROBLEM.work(Workload("shared", "shared-prefix", False, params))
    pairs = 8 * (201 + 190 + 95 + 63)
    slots = 64 + (201 - 64) + (190 - 64) + (95 - 64) + 63
    entries = 13 + 12 + 6 + 4
    moved = 2 * (2 * 4 * 8 * 128 + slots * 2 * 128) + 4 * (entries + 4)
    assert (work.dot_flops, work.moved_bytes, work.exp_count) == (pairs * 4 * 128, moved, pairs)
    window = PROBLEM.work(next(w for w in SMOKE if w.name == "window-sinks"))
    assert window.exp_count == 8 * (129 + 129 + 128 + 40)
    assert window.moved_bytes == 2 * (4 + 5) * 8 * 64 + 2 * 2 * 64 * 2 * 426 + 4 * (9 + 9 + 8 + 3 + 5) + 16


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_every_way_to_call_the_library_agrees_with_float64(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2)
    expected = PROBLEM.oracle(inputs)
    with torch.inference_mode():
        ways = PROBLEM.baselines.library(inputs)
        assert len(ways) >= 3 and len({way.name for way in ways}) == len(ways)
        for way in ways:
            report = PROBLEM.check({"out": way.call()}, inputs, expected)
            assert report.passed, f"{way.name}: {report.reason}"


@pytest.mark.parametrize("suite", ["cpu", "full"])
def test_hidden_lengths_differ_by_secret_and_regimes_are_known(suite: str) -> None:
    first, second = ([w for w in PROBLEM.suite(suite, secret).workloads if w.hidden] for secret in (1, 2))
    assert 2 <= len(first) <= 4 and first != second
    regimes = {"steady", "ragged", "long", "sliding-window", "mla", "shared-prefix"}
    assert {w.regime for w in PROBLEM.suite(suite, 1).public} == regimes
    assert {w.regime for w in first} <= regimes
