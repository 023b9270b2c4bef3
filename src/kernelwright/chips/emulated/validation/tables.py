"""Timings of library kernels in PyPI's aiconfigurator-core (Apache-2.0, NVIDIA), read where it is installed."""

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelwright.core.errors import RequestError

PACKAGE = "aiconfigurator_core"
# One framework for each kind of table: the one whose bf16 tables cover all three systems.
_GEMM_FRAMEWORK, _ATTENTION_FRAMEWORK, _QUANTISE_FRAMEWORK = "sglang", "vllm", "vllm"
HEAD_WIDTH = 128
GEMM_COLUMNS = ("gemm_dtype", "m", "n", "k", "latency")
ATTENTION_COLUMNS = (
    "attn_dtype", "kv_cache_dtype", "window_size", "head_dim", "batch_size", "isl", "num_heads",
    "num_key_value_heads", "latency",
)  # fmt: skip
QUANTISE_COLUMNS = ("quant_dtype", "m", "k", "latency")

Row = tuple[Any, ...]
"""A row of a table, values in the order of its columns; a column that a table lacks is None."""


@dataclass(frozen=True)
class GemmPoint:
    """C [m, n] = A [m, k] x B [n, k] in bf16."""

    m: int
    n: int
    k: int
    time_us: float


@dataclass(frozen=True)
class AttentionPoint:
    """Causal prefill in bf16, as many key heads as heads, each 128 wide."""

    batch: int
    length: int
    heads: int
    time_us: float


@dataclass(frozen=True)
class QuantisePoint:
    """Rows x width numbers of bf16 to fp8 with one known scale."""

    rows: int
    width: int
    time_us: float


def missing_package() -> str:
    """Return "" if the tables can be read, else what is missing and what to do."""
    for module in (PACKAGE, "pyarrow"):
        if importlib.util.find_spec(module) is None:
            return f"package {module} is not installed. Install kernelwright[validate]."
    return ""


def load_gemm_points(system: str) -> tuple[GemmPoint, ...]:
    """Return the bf16 GEMM timings of `system`, such as "a100_sxm", sorted by shape."""
    return parse_gemm_rows(_largest(system, "gemm", _GEMM_FRAMEWORK, "gemm_perf.parquet", GEMM_COLUMNS))


def load_attention_points(system: str) -> tuple[AttentionPoint, ...]:
    """Return the causal prefill timings of `system`, sorted by shape."""
    name = "context_attention_perf.parquet"
    return parse_attention_rows(_largest(system, "attention", _ATTENTION_FRAMEWORK, name, ATTENTION_COLUMNS))


def load_quantise_points(system: str) -> tuple[QuantisePoint, ...]:
    """Return the timings of static fp8 quantisation of `system`, sorted by shape."""
    name = "scale_matrix_perf.parquet"
    return parse_quantise_rows(_largest(system, "quantize", _QUANTISE_FRAMEWORK, name, QUANTISE_COLUMNS))


def parse_gemm_rows(rows: Iterable[Row]) -> tuple[GemmPoint, ...]:
    """Return the bf16 points of rows of `GEMM_COLUMNS`, whose latency is in ms."""
    found = [GemmPoint(m, n, k, ms * 1000) for dtype, m, n, k, ms in rows if dtype == "bfloat16"]
    return tuple(sorted(found, key=lambda point: (point.n, point.k, point.m)))


def parse_attention_rows(rows: Iterable[Row]) -> tuple[AttentionPoint, ...]:
    """Return the points of rows of `ATTENTION_COLUMNS` in bf16, without a window; the first of equal shapes counts."""
    found: dict[tuple[int, int, int], AttentionPoint] = {}
    for dtype, kept, window, width, batch, length, heads, key_heads, ms in rows:
        if (dtype, kept, window or 0, width) == ("bfloat16", "bfloat16", 0, HEAD_WIDTH) and heads == key_heads:
            found.setdefault((length, heads, batch), AttentionPoint(batch, length, heads, ms * 1000))
    return tuple(found[key] for key in sorted(found))


def parse_quantise_rows(rows: Iterable[Row]) -> tuple[QuantisePoint, ...]:
    """Return the fp8 points of rows of `QUANTISE_COLUMNS`; a latency of 0 is no measurement."""
    found = [QuantisePoint(m, width, ms * 1000) for dtype, m, width, ms in rows if dtype == "fp8" and ms > 0]
    return tuple(sorted(found, key=lambda point: (point.width, point.rows)))


def _largest(system: str, kind: str, framework: str, name: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of the framework's largest table: its versions differ in how many shapes they timed."""
    from pyarrow import parquet  # noqa: PLC0415  # an optional package

    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise RequestError(missing_package())
    folder = Path(spec.origin).parent / "systems" / "data" / system / kind / framework
    files = sorted(folder.glob(f"*/{name}"))
    if not files:
        raise RequestError(f"{PACKAGE} must hold {kind} timings of {system}, it does not. Install another version.")
    tables = [parquet.read_table(file) for file in files]
    table = max(tables, key=lambda found: found.num_rows)
    empty = [None] * table.num_rows
    lists = [table.column(c).to_pylist() if c in table.column_names else empty for c in columns]
    return list(zip(*lists, strict=True))
