"""Some rows of an output against float64: workloads as served are too large for the whole oracle."""

import random
from collections.abc import Mapping

import torch

from kernelwright.problems.contract import ErrorReport, Inputs, WrongPlace
from kernelwright.problems.extend_attention.gates import GATES, OUTPUT, ROW_FACTOR
from kernelwright.problems.extend_attention.oracle import answer_rows, read_options, requests_of
from kernelwright.problems.extend_attention.shape import parse_shape
from kernelwright.problems.storage import tensor_of_bytes

# Requests that are looked at, and runs of rows in each: its last one and others drawn at random.
_REQUESTS, _RUNS, _ROWS = 3, 4, 4


def check_sample(outputs: Mapping[str, torch.Tensor | bytes], inputs: Inputs, seed: int) -> ErrorReport:
    """Return how far sampled rows are from float64, by (request, head) and by row, with the gates of whole outputs."""
    shape, rng = parse_shape(inputs.workload), random.Random(seed)
    live = [number for number, extend in enumerate(shape.extend) if extend]
    chosen = sorted(rng.sample(live, min(_REQUESTS, len(live))))
    value = outputs[OUTPUT]
    got = value if isinstance(value, torch.Tensor) else tensor_of_bytes(value, inputs.tensor(OUTPUT))
    gate, options, sinks = GATES[shape.pool_dtype], read_options(inputs), inputs.values["sinks"]
    worst_group = worst_row = 0.0
    wrong: WrongPlace | None = None
    for number, request in zip(chosen, requests_of(inputs, only=chosen), strict=True):
        runs = _runs(request.extend, rng)
        expected = torch.cat([answer_rows(request, options, sinks, rows) for rows in runs])
        rows = [row for run in runs for row in run]
        answer = got[[request.first_row + row for row in rows]].double()
        error = torch.where(torch.isfinite(answer), answer - expected, torch.inf)
        by_row = error.abs().amax(dim=2) / expected.square().mean(dim=2).sqrt().clamp_min(1e-30)
        by_head = (error.square().sum(dim=(0, 2)) / expected.square().sum(dim=(0, 2))).sqrt()
        worst_row, worst_group = max(worst_row, float(by_row.max())), max(worst_group, float(by_head.max()))
        if wrong is None and (float(by_row.max()) > ROW_FACTOR * gate or float(by_head.max()) > gate):
            wrong = _worst(error, expected, answer, number, rows)
    reason = ""
    if wrong is not None:
        reason = (
            f"sampled rows must agree with float64: relative L2 error {worst_group:.1e} (gate {gate:.1e}), "
            f"worst row {worst_row:.1e} (gate {ROW_FACTOR * gate:.1e}); {wrong}"
        )
    return ErrorReport(
        wrong is None, reason, worst_group, gate, worst_row, ROW_FACTOR * gate, {OUTPUT: worst_group}, wrong=wrong
    )


def _runs(extend: int, rng: random.Random) -> list[range]:
    """Return runs of rows that do not overlap, the last row among them; all rows of a short request."""
    if extend <= _RUNS * _ROWS:
        return [range(extend)]
    starts = rng.sample(range((extend - 1) // _ROWS), _RUNS - 1)
    return [range(_ROWS * start, _ROWS * (start + 1)) for start in sorted(starts)] + [range(extend - 1, extend)]


def _worst(error: torch.Tensor, expected: torch.Tensor, got: torch.Tensor, request: int, rows: list[int]) -> WrongPlace:
    at = int(error.abs().argmax())
    row, rest = divmod(at, error.shape[1] * error.shape[2])
    head, column = divmod(rest, error.shape[2])
    place = (("request", request), ("head", head), ("row", rows[row]), ("column", column))
    return WrongPlace(OUTPUT, place, float(expected[row, head, column]), float(got[row, head, column]))
