"""How far an answer is from float64, and whether that is near enough."""

import itertools
from collections.abc import Mapping

import torch

from kernelwright.problems.contract import ErrorReport, Inputs, WrongPlace
from kernelwright.problems.storage import tensor_of_bytes

OUTPUT = "o_extend"
GATES = {"bf16": 1e-2, "f16": 1e-2, "f8e4m3fn": 5e-2}
BASELINE_FACTOR = 4.0
BASELINE_FLOOR = 2e-3
# The worst element of a row may be this many times the gate, in units of the row's root mean square:
# honest bf16 rows of 64 to 512 values reach 4 to 5 times their own relative L2 error.
ROW_FACTOR = 8.0


def check_output(
    outputs: Mapping[str, torch.Tensor | bytes],
    inputs: Inputs,
    expected: torch.Tensor,
    baseline_error: float | None = None,
) -> ErrorReport:
    """Return how far output `o_extend` is from `expected`, per (request, head) and per row.

    The gate on relative L2 is 1e-2 (5e-2 with an fp8 pool) and, once `baseline_error` is known, at
    most four times that plus 2e-3; the gate on a row's worst element is 8 times it. NaN and infinity
    never pass.
    """
    gate = _gate(inputs, baseline_error)
    got = _answer(outputs[OUTPUT], inputs.tensor(OUTPUT))
    if got.shape != expected.shape:
        raise ValueError(f"output must have shape {tuple(expected.shape)}, got {tuple(got.shape)}")
    error = torch.where(torch.isfinite(got), got - expected, torch.inf)
    rows = error.abs().amax(dim=2) / expected.square().mean(dim=2).sqrt().clamp_min(1e-30)
    groups = _by_group(error, expected, inputs)
    filled = groups[~groups.isnan()]
    rel_l2 = float(filled.max()) if filled.numel() else 0.0
    row_error = float(rows.max()) if rows.numel() else 0.0
    passed = rel_l2 <= gate and row_error <= ROW_FACTOR * gate
    wrong = None if passed else _first_wrong((error, expected, got), rows, groups, gate, inputs)
    reason = "" if wrong is None else _reason(wrong, rel_l2, row_error, gate)
    by_spread = _by_spread(error, expected, inputs)
    return ErrorReport(
        passed, reason, rel_l2, gate, row_error, ROW_FACTOR * gate, {OUTPUT: rel_l2}, by_spread, wrong
    )  # fmt: skip


def _gate(inputs: Inputs, baseline_error: float | None) -> float:
    pool = str(inputs.workload.params.get("pool_dtype", "bf16"))
    if baseline_error is None:
        return GATES[pool]
    return min(GATES[pool], BASELINE_FACTOR * baseline_error + BASELINE_FLOOR)


def _answer(output: torch.Tensor | bytes, like: torch.Tensor) -> torch.Tensor:
    tensor = output if isinstance(output, torch.Tensor) else tensor_of_bytes(output, like)
    return tensor.double()


def _by_group(error: torch.Tensor, expected: torch.Tensor, inputs: Inputs) -> torch.Tensor:
    """Return relative L2 per (request, head), float64 [B, Hq], NaN for requests without rows."""
    starts: list[int] = inputs.tensor("qo_indptr").tolist()
    squares = torch.stack([error.square().sum(dim=2), expected.square().sum(dim=2)])
    sums = torch.stack([squares[:, a:b].sum(dim=1) for a, b in itertools.pairwise(starts)], dim=1)
    return (sums[0] / sums[1]).sqrt()


def _by_spread(error: torch.Tensor, expected: torch.Tensor, inputs: Inputs) -> dict[str, float]:
    """Return relative L2 over all rows whose logits were drawn with the same spread, smallest spread first."""
    if inputs.spreads is None or not expected.numel():
        return {}
    found = {}
    for spread in sorted(set(inputs.spreads.flatten().tolist())):
        rows = inputs.spreads == spread
        ratio = error[rows].square().sum() / expected[rows].square().sum()
        found[f"{spread:g}"] = float(ratio.sqrt())
    return found


def _first_wrong(
    tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    rows: torch.Tensor,
    groups: torch.Tensor,
    gate: float,
    inputs: Inputs,
) -> WrongPlace:
    """Return the worst column of the first wrong row of the first wrong (request, head)."""
    error, expected, got = tensors
    starts: list[int] = inputs.tensor("qo_indptr").tolist()
    for request, (a, b) in enumerate(itertools.pairwise(starts)):
        for head in range(groups.shape[1] if b > a else 0):
            part = rows[a:b, head]
            over = (part > ROW_FACTOR * gate).nonzero()
            if not over.numel() and groups[request, head] <= gate:
                continue
            row = int(over[0]) if over.numel() else int(part.argmax())
            column = int(error[a + row, head].abs().argmax())
            place = (("request", request), ("head", head), ("row", row), ("column", column))
            at = (a + row, head, column)
            return WrongPlace(OUTPUT, place, float(expected[at]), float(got[at]))
    raise AssertionError("an answer over the gate has a wrong row")


def _reason(wrong: WrongPlace, rel_l2: float, row_error: float, gate: float) -> str:
    return (
        f"output must agree with float64: relative L2 error {rel_l2:.1e} (gate {gate:.1e}), "
        f"worst row {row_error:.1e} (gate {ROW_FACTOR * gate:.1e}); {wrong}"
    )
