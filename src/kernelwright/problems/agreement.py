"""How far outputs are from an oracle in float64, by the rules of a problem's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from kernelwright.problems.contract import Answers, ErrorReport, Inputs, WrongPlace
from kernelwright.problems.folder import OutputRule
from kernelwright.problems.storage import has_gaps, stored, tensor_of_bytes

# With the reference's own error known, a candidate may be this many times as far off, plus a floor.
BASELINE_FACTOR = 4.0
BASELINE_FLOOR = 2e-3
# Rows much smaller than the rest of an output are measured against this share of the whole's root mean square.
_SMALL_ROW = 1e-3
_CODE_TYPES = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class OutputError:
    """What was found for one output; `wrong` is None when it passed."""

    rel_l2: float
    gate: float
    row_error: float
    row_gate: float
    wrong: WrongPlace | None
    reason: str = ""

    @property
    def badness(self) -> float:
        """Return the larger of both errors over its gate."""
        return max(_over(self.rel_l2, self.gate), _over(self.row_error, self.row_gate))


def check_outputs(
    outputs: Mapping[str, torch.Tensor | bytes],
    inputs: Inputs,
    expected: Answers,
    rules: Mapping[str, OutputRule],
    baseline: ErrorReport | None,
) -> ErrorReport:
    """Return the report on all outputs; the first one in `rules` that fails gives the reason.

    Raises ValueError when an answer of the oracle has another shape than the output.
    """
    found = {}
    for name, rule in rules.items():
        like = inputs.tensor(name)
        value = outputs[name]
        got = value if isinstance(value, torch.Tensor) else tensor_of_bytes(value, like)
        if expected[name].shape != like.shape:
            raise ValueError(f"the oracle's '{name}' must have shape {tuple(like.shape)}, got {expected[name].shape}")
        known = None if baseline is None else baseline.by_output.get(name)
        before = like if rule.role == "inout" else None
        found[name] = check_output(name, got, expected[name], before, rule, known)
        if before is not None and has_gaps(before) and got.stride() == before.stride():
            found[name] = _with_gaps_checked(name, found[name], got, before)
    failed = next((error for error in found.values() if error.reason), None)
    shown = failed or max(found.values(), key=lambda error: error.badness)
    reason = "" if failed is None else failed.reason
    by_output = {name: error.rel_l2 for name, error in found.items()}
    return ErrorReport(
        failed is None, reason, shown.rel_l2, shown.gate, shown.row_error, shown.row_gate, by_output, wrong=shown.wrong
    )


def check_output(
    name: str,
    got: torch.Tensor,
    expected: torch.Tensor,
    before: torch.Tensor | None,
    rule: OutputRule,
    baseline_error: float | None,
) -> OutputError:
    """Return how far one output is from `expected`.

    `before` is what an output held before the call, for one that has contents: elements for which the oracle says NaN
    must still be that.
    """
    kept = None
    if before is not None:
        kept = expected.isnan()
        changed = kept & (_codes(got) != _codes(before))
        if bool(changed.any()):
            wrong = _place(name, changed, before.double(), got.double(), rule.axes)
            reason = _must(f"keep what nothing is written to: {wrong}", name)
            return OutputError(float("inf"), rule.gate, float("inf"), rule.gate, wrong, reason)
        expected = torch.where(kept, 0.0, expected)
    values = got.double() if kept is None else torch.where(kept, 0.0, got.double())
    if rule.kind == "relative":
        return _check_relative(name, values, expected, rule)
    if rule.kind == "values" and got.element_size() > 1:
        return _check_values(name, values, expected, rule, baseline_error)
    return _check_codes(name, got, expected, kept, rule)


def _check_values(
    name: str, got: torch.Tensor, expected: torch.Tensor, rule: OutputRule, baseline_error: float | None
) -> OutputError:
    gate = rule.gate if baseline_error is None else min(rule.gate, BASELINE_FACTOR * baseline_error + BASELINE_FLOOR)
    row_gate = rule.row_factor * gate
    if not expected.numel():
        return OutputError(0.0, gate, 0.0, row_gate, None)
    error = torch.where(torch.isfinite(got), got - expected, torch.inf)
    groups = _by_group(error, expected, rule)
    rows = error.abs().amax(dim=-1) / _row_scales(expected, rule)
    rel_l2, row_error = float(groups.max()), float(rows.max())
    if rel_l2 <= gate and row_error <= row_gate:
        return OutputError(rel_l2, gate, row_error, row_gate, None)
    bad = _wrong_elements(error, rows, groups, (gate, row_gate), rule)
    wrong = _place(name, bad, expected, got, rule.axes)
    figures = f"relative L2 error {rel_l2:.1e} (gate {gate:.1e}), worst row {row_error:.1e} (gate {row_gate:.1e})"
    return OutputError(rel_l2, gate, row_error, row_gate, wrong, _must(f"agree with float64: {figures}; {wrong}", name))


def _check_relative(name: str, got: torch.Tensor, expected: torch.Tensor, rule: OutputRule) -> OutputError:
    """Return the largest error of any element in units of the element itself; what is zero must be zero."""
    error = torch.where(got.isfinite(), (got - expected).abs(), torch.inf)
    parts = torch.where(error == 0, 0.0, error / expected.abs())
    most = float(parts.max()) if parts.numel() else 0.0
    if most <= rule.gate:
        return OutputError(most, rule.gate, most, rule.gate, None)
    wrong = _place(name, parts > rule.gate, expected, got, rule.axes)
    figures = f"relative error {most:.1e} of an element (gate {rule.gate:.1e})"
    return OutputError(most, rule.gate, most, rule.gate, wrong, _must(f"agree with float64: {figures}; {wrong}", name))


def _with_gaps_checked(name: str, found: OutputError, got: torch.Tensor, before: torch.Tensor) -> OutputError:
    """Return `found`, or what is wrong when memory between the rows of an output has changed."""
    memories = []
    for tensor in (got, before):
        memory = _codes(stored(tensor).clone())
        memory.as_strided(tensor.shape, tensor.stride()).zero_()
        memories.append(memory)
    if found.wrong is not None or found.reason or bool((memories[0] == memories[1]).all()):
        return found
    reason = _must("be written where its elements are: memory between its rows has changed", name)
    return OutputError(float("inf"), found.gate, float("inf"), found.row_gate, None, reason)


def _check_codes(
    name: str, got: torch.Tensor, expected: torch.Tensor, kept: torch.Tensor | None, rule: OutputRule
) -> OutputError:
    """Return the share of elements with another code than the oracle's, and whether one is further off than allowed."""
    steps = (_ordered(got) - _ordered(expected.to(got.dtype))).abs()
    steps = torch.where(got.double().isfinite(), steps, torch.iinfo(torch.int64).max)
    count = steps.numel()
    if kept is not None:
        steps = torch.where(kept, 0, steps)
        count = int((~kept).sum())
    most = 0.0 if rule.kind == "exact" else rule.most_different
    share, far = float((steps > 0).sum()) / max(count, 1), bool((steps > 1).any())
    furthest = float(steps.max()) if steps.numel() else 0.0
    if share <= most and (not far or rule.kind == "exact"):
        return OutputError(share, most, furthest, 1.0, None)
    wrong = _place(name, steps > (1 if far and rule.kind != "exact" else 0), expected, got.double(), rule.axes)
    figures = f"{share:.1%} of its elements differ (gate {most:.1%})"
    return OutputError(share, most, furthest, 1.0, wrong, _must(f"be the rounded answer: {figures}; {wrong}", name))


