"""Answers that look right and are not must fail the gates; honest rounding must pass."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import ErrorReport, Inputs, Value
from kernelwright.problems.extend_attention.gates import check_output
from kernelwright.problems.extend_attention.oracle import attend, requests_of
from tests.problems.workloads import PROBLEM, smoke

Fake = Callable[[Inputs], torch.Tensor]
SMOKE = smoke()
SEEDS = (0, 1)


def _changed(inputs: Inputs, **values: Value) -> Inputs:
    return replace(inputs, values={**inputs.values, **values})


def _params(workload: Workload) -> dict[str, object]:
    return dict(workload.params)


def _masked(see: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]) -> Fake:
    """Return attention under another rule of visibility: see(query position, key position, prefix)."""

    def run(inputs: Inputs) -> torch.Tensor:
        qo, kv = inputs.tensor("qo_indptr").tolist(), inputs.tensor("kv_indptr").tolist()
        parts = [torch.zeros(0, dtype=torch.uint8)]
        for q0, q1, p0, p1 in zip(qo, qo[1:], kv, kv[1:], strict=False):
            prefix, total = p1 - p0, p1 - p0 + q1 - q0
            parts.append(
                see(torch.arange(prefix, total)[:, None], torch.arange(total)[None, :], prefix).byte().flatten()
            )
        starts = torch.tensor([0] + [p.numel() for p in parts[1:]]).cumsum(0)
        return attend(_changed(inputs, custom_mask=torch.cat(parts), mask_indptr=starts, skip_prefix_custom_mask=False))

    return run


def mean_of_v(inputs: Inputs) -> torch.Tensor:
    out = torch.empty(inputs.tensor("o_extend").shape, dtype=torch.float64)
    group = out.shape[1] // inputs.tensor("v_extend").shape[1]
    for request in requests_of(inputs):
        old = request.v_prefix.double() * inputs.number("v_scale")
        values = torch.cat([old, request.v_new.double()]).repeat_interleave(group, dim=1)
        running = values.cumsum(0) / torch.arange(1, len(values) + 1)[:, None, None]
        out[request.first_row : request.first_row + request.extend] = running[request.prefix :]
    return out


def arange_indices(inputs: Inputs) -> torch.Tensor:
    # Hostile slots would show as NaN; a fake that is merely wrong must fail too.
    clean = {n: inputs.tensor(n).float().nan_to_num(1.0).clamp(-2, 2) for n in ("k_buffer", "v_buffer")}
    slots = torch.arange(inputs.tensor("kv_indices").numel()) % inputs.tensor("k_buffer").shape[0]
    return attend(_changed(inputs, kv_indices=slots, **clean))


def wrong_heads(inputs: Inputs) -> torch.Tensor:
    q_heads, kv_heads = inputs.tensor("q_extend").shape[1], inputs.tensor("k_extend").shape[1]
    order = torch.arange(q_heads).view(-1, kv_heads).T.flatten()
    out = torch.empty(inputs.tensor("o_extend").shape, dtype=torch.float64)
    sinks = inputs.values["sinks"]
    moved = sinks[order] if isinstance(sinks, torch.Tensor) else sinks
    out[:, order] = attend(_changed(inputs, q_extend=inputs.tensor("q_extend")[:, order], sinks=moved))
    return out


def last_row_skipped(inputs: Inputs) -> torch.Tensor:
    out = attend(inputs)
    out[-1] = 0
    return out


def shifted_by_one_request(inputs: Inputs) -> torch.Tensor:
    starts = inputs.tensor("kv_indptr")
    ends = starts.clone()
    ends[1:] = (starts[1:] - 1).maximum(starts[:-1])
    parts = [inputs.tensor("kv_indices")[int(a) : int(b)] for a, b in zip(starts[:-1], ends[1:], strict=True)]
    cut = torch.tensor([0] + [len(p) for p in parts]).cumsum(0).to(torch.int32)
    return attend(_changed(inputs, kv_indices=torch.cat(parts), kv_indptr=cut))


def _always(params: dict[str, object]) -> bool:
    return True


def _causal(params: dict[str, object]) -> bool:
    return bool(params.get("causal", True)) and not params.get("tree") and params.get("window", -1) == -1


def _plain_causal_with_prefix(params: dict[str, object]) -> bool:
    return _causal(params) and _has_prefix(params)


def _has_prefix(params: dict[str, object]) -> bool:
    prefix = params["prefix"]
    assert isinstance(prefix, list)
    return any(prefix)


FAKES: dict[str, tuple[Fake, Callable[[dict[str, object]], bool]]] = {
    "mean of V": (mean_of_v, lambda p: bool(p.get("causal", True))),
    "prefix only, and itself": (
        _masked(lambda q, k, prefix: (k < prefix) | (k == q)),
        _causal,
    ),
    "new tokens only": (
        lambda i: attend(_changed(i, kv_indptr=torch.zeros_like(i.tensor("kv_indptr")))),
        _plain_causal_with_prefix,
    ),
    "window ignored": (lambda i: attend(_changed(i, sliding_window_size=-1)), lambda p: "window" in p),
    "window one short": (lambda i: attend(_changed(i, sliding_window_size=127)), lambda p: "window" in p),
    "arange indices": (arange_indices, lambda p: _has_prefix(p) and not p.get("tree")),
    "causal sees one more": (_masked(lambda q, k, _: k <= q + 1), _causal),
    "causal sees one less": (_masked(lambda q, k, _: (k < q) | (k == 0)), _causal),
    "causal ignored": (lambda i: attend(_changed(i, is_causal=False)), _causal),
    "causal where all see all": (lambda i: attend(_changed(i, is_causal=True)), lambda p: p.get("causal") is False),
    "wrong head map": (
        wrong_heads,
        lambda p: int(str(p["kv_heads"])) > 1 and int(str(p["q_heads"])) > int(str(p["kv_heads"])),
    ),
    "sinks ignored": (lambda i: attend(_changed(i, sinks=None)), lambda p: "sinks" in p),
    "cap ignored": (lambda i: attend(_changed(i, logit_cap=0.0)), lambda p: "logit_cap" in p),
    "k_scale ignored": (lambda i: attend(_changed(i, k_scale=1.0)), lambda p: "k_scale" in p),
    "v_scale ignored": (lambda i: attend(_changed(i, v_scale=1.0)), lambda p: "v_scale" in p),
    "sm_scale ignored": (lambda i: attend(_changed(i, sm_scale=None)), lambda p: "sm_scale" in p),
    "tree ignored": (lambda i: attend(_changed(i, custom_mask=None)), lambda p: "tree" in p),
    "prefix part of the tree misread": (
        lambda i: attend(_changed(i, skip_prefix_custom_mask=not i.values["skip_prefix_custom_mask"])),
        lambda p: "tree" in p,
    ),
    "last row skipped": (last_row_skipped, _always),
    "last prefix key dropped": (shifted_by_one_request, lambda p: _causal(p) and _has_prefix(p)),
    "zeros": (lambda i: torch.zeros(i.tensor("o_extend").shape, dtype=torch.float64), _always),
    "NaN": (lambda i: torch.full(i.tensor("o_extend").shape, torch.nan, dtype=torch.float64), _always),
    "infinity in one element": (lambda i: attend(i).index_fill(0, torch.tensor([0]), torch.inf), _always),
}


def _report(workload: Workload, seed: int, answer: Fake) -> ErrorReport:
    inputs = PROBLEM.make_inputs(workload, seed, None, 14)
    got = answer(inputs).to(inputs.tensor("o_extend").dtype)
    return check_output({"o_extend": got}, inputs, attend(inputs))


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_fails_on_every_smoke_workload_that_has_what_it_ignores(name: str) -> None:
    fake, applies = FAKES[name]
    caught = [w for w in SMOKE if applies(_params(w))]
    assert caught, f"no smoke workload has what fake '{name}' ignores"
    for workload in caught:
        for seed in SEEDS:
            report = _report(workload, seed, fake)
            assert not report.passed, f"{name} passed on {workload.name}, seed {seed}: {report.rel_l2:.1e}"
            assert report.wrong is not None and "expected" in report.reason


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_the_exact_answer_rounded_passes_with_room(workload: Workload) -> None:
    for seed in SEEDS:
        report = _report(workload, seed, attend)
        assert report.passed and report.reason == ""
        assert report.rel_l2 < 3e-3
        assert report.row_error < 0.25 * report.row_gate


def test_the_first_wrong_place_is_named() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[6], 1, None, 0)
    expected = attend(inputs)
    got = expected.clone()
    # Requests have 131, 1, 0, 5, 1 and 3 rows: row 134 is row 2 of request 3.
    got[134, 3, 17] += 3.0
    report = check_output({"o_extend": got}, inputs, expected)
    assert report.wrong is not None
    assert report.wrong.place == (("request", 3), ("head", 3), ("row", 2), ("column", 17))
    assert "request 3, head 3, row 2, column 17" in report.reason


def test_the_gate_follows_the_baselines_own_error_and_never_passes_the_absolute_one() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[6], 1, None, 0)
    expected = attend(inputs)
    outputs = {"o_extend": (expected * 1.008)}
    assert check_output(outputs, inputs, expected).passed
    assert check_output(outputs, inputs, expected, 0.01).rel_l2_gate == 1e-2
    tight = check_output(outputs, inputs, expected, 1e-3)
    assert tight.rel_l2_gate == pytest.approx(6e-3) and not tight.passed


def test_bytes_of_an_output_are_read_as_its_dtype() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[0], 1, None, 0)
    expected = attend(inputs)
    raw = expected.to(torch.bfloat16).view(torch.int16).numpy().tobytes()
    assert check_output({"o_extend": raw}, inputs, expected).passed
    with pytest.raises(ValueError, match="bytes"):
        check_output({"o_extend": raw[:-2]}, inputs, expected)
