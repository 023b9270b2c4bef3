"""Rates of a chip with warps and pipelines: what full grids reach, how many units share them, where tiles end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from string import Template

from kernelwright.core.rates import noted_rates, rates_note
from kernelwright.engineers.search import pipeline_probe_text as text
from kernelwright.engineers.search.probe_text import HEADER

# Grids of equal blocks: the first that takes longer than one block has more blocks than the chip has units.
UNIT_GRIDS = (
    1,
    8,
    12,
    16,
    20,
    24,
    28,
    32,
    36,
    38,
    39,
    40,
    41,
    44,
    48,
    56,
    60,
    64,
    72,
    76,
    78,
    80,
    96,
    108,
    109,
    114,
    132,
    144,
    160,
)
_FULL_GRID, _DOT_STEPS, _LANE_STEPS = 640, 64, 128
_LANE_WORK = {"exp": 0, "exp2": 1, "add": 2, "divide": 3, "wide": 4, "select": 5}
# Rows of a tile by warps: what a block of attention multiplies with.
_ROWS = (16, 32, 64, 128)


@dataclass(frozen=True)
class PipelineRates:
    """Measured figures of a whole chip; a probe that failed leaves the default.

    Rates count results a second over all units; `dot_rows` is the rate of bf16 products, in FLOP a second, by
    rows of a tile on 4 warps; `shared_bytes` the on-chip memory that one block may have.
    """

    units: int = 64
    launch_ns: float = 5000.0
    dispatch_ns: float = 10.0
    dot_bf16_flops_per_s: float = 3e14
    dot_f16_flops_per_s: float = 3e14
    dot_tf32_flops_per_s: float = 1.5e14
    dot_f8_flops_per_s: float = 0.0
    dot_rows: Mapping[str, float] = field(default_factory=dict)
    exp_per_s: float = 1.5e12
    exp2_per_s: float = 1.5e12
    lane_ops_per_s: float = 6e12
    select_per_s: float = 6e12
    wide_ops_per_s: float = 1.5e12
    divide_per_s: float = 6e11
    stream_bytes_per_s: float = 2e12
    cached_bytes_per_s: float = 6e12
    gather_bytes_per_s: float = 2e12
    shared_bytes_per_s: float = 1e13
    atomics_per_s: float = 1e11
    shared_bytes: int = 98304

    def to_note(self) -> str:
        """Return the figures as one line of the notebook: names that reports pair with a chip's true ones."""
        return rates_note(asdict(self))


def pipeline_rates_from_notes(notes: tuple[str, ...]) -> PipelineRates | None:
    """Return the newest figures in the notebook, or None; names that are no field here are left out."""
    known = {one.name for one in fields(PipelineRates)}
    found = {name: value for name, value in noted_rates(notes).items() if name in known}
    return PipelineRates(**found) if found else None  # type: ignore[arg-type]


def pipeline_probe_sources() -> Iterator[str]:
    """Yield the probe files."""
    yield HEADER + text.LAUNCH + text.STREAM
    rates: dict[str, Mapping[str, object]] = {
        "dot_bf16": {},
        "dot_f16": {"dtype": "float16"},
        "dot_tf32": {"dtype": "float32"},
        "dot_f8": {"dtype": "float8_e4m3fn"},
    }
    rates["shared"] = {"m": 64, "n": 64}
    rates |= {f"dot_rows_{m}": {"m": m, "n": 64, "k": 128, "warps": 4} for m in _ROWS}
    yield _product_file(rates)
    yield _product_file({f"grid_{n}": {"programs": n} for n in UNIT_GRIDS})
    lanes = [Template(text.LANES_PROBE).substitute(name=n, steps=_LANE_STEPS, work=w) for n, w in _LANE_WORK.items()]
    yield HEADER + text.LANES_KERNEL + "".join(lanes)
    yield HEADER + text.LIMIT


def _product_file(probes: Mapping[str, Mapping[str, object]]) -> str:
    plain = {"programs": _FULL_GRID, "steps": _DOT_STEPS, "m": 256, "n": 128, "k": 64, "dtype": "bfloat16", "warps": 8}
    made = [Template(text.PRODUCT_PROBE).substitute({**plain, "name": n, **change}) for n, change in probes.items()]
    return HEADER + text.PRODUCT_KERNEL + "".join(made)


def pipeline_rates_of(times: Mapping[str, float], failed: Mapping[str, str]) -> PipelineRates:
    """Return rates from probe times in ns and from the reasons of refused probes."""
    launch = times.get("launch_1", PipelineRates.launch_ns)
    found: dict[str, object] = {"launch_ns": launch, "shared_bytes": _shared_bytes(times, failed)}
    work = {
        f"{name}_flops_per_s": (name, _flops(256, 128, 64)) for name in ("dot_bf16", "dot_f16", "dot_tf32", "dot_f8")
    }
    lanes = 1024 * 4096 * _LANE_STEPS
    names = {"exp": "exp_per_s", "exp2": "exp2_per_s", "add": "lane_ops_per_s", "select": "select_per_s"}
    names |= {"wide": "wide_ops_per_s", "divide": "divide_per_s"}
    work |= {rate: (name, lanes) for name, rate in names.items()}
    # A comparison goes with each selection.
    work["select_per_s"] = ("select", 2 * lanes)
    work["stream_bytes_per_s"] = ("read", 256 << 20)
    work["cached_bytes_per_s"] = ("read_again", 2048 * 32 * 4096 * 4)
    work["gather_bytes_per_s"] = ("rows_scattered", 512 * 8 * 64 * 256)
    work["atomics_per_s"] = ("atomics", 2048 * 128)
    # Eight warps in four rows and two columns: each half of the left, each quarter of the right operand is read apart.
    work["shared_bytes_per_s"] = ("shared", 2 * 64 * 64 * (2 + 4) * _DOT_STEPS * _FULL_GRID)
    for rate, (name, amount) in work.items():
        if name in times:
            found[rate] = amount / max(times[name] - launch, 1.0) * 1e9
    rows = {str(m): f"dot_rows_{m}" for m in _ROWS}
    found["dot_rows"] = {
        m: _flops(int(m), 64, 128) / max(times[name] - launch, 1.0) * 1e9 for m, name in rows.items() if name in times
    }
    if "launch_8192" in times:
        found["dispatch_ns"] = max(0.0, times["launch_8192"] - launch) / 8191
    return PipelineRates(**{**found, "units": _units(times)})  # type: ignore[arg-type]


def _flops(m: int, n: int, k: int) -> int:
    return 2 * m * n * k * _DOT_STEPS * _FULL_GRID


def _units(times: Mapping[str, float]) -> int:
    """Return the largest probed grid that takes no longer than one block, a little noise apart."""
    one = times.get("grid_1")
    if one is None:
        return PipelineRates.units
    launch = times.get("launch_1", 0.0)
    alone = max(one - launch, 1.0)
    fitting = [n for n in UNIT_GRIDS if times.get(f"grid_{n}", 1e18) - launch < 1.25 * alone]
    return max(fitting, default=1)


def _shared_bytes(times: Mapping[str, float], failed: Mapping[str, str]) -> int:
    """Return the limit that a refusal names beside what was asked for, else the largest tile that ran."""
    for name in ("wide_1024", "wide_512"):
        numbers = [int(n) for n in re.findall(r"\d+", failed.get(name, "")) if int(n) >= 16384]
        if len(numbers) >= 2:
            return min(numbers)
    ran = [int(name.removeprefix("wide_")) * 512 for name in times if name.startswith("wide_")]
    return max(ran, default=PipelineRates.shared_bytes)
