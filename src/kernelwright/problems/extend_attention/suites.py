"""Suites: public workloads as written down, hidden ones with lengths drawn from a secret."""

import random
import tomllib
from functools import cache
from importlib import resources

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.problem import Suite, Workload
from kernelwright.problems.extend_attention.shape import REGIMES, parse_shape

SUITES = ("smoke", "cpu", "full")
_TOP_KEYS = {"latency_below_us", "workload", "hidden"}


def load_suite(name: str, secret: int) -> Suite:
    """Return suite `name`; equal secrets give equal hidden lengths.

    Raises UnknownNameError for a name other than smoke, cpu or full.
    """
    table = _table(name)
    public = tuple(_workload(row, hidden=False) for row in _rows(table, "workload"))
    hidden = tuple(_drawn(_workload(row, hidden=True), name, secret) for row in _rows(table, "hidden"))
    return Suite(name, public + hidden)


def latency_limit_ns(name: str) -> float:
    """Return the roofline time, in ns, under which a workload of suite `name` counts as latency-bound."""
    limit = _table(name)["latency_below_us"]
    if not isinstance(limit, int | float):
        raise RequestError(f"latency_below_us of suite {name} must be a number, got {limit!r}")
    return limit * 1e3


@cache
def _table(name: str) -> dict[str, object]:
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    text = resources.files(__package__).joinpath("suites", f"{name}.toml").read_text()
    table = tomllib.loads(text)
    if set(table) != _TOP_KEYS:
        raise RequestError(f"suite {name} must hold {', '.join(sorted(_TOP_KEYS))}, got {', '.join(sorted(table))}")
    return table


def _rows(table: dict[str, object], key: str) -> list[dict[str, object]]:
    rows = table[key]
    if not isinstance(rows, list):
        raise RequestError(f"{key} must be an array of tables, got {type(rows).__name__}")
    return rows


def _workload(row: dict[str, object], hidden: bool) -> Workload:
    params = {key: value for key, value in row.items() if key not in ("name", "regime", "heads")}
    name, regime, heads = row.get("name"), row.get("regime"), row.get("heads")
    if not isinstance(name, str) or regime not in REGIMES or not isinstance(heads, list) or len(heads) != 4:
        raise RequestError(f"a workload must give name, regime and heads [Hq, Hkv, Dqk, Dv], got {name}, {regime}")
    widths = dict(zip(("q_heads", "kv_heads", "qk_width", "v_width"), heads, strict=True))
    workload = Workload(name, str(regime), hidden, widths | params)
    parse_shape(workload)
    return workload


def _drawn(template: Workload, suite: str, secret: int) -> Workload:
    """Return `template` with other lengths at nearly the same cost.

    New tokens vary by a tenth, the prefix against them so that their product stays within a tenth; E
    of 0 and 1 and P of 0 stay; the last request's lengths are no multiples of 16.
    """
    shape = parse_shape(template)
    rng = random.Random(f"{secret}/{suite}/{template.name}")
    lengths = [_drawn_request(rng, e, p) for e, p in zip(shape.extend, shape.prefix, strict=True)]
    lengths[-1] = (_off_grid(lengths[-1][0]), _off_grid(lengths[-1][1]))
    extend, prefix = [e for e, _ in lengths], [p for _, p in lengths]
    return Workload(template.name, template.regime, True, {**template.params, "extend": extend, "prefix": prefix})


def _drawn_request(rng: random.Random, extend: int, prefix: int) -> tuple[int, int]:
    factor, jitter = rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1)
    if extend <= 16:
        # So few tokens round coarsely: the prefix moves on its own.
        new = extend if extend <= 1 else max(extend + rng.choice((-1, 0, 1)), 2)
        return new, round(prefix * jitter)
    new = round(extend * factor)
    return new, round(prefix * extend / new * jitter)


def _off_grid(length: int) -> int:
    return length + 1 if length and length % 16 == 0 else length