def _must(what: str, name: str) -> str:
    return f"output '{name}' must {what}"


def _by_group(error: torch.Tensor, expected: torch.Tensor, rule: OutputRule) -> torch.Tensor:
    """Return relative L2 of every group, flat; a group whose answer is all zeros counts against the whole."""
    joined = [index for index, axis in enumerate(rule.axes) if axis not in rule.group]
    squares = [tensor.square().sum(dim=joined) if joined else tensor.square() for tensor in (error, expected)]
    least = _SMALL_ROW**2 * float(squares[1].mean()) + 1e-60
    return (squares[0] / squares[1].clamp_min(least)).sqrt().flatten()


def _row_scales(expected: torch.Tensor, rule: OutputRule) -> torch.Tensor:
    """Return what errors of each row are measured in: its root mean square, with a floor for small rows."""
    squares = expected.square()
    joined = [index for index, axis in enumerate(rule.axes) if axis not in rule.group]
    groups = squares.mean(dim=joined, keepdim=True).sqrt() if joined else squares.sqrt()
    floor = (rule.row_floor * groups.amax(dim=-1)).clamp_min(_SMALL_ROW * float(squares.mean().sqrt()) + 1e-30)
    return torch.maximum(squares.mean(dim=-1).sqrt(), floor)


def _wrong_elements(
    error: torch.Tensor, rows: torch.Tensor, groups: torch.Tensor, gates: tuple[float, float], rule: OutputRule
) -> torch.Tensor:
    """Return which elements to point at: the worst of each row over its gate, else of the rows of the worst group."""
    worst = error.abs() == error.abs().amax(dim=-1, keepdim=True)
    if bool((rows > gates[1]).any()):
        return worst & (rows > gates[1])[..., None]
    sizes = [size if axis in rule.group else 1 for axis, size in zip(rule.axes, error.shape, strict=True)]
    within = (groups > gates[0]).reshape(sizes).expand(error.shape)
    return within & (error.abs() == torch.where(within, error.abs(), 0.0).max())


def _place(name: str, bad: torch.Tensor, expected: torch.Tensor, got: torch.Tensor, axes: Sequence[str]) -> WrongPlace:
    index = [int(part) for part in bad.nonzero()[0]]
    at = tuple(index)
    return WrongPlace(name, tuple(zip(axes, index, strict=True)), float(expected[at]), float(got[at]))


def _codes(tensor: torch.Tensor) -> torch.Tensor:
    """Return the bits of every element as an integer of the same size."""
    return tensor.contiguous().view(_CODE_TYPES[tensor.element_size()])


def _ordered(tensor: torch.Tensor) -> torch.Tensor:
    """Return integers that ascend with the values, so that neighbours of the type differ by one; int64."""
    codes = _codes(tensor).long()
    if not tensor.is_floating_point():
        return codes
    lowest = -(1 << (8 * tensor.element_size() - 1))
    # Sign and magnitude to one ascending line; both zeros are one point.
    return torch.where(codes < 0, lowest - codes, codes)


def _over(value: float, gate: float) -> float:
    return value / gate if gate else (float("inf") if value else 0.0)
