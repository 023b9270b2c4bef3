"""Suites as TOML: public workloads as written down, hidden ones with sizes drawn from a secret."""

import random
import tomllib
from collections.abc import Sequence
from pathlib import Path

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Suite, Workload

_TOP_KEYS = {"latency_below_us", "workload", "hidden"}
# Sizes up to this stay: a batch of one and a batch of two are different workloads.
_SMALL = 4
_TENTH = 0.1
_TILE = 16


def read_table(file: Path) -> dict[str, object]:
    """Return the contents of a suite's file; raises RequestError naming what is wrong."""
    try:
        table = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"suite {file.name} must be TOML: {error}") from None
    if not {"workload"} <= set(table) <= _TOP_KEYS:
        raise RequestError(
            f"suite {file.name} must hold [[workload]] and may hold {', '.join(sorted(_TOP_KEYS - {'workload'}))}, "
            f"got {', '.join(sorted(table)) or 'nothing'}"
        )
    return table


def suite_of(name: str, table: dict[str, object], secret: int, vary: Sequence[str]) -> Suite:
    """Return the suite that `table` describes.

    Sizes of hidden workloads that `vary` names are drawn within a tenth of those written down, never a multiple of
    16: kernels that only know whole tiles, or the public sizes, are found out. Equal secrets give equal sizes.
    """
    public = tuple(_workload(row, False) for row in _rows(table, "workload"))
    hidden = tuple(_drawn(_workload(row, True), name, secret, vary) for row in _rows(table, "hidden"))
    names = [workload.name for workload in public + hidden]
    if len(names) != len(set(names)):
        raise RequestError(f"workloads of suite {name} must have names of their own, some are there twice")
    return Suite(name, public + hidden)


def latency_limit_ns(table: dict[str, object]) -> float:
    """Return the roofline time, in ns, under which a workload counts as latency-bound; 0 where none is fixed."""
    limit = table.get("latency_below_us", 0)
    if not isinstance(limit, int | float):
        raise RequestError(f"latency_below_us must be a number, got {limit!r}")
    return limit * 1e3


def _rows(table: dict[str, object], key: str) -> list[dict[str, object]]:
    rows = table.get(key, [])
    if not isinstance(rows, list):
        raise RequestError(f"{key} must be an array of tables, got {type(rows).__name__}")
    return rows


def _workload(row: dict[str, object], hidden: bool) -> Workload:
    name, regime = row.get("name"), row.get("regime")
    if not isinstance(name, str) or not isinstance(regime, str):
        raise RequestError(f"a workload must give its name and regime as text, got {name!r} and {regime!r}")
    return Workload(name, regime, hidden, {key: value for key, value in row.items() if key not in ("name", "regime")})


def _drawn(template: Workload, suite: str, secret: int, vary: Sequence[str]) -> Workload:
    rng = random.Random(f"{secret}/{suite}/{template.name}")
    params = {key: _varied(rng, value) if key in vary else value for key, value in template.params.items()}
    return Workload(template.name, template.regime, True, params)


def _varied(rng: random.Random, value: object) -> object:
    if isinstance(value, list):
        return [_varied(rng, item) for item in value]
    if not isinstance(value, int) or isinstance(value, bool) or value <= _SMALL:
        return value
    drawn = max(1, round(value * rng.uniform(1 - _TENTH, 1 + _TENTH)))
    return drawn + 1 if drawn % _TILE == 0 else drawn
