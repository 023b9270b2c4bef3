"""What the chip told: probes are run through the tools and become rates."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from string import Template
from typing import cast

from kernelwright.core.protocols import Tools
from kernelwright.engineers.search import probe_text
from kernelwright.engineers.search.pipeline_rates import (
    PipelineRates,
    pipeline_probe_sources,
    pipeline_rates_from_notes,
    pipeline_rates_of,
)

DOT_ROWS = (8, 16, 32, 64, 128, 256)
DOT_PROGRAMS = (1, 2, 4, 8)
_STEPS, _KEYS, _WIDTH = 64, 64, 128


@dataclass(frozen=True)
class Rates:
    """Measured figures of one chip; where a probe failed the default below stands and `failed` tells why.

    `dot_gflops` by query rows of the tile, bf16 on one program; `dot_by` other types, key tiles and widths,
    relative to 64 rows of bf16; `parallel` programs that run at once; `exp_ns`, `exp2_ns`,
    `mask_ns` a tile element; `row_ns` what a scattered row costs beyond one in order.
    `pipelines` are rates of another kind, on chips where warps and stages matter.
    """

    stream_gb_per_s: float = 10.0
    launch_ns: float = 5000.0
    program_ns: float = 500.0
    parallel: float = 1.0
    dot_gflops: Mapping[str, float] = field(default_factory=lambda: {"64": 50.0})
    dot_by: Mapping[str, float] = field(default_factory=dict)
    exp_ns: float = 1.0
    exp2_ns: float = 1.0
    mask_ns: float = 0.2
    row_ns: float = 10.0
    failed: Mapping[str, str] = field(default_factory=dict)
    pipelines: PipelineRates | None = None

    def dot_rate(self, rows: int) -> float:
        """Return GFLOP/s (FLOP a ns) of a dot with that many query rows, between probed ones by logarithm."""
        known = sorted((int(m), rate) for m, rate in self.dot_gflops.items())
        if rows <= known[0][0]:
            return known[0][1] * rows / known[0][0]
        for (low, a), (high, b) in itertools.pairwise(known):
            if rows <= high:
                part = math.log(rows / low) / math.log(high / low)
                return math.exp(math.log(a) * (1 - part) + math.log(b) * part)
        return known[-1][1]

    def has_pipelines(self) -> bool:
        """Return whether warps or stages change times: else they need no tuning."""
        if self.pipelines is not None:
            return True
        changed = [self.dot_by.get(name, 1.0) for name in ("warps_8", "stages_3")]
        return any(abs(ratio - 1.0) > 0.25 for ratio in changed)

    def to_note(self) -> str:
        """Return the figures as a note, without those of pipelines."""
        return NOTE + json.dumps({k: v for k, v in asdict(self).items() if k != "pipelines"}, sort_keys=True)


NOTE = "probed rates: "


def rates_from_notes(notes: tuple[str, ...]) -> Rates | None:
    """Return the newest rates in the notebook, or None."""
    pipelines = pipeline_rates_from_notes(notes)
    for note in reversed(notes):
        if note.startswith(NOTE):
            return Rates(**json.loads(note.removeprefix(NOTE)), pipelines=pipelines)
    return None if pipelines is None else Rates(pipelines=pipelines)


def probe_chip(tools: Tools) -> Rates:
    """Return the rates of the chip behind `tools`, and note them: a few probe files, some seconds each."""
    chip = cast(Mapping[str, object], tools.call("brief", {}).get("chip") or {})
    rates = Rates() if chip.get("emulated") is True else rates_of(*_probed(tools, probe_sources()))
    if chip.get("emulated") is True or rates.has_pipelines():
        rates = replace(rates, pipelines=pipeline_rates_of(*_probed(tools, pipeline_probe_sources())))
    if rates.pipelines is not None:
        tools.note(rates.pipelines.to_note())
    if chip.get("emulated") is not True:
        tools.note(rates.to_note())
    return rates


def _probed(tools: Tools, sources: Iterator[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return (least ns by probe, reason by failed probe) of probe files."""
    times: dict[str, float] = {}
    failed: dict[str, str] = {}
    for source in sources:
        answer = cast(Mapping[str, Mapping[str, object]], tools.probe(source)["probes"])
        for name, told in answer.items():
            if "ns_min" in told:
                times[name.removeprefix("probe_")] = float(cast(float, told["ns_min"]))
            else:
                failed[name.removeprefix("probe_")] = f"{told['status']}: {told['reason']}"[:300]
    return times, failed


