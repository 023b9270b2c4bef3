"""The backward pass of attention: the oracle, fakes and honest roundings, work, library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Answers, Inputs
from tests.problems.folders import Fake, changed, folder, report_on, smoke, zeros

PROBLEM = folder("flash_attention_backward")
SMOKE = smoke(PROBLEM)
SEEDS = (0, 1)
Applies = Callable[[Mapping[str, object]], bool]


def _mask(rows: int, keys: int, causal: bool, window: int) -> torch.Tensor:
    position, key = torch.arange(keys - rows, keys)[:, None], torch.arange(keys)[None, :]
    seen = torch.ones((rows, keys), dtype=torch.bool)
    if causal:
        seen &= key <= position
    return seen & (position <= key + window) if window >= 0 else seen


def _pieces(inputs: Inputs) -> list[tuple[slice, slice, torch.Tensor]]:
    """Return rows, keys and what is seen, bool [M, N], of each sequence."""
    starts = [inputs.tensor(name).tolist() for name in ("cu_seqlens_q", "cu_seqlens_k")]
    causal, window = bool(inputs.values["causal"]), int(inputs.number("window_size"))
    return [
        (slice(a, b), slice(c, d), _mask(b - a, d - c, causal, window))
        for (a, b), (c, d) in zip(pairwise(starts[0]), pairwise(starts[1]), strict=True)
    ]


def _by_autograd(inputs: Inputs) -> Answers:
    """Return the gradients that autograd finds for plain attention in float64; shares no code with the oracle."""
    q, k, v = (inputs.tensor(name).double().requires_grad_() for name in ("q", "k", "v"))
    group, out = q.shape[1] // k.shape[1], torch.zeros(q.shape, dtype=torch.float64)
    for rows, keys, seen in _pieces(inputs):
        wide = [x[keys].repeat_interleave(group, 1) for x in (k, v)]
        logits = torch.einsum("mhd,nhd->hmn", q[rows], wide[0]) * inputs.number("sm_scale")
        weights = torch.softmax(logits.masked_fill(~seen, -torch.inf), -1)
        out[rows] = torch.einsum("hmn,nhd->mhd", weights, wide[1])
    gradients = torch.autograd.grad(out, (q, k, v), inputs.tensor("do").double())
    return dict(zip(("dq", "dk", "dv"), gradients, strict=True))


TINY: dict[str, dict[str, object]] = {
    "plain": {},
    "empty and single": {"lens": [0, 1, 5, 0]},
    "bidirectional": {"causal": False},
    "window": {"window": 3},
    "window, bidirectional": {"window": 2, "causal": False},
    "context": {"context": [7, 0]},
    "context and window": {"context": [9, 3], "window": 4},
    "cross": {"context": [5, 12], "causal": False},
    "heads of their own": {"heads": [3, 3, 20]},
    "several blocks of rows": {"lens": [300, 7], "heads": [2, 1, 8]},
    "own scale": {"sm_scale": 0.4},
}


@pytest.mark.parametrize("name", TINY)
def test_the_oracle_agrees_with_autograd(name: str) -> None:
    params = {"heads": [4, 2, 16], "lens": [9, 6], "dtype": "f16", **TINY[name]}
    inputs = PROBLEM.make_inputs(Workload(name, "pretraining", False, params), 3)
    expected = _by_autograd(inputs)
    for output, found in PROBLEM.oracle(inputs).items():
        torch.testing.assert_close(found, expected[output], rtol=1e-9, atol=1e-10)


@dataclass(frozen=True)
class Flash:
    """A flash backward from the given o and lse, each flag a mistake or a rounding; all false is exact arithmetic."""

    rounds: bool = False
    scale_in_queries: bool = False
    dk_by_query_head: bool = False
    no_delta: bool = False
    delta_of_output: bool = False
    no_scale_of_dq: bool = False
    no_scale_of_dk: bool = False
    first_head_of_group: bool = False
    heads_interleaved: bool = False
    ds_twice_weighted: bool = False
    lse_in_base_two: bool = False
    rows_more: int = 0
    upper_left: bool = False
    tile: int = 0

    def __call__(self, inputs: Inputs) -> Answers:
        """Return dq, dk and dv."""
        number = torch.float32 if self.rounds else torch.float64
        q, k, v, o, do, lse = (inputs.tensor(n).to(number) for n in ("q", "k", "v", "o", "do", "lse"))
        scale, group, kv_heads = inputs.number("sm_scale"), q.shape[1] // k.shape[1], k.shape[1]
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        delta = ((o * o if self.delta_of_output else o * do).sum(-1)) * (0 if self.no_delta else 1)
        for rows, keys, right in _pieces(inputs):
            seen = self._seen(right, inputs)
            for head in range(q.shape[1]):
                kv = head % kv_heads if self.heads_interleaved else head // group
                queries = (
                    self._rounded(q[rows, head] * scale, inputs) if self.scale_in_queries else q[rows, head] * scale
                )
                raised = lse[head, rows, None] * (1.4426950408889634 if self.lse_in_base_two else 1.0)
                p = torch.where(seen, torch.exp(queries @ k[keys, kv].T - raised), 0.0)
                dp = do[rows, head] @ v[keys, kv].T
                ds = p * (dp - delta[rows, head, None]) * (p if self.ds_twice_weighted else 1)
                p, ds = self._rounded(p, inputs), self._rounded(ds, inputs)
                parts = [ds.T @ q[rows, head] * (1 if self.no_scale_of_dk else scale), p.T @ do[rows, head]]
                if self.dk_by_query_head:
                    parts = [self._rounded(part, inputs) for part in parts]
                dq[rows, head] = ds @ k[keys, kv] * (1 if self.no_scale_of_dq else scale)
                if not self.first_head_of_group or head % group == 0:
                    dk[keys, kv] += parts[0]
                    dv[keys, kv] += parts[1]
        return {"dq": dq, "dk": dk, "dv": dv}

    def _rounded(self, x: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        return x.to(inputs.tensor("q").dtype).to(x.dtype) if self.rounds else x

    def _seen(self, right: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        rows, keys = right.shape
        causal, window = bool(inputs.values["causal"]), int(inputs.number("window_size"))
        if self.upper_left:
            return (
                _mask(rows, rows, causal, window)
                .new_zeros(right.shape)
                .index_put_(
                    (torch.arange(rows)[:, None], torch.arange(rows)[None, :]), _mask(rows, rows, causal, window)
                )
            )
        if self.rows_more:
            position, key = torch.arange(keys - rows, keys)[:, None] + self.rows_more, torch.arange(keys)[None, :]
            right = (key <= position) & (right | (key > position - self.rows_more))
        if self.tile:
            right = right & (torch.arange(keys) < max(keys // self.tile, 1) * self.tile)
        return right


def _causal(params: Mapping[str, object]) -> bool:
    return bool(params.get("causal", True))


def _grouped(params: Mapping[str, object]) -> bool:
    heads = params["heads"]
    assert isinstance(heads, list)
    return bool(heads[0] > heads[1])


def _always(_params: Mapping[str, object]) -> bool:
    return True


def _with(**values: float | bool) -> Fake:
    return lambda inputs: Flash()(changed(inputs, **values))


def last_row_skipped(inputs: Inputs) -> Answers:
    found = dict(Flash()(inputs))
    found["dq"][-1] = 0
    found["dv"][-1] = 0
    return found


def one_infinity(inputs: Inputs) -> Answers:
    found = Flash()(inputs)
    return {**found, "dv": found["dv"].index_fill(2, torch.tensor([3]), torch.inf)}


def _window(more: int) -> Fake:
    return lambda inputs: Flash()(changed(inputs, window_size=inputs.number("window_size") + more))


def dk_and_dv_swapped(inputs: Inputs) -> Answers:
    found = Flash()(inputs)
    return {"dq": found["dq"], "dk": found["dv"], "dv": found["dk"]}


def one_sequence(inputs: Inputs) -> Answers:
    """Return the gradients as if all tokens were one sequence."""
    ends = {n: inputs.tensor(n)[[0, -1]] for n in ("cu_seqlens_q", "cu_seqlens_k")}
    return Flash()(changed(inputs, **ends))


FAKES: dict[str, tuple[Fake, Applies]] = {
    "zeros": (zeros, _always),
    "delta forgotten": (Flash(no_delta=True), _always),
    "delta from o alone": (Flash(delta_of_output=True), _always),
    "scale missing in dq": (Flash(no_scale_of_dq=True), _always),
    "scale missing in dk": (Flash(no_scale_of_dk=True), _always),
    "own scale ignored": (
        lambda i: Flash()(changed(i, sm_scale=i.tensor("q").shape[2] ** -0.5)), lambda p: "sm_scale" in p),
    "dk and dv of one query head": (Flash(first_head_of_group=True), _grouped),
    "wrong head map": (Flash(heads_interleaved=True),
                       lambda p: _grouped(p) and isinstance(p["heads"], list) and p["heads"][1] > 1),
    "weights twice in dS": (Flash(ds_twice_weighted=True), _always),
    "log-sum-exp in base two": (Flash(lse_in_base_two=True), _always),
    "causal sees one more": (Flash(rows_more=1), lambda p: _causal(p) and "window" not in p),
    "causal sees one less": (Flash(rows_more=-1), lambda p: _causal(p) and "window" not in p),
    "causal ignored": (_with(causal=False), _causal),
    "causal where all see all": (_with(causal=True), lambda p: not _causal(p)),
    "causal from the upper left": (Flash(upper_left=True), lambda p: _causal(p) and "context" in p),
    "window ignored": (_with(window_size=-1), lambda p: "window" in p),
    "window one short": (_window(-1), lambda p: "window" in p),
    "window one long": (_window(1), lambda p: "window" in p),
    "tail tile of keys dropped": (Flash(tile=16), _always),
    "last row skipped": (last_row_skipped, _always),
    "dk and dv swapped": (dk_and_dv_swapped, _always),
    "sequences run into each other": (
        one_sequence, lambda p: isinstance(p["lens"], list) and len(p["lens"]) > 1 and "context" not in p),
    "one infinity": (one_infinity, _always),
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


HONEST: dict[str, Fake] = {
    "exact": PROBLEM.oracle,
    "from rounded o and lse": Flash(),
    "16-bit weights": Flash(rounds=True),
    "dk and dv rounded by query head": Flash(rounds=True, dk_by_query_head=True),
}


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
@pytest.mark.parametrize("name", HONEST)
def test_honest_rounding_passes_with_room(workload: Workload, name: str) -> None:
    for seed in SEEDS:
        report = report_on(PROBLEM, workload, seed, HONEST[name])
        assert report.passed, report.reason
        assert report.rel_l2 < 0.5 * report.rel_l2_gate
        assert report.row_error < 0.5 * report.row_gate


def test_scale_rounded_into_queries_still_passes() -> None:
    for workload in SMOKE:
        report = report_on(PROBLEM, workload, 0, Flash(rounds=True, scale_in_queries=True))
        assert report.passed, report.reason


def test_the_gates_leave_room_where_the_reference_is_as_good_as_can_be() -> None:
    for workload in SMOKE:
        inputs = PROBLEM.make_inputs(workload, 0)
        expected = PROBLEM.oracle(inputs)
        outputs = {n: got.to(inputs.tensor(n).dtype) for n, got in Flash(rounds=True)(inputs).items()}
        baseline = PROBLEM.check(outputs, inputs, expected)
        again = PROBLEM.make_inputs(workload, 7)
        outputs = {n: got.to(again.tensor(n).dtype) for n, got in Flash(rounds=True)(again).items()}
        report = PROBLEM.check(outputs, again, PROBLEM.oracle(again), baseline)
        assert report.passed and report.row_error < 0.7 * report.row_gate, report.reason


def test_o_and_lse_are_those_of_the_forward_pass() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[0], 1)
    q, k, v = (inputs.tensor(name).double() for name in ("q", "k", "v"))
    for rows, keys, seen in _pieces(inputs):
        for head in range(q.shape[1]):
            kv = head // (q.shape[1] // k.shape[1])
            logits = (q[rows, head] @ k[keys, kv].T * inputs.number("sm_scale")).masked_fill(~seen, -torch.inf)
            lse = torch.logsumexp(logits, 1)
            torch.testing.assert_close(inputs.tensor("lse")[head, rows].double(), lse, rtol=1e-6, atol=1e-6)
            out = torch.exp(logits - lse[:, None]) @ v[keys, kv]
            torch.testing.assert_close(inputs.tensor("o")[rows, head].double(), out, rtol=4e-3, atol=1e-30)


def test_the_work_counts_five_products_of_visible_pairs() -> None:
    packed = next(w for w in SMOKE if w.name == "packed")
    pairs = 8 * sum(n * (n + 1) // 2 for n in (131, 1, 77, 5))
    moved = 214 * 8 * (4 * 64 * 2 + 4) + 214 * 2 * 4 * 64 * 2 + 2 * 6 * 4
    work = PROBLEM.work(packed)
    assert (work.dot_flops, work.moved_bytes, work.exp_count) == (10 * 64 * pairs, moved, pairs)
    assert PROBLEM.work(next(w for w in SMOKE if w.name == "vision-odd-width")).exp_count == 4 * (70**2 + 121**2)
    window = PROBLEM.work(next(w for w in SMOKE if w.name == "window"))
    assert window.exp_count == 4 * (65 * 66 // 2 + (201 - 65) * 65 + 40 * 41 // 2)


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_every_way_to_call_the_library_agrees_with_float64(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2)
    expected = PROBLEM.oracle(inputs)
    with torch.inference_mode():
        ways = PROBLEM.baselines.library(inputs)
        assert len(ways) >= 3 and len({way.name for way in ways}) == len(ways)
        for way in ways:
            for name in inputs.outputs:
                inputs.tensor(name).fill_(torch.nan)
            way.call()
            report = PROBLEM.check({name: inputs.tensor(name) for name in inputs.outputs}, inputs, expected)
            assert report.passed, f"{way.name}: {report.reason}"


@pytest.mark.parametrize("suite", ["cpu", "full"])
def test_hidden_lengths_differ_by_secret_and_regimes_are_known(suite: str) -> None:
    first, second = ([w for w in PROBLEM.suite(suite, secret).workloads if w.hidden] for secret in (1, 2))
    assert 2 <= len(first) <= 4 and first != second
    regimes = {
        "pretraining", "packed-documents", "long-context", "sliding-window", "bidirectional", "cross-attention",
        "context-chunk",
    }  # fmt: skip
    assert {w.regime for w in PROBLEM.suite(suite, 1).public} == regimes
    assert {w.regime for w in first} <= regimes