def probe_sources() -> Iterator[str]:
    """Yield the probe files."""
    yield probe_text.HEADER + probe_text.STREAM + probe_text.LAUNCH
    yield _dot_file({f"dot_rows_{m}": {"m": m} for m in DOT_ROWS})
    yield _dot_file(
        {
            "dot_float16": {"dtype": "float16"},
            "dot_float32": {"dtype": "float32"},
            "dot_keys_32": {"n": 32},
            "dot_keys_128": {"n": 128},
            "dot_width_64": {"k": 64},
            "dot_pointers": {"tile": False},
            "dot_warps_8": {"warps": 8},
            "dot_stages_3": {"stages": 3},
        }
    )
    yield _dot_file({f"programs_{n}": {"programs": n, "steps": 256} for n in DOT_PROGRAMS})
    softmax = {"exp": (False, False), "exp2": (True, False), "exp2_masked": (True, True)}
    probes = (Template(probe_text.SOFTMAX_PROBE).substitute(name=n, base2=b, mask=m) for n, (b, m) in softmax.items())
    yield probe_text.HEADER + probe_text.SOFTMAX_KERNEL + "".join(probes)
    yield probe_text.HEADER + probe_text.GATHER


def _dot_file(probes: Mapping[str, Mapping[str, object]]) -> str:
    plain = {"programs": 1, "steps": _STEPS, "m": 64, "n": _KEYS, "k": _WIDTH, "dtype": "bfloat16", "tile": True}
    plain |= {"warps": 4, "stages": 1}
    text = [Template(probe_text.DOT_PROBE).substitute(plain, name=name, **change) for name, change in probes.items()]
    return probe_text.HEADER + probe_text.DOT_KERNEL + "".join(text)


def rates_of(times: Mapping[str, float], failed: Mapping[str, str]) -> Rates:
    """Return rates from probe times in ns; a probe that is missing leaves the default."""
    plain = Rates()
    launch = times.get("launch_1", plain.launch_ns)
    dots = {str(m): _gflops(m, times[f"dot_rows_{m}"] - launch) for m in DOT_ROWS if f"dot_rows_{m}" in times}
    element = 200 * 64 * 128
    spent = {name: (times[name] - launch) / element for name in ("exp", "exp2", "exp2_masked") if name in times}
    rows = times.get("rows_scattered", 0.0) - times.get("rows_in_order", 0.0)
    return Rates(
        stream_gb_per_s=64 * 256 * 1024 * 4 / times["read"] if "read" in times else plain.stream_gb_per_s,
        launch_ns=launch,
        program_ns=(times["launch_1000"] - launch) / 999 if "launch_1000" in times else plain.program_ns,
        parallel=_parallel(times),
        dot_gflops=dots or plain.dot_gflops,
        dot_by=_relative_dots(times),
        exp_ns=spent.get("exp", plain.exp_ns),
        exp2_ns=spent.get("exp2", plain.exp2_ns),
        mask_ns=max(0.0, spent["exp2_masked"] - spent["exp2"]) if len(spent) > 2 else plain.mask_ns,
        row_ns=max(0.0, rows) / (256 * 64),
        failed=failed,
    )


def _gflops(rows: int, time_ns: float) -> float:
    return 2.0 * rows * _KEYS * _WIDTH * _STEPS / max(time_ns, 1.0)


def _parallel(times: Mapping[str, float]) -> float:
    one = times.get("programs_1")
    if one is None:
        return 1.0
    return max([1.0, *(n * one / times[f"programs_{n}"] for n in DOT_PROGRAMS if f"programs_{n}" in times)])


def _relative_dots(times: Mapping[str, float]) -> dict[str, float]:
    if "dot_rows_64" not in times:
        return {}
    work = {"dot_keys_32": 0.5, "dot_keys_128": 2.0, "dot_width_64": 0.5}
    names = ("dot_float16", "dot_float32", "dot_keys_32", "dot_keys_128", "dot_width_64", "dot_pointers", "dot_warps_8",
             "dot_stages_3")  # fmt: skip
    one = times["dot_rows_64"]
    return {n.removeprefix("dot_"): work.get(n, 1.0) * one / times[n] for n in names if n in times}
