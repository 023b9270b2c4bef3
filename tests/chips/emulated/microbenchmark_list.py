"""Microbenchmarks by name, small enough to emulate in milliseconds."""

from typing import Any

import triton.language as tl

from tests.chips.emulated import microbenchmarks as kernels
from tests.chips.emulated.benchmark_plans import Argument, Benchmark, Tensor

# Blocks that fill the units of the M890 class once, and four times.
UNITS = 39
FULL = 4 * UNITS


def out(elements: int, dtype: str = "f32") -> Tensor:
    """Return an output argument."""
    return Tensor(dtype, elements, "output")


def copy(step: int = 1, evict: str = "", offset_bytes: int = 0) -> Benchmark:
    """Return a copy of a million floats that lie `step` apart."""
    size = 1 << 20
    source = Tensor("f32", size * step, offset_bytes=offset_bytes)
    arguments: dict[str, Argument] = {"x": source, "out": out(size), "step": step}
    return Benchmark(kernels.copy, (size // 1024,), arguments, {"BLOCK": 1024, "EVICT": evict})


def gather(index: tuple[int, ...], size: int) -> Benchmark:
    """Return a gather of floats out of `size` at `index`."""
    numbers = Tensor("i32", len(index), data=index)
    arguments: dict[str, Argument] = {"x": Tensor("f32", size), "index": numbers, "out": out(len(index))}
    return Benchmark(kernels.gather, (len(index) // 1024,), arguments, {"BLOCK": 1024})


def persistent(programs: int) -> Benchmark:
    """Return a copy in small blocks, dealt to `programs` programs."""
    size = 1 << 20
    arguments: dict[str, Argument] = {"x": Tensor("f32", size), "out": out(size), "blocks": size // 128}
    return Benchmark(kernels.copy_persistent, (programs,), arguments, {"BLOCK": 128})


def transpose(turn: bool) -> Benchmark:
    """Return a copy of tiles, each turned on its way or not."""
    size = 512 * 64 * 64
    return Benchmark(
        kernels.transpose, (512,), {"x": Tensor("f32", size), "out": out(size)}, {"TURN": turn, "SIZE": 64}
    )


def lanes(kernel: Any, programs: int = FULL, launches: int = 1, **constants: object) -> Benchmark:
    """Return a loop of arithmetic on registers, in `programs` blocks of 16 warps."""
    size = programs * 4096
    arguments: dict[str, Argument] = {"x": Tensor("f32", size), "out": out(size), "count": 64}
    return Benchmark(kernel, (programs,), arguments, {"BLOCK": 4096, **constants}, warps=16, launches=launches)


def atomics(spread: int) -> Benchmark:
    """Return atomic additions to one line of blocks `spread` elements apart: 0 is one line for all."""
    arguments: dict[str, Argument] = {"out": out(32 * FULL), "count": 16, "spread": spread}
    return Benchmark(kernels.atomics, (FULL,), arguments, {"BLOCK": 32}, warps=1)


def matmul(
    size: tuple[int, int, int] = (1024, 1024, 1024),
    tile: tuple[int, int, int] = (128, 128, 64),
    dtype: str = "f16",
    warps: int = 8,
    stages: int = 3,
    *,
    group: int = 1,
    split: int = 1,
    pad: int = 0,
    offset_bytes: int = 0,
    precision: str = "tf32",
    turned: bool = False,
) -> Benchmark:
    """Return c = a b of size (M, N, K); rows of a lie `pad` elements further apart than need be, both begin
    `offset_bytes` late; b may lie turned.
    """
    m, n, k = size
    grid = (-(-m // tile[0]) * -(-n // tile[1]), split)
    arguments: dict[str, Argument] = {
        "a": Tensor(dtype, m * (k + pad), offset_bytes=offset_bytes),
        "b": Tensor(dtype, k * n, offset_bytes=offset_bytes),
        "c": out(m * n),
        "M": m, "N": n, "K": k, "lda": k + pad,
    }  # fmt: skip
    constants: dict[str, object] = dict(zip(("BM", "BN", "BK"), tile, strict=True))
    constants |= {"GROUP": group, "SPLIT": split}
    constants |= {"PRECISION": precision, "TURNED": turned}
    return Benchmark(kernels.matmul, grid, arguments, constants, warps, stages)


def long_dots(dtype: str = "f16", precision: str = "tf32", count: int = 100) -> Benchmark:
    """Return products out of registers and on-chip memory alone."""
    size = 64 * 64
    arguments: dict[str, Argument] = {"a": Tensor(dtype, size), "c": out(FULL * size), "count": count}
    return Benchmark(kernels.long_dots, (FULL,), arguments, {"SIZE": 64, "PRECISION": precision}, warps=4, stages=1)


def scaled(kind: str) -> Benchmark:
    """Return scaled products of e4m3 or e2m1."""
    pack, dtype = (2, "u8") if kind == "e2m1" else (1, "f8e4m3fn")
    size = 128 * 128
    arguments: dict[str, Argument] = {
        "a": Tensor(dtype, size // pack), "b": Tensor(dtype, size // pack), "c": out(2 * UNITS * size), "count": 50,
    }  # fmt: skip
    constants = {"KIND": kind, "PACK": pack, "M": 128, "K": 128}
    return Benchmark(kernels.scaled, (2 * UNITS,), arguments, constants, warps=8, stages=1)


def reread(evict: str, programs: int = FULL) -> Benchmark:
    """Return blocks that read one table again and again between what they read once."""
    parts, passes = 64, 4
    stream = Tensor("f32", programs * passes * parts * 1024)
    arguments: dict[str, Argument] = {
        "x": stream,
        "table": Tensor("f32", parts * 1024),
        "out": out(programs * 1024),
        "passes": passes,
    }
    return Benchmark(kernels.reread, (programs,), arguments, {"TABLE": parts, "BLOCK": 1024, "EVICT": evict})


def ragged(lengths: tuple[int, ...]) -> Benchmark:
    """Return blocks of 16 warps that work as long as `lengths` say."""
    size = len(lengths) * 4096
    numbers = Tensor("i32", len(lengths), data=lengths)
    arguments: dict[str, Argument] = {"x": Tensor("f32", size), "lengths": numbers, "out": out(size)}
    return Benchmark(kernels.ragged, (len(lengths),), arguments, {"BLOCK": 4096}, warps=16)


def empty(launches: int = 1) -> Benchmark:
    """Return launches that do nothing."""
    return Benchmark(kernels.empty, (1,), {"out": out(4)}, {}, launches=launches)


def strided_rows(step_bytes: int) -> Benchmark:
    """Return blocks that read rows of 128 bytes, `step_bytes` apart."""
    rows, width, programs = 32, 32, 4 * FULL
    step = step_bytes // 4
    arguments: dict[str, Argument] = {
        "x": Tensor("f32", programs * rows * step),
        "out": out(programs * rows * width),
        "step": step,
    }
    return Benchmark(kernels.rows, (programs,), arguments, {"ROWS": rows, "WIDTH": width})


def pages(step: int) -> Benchmark:
    """Return blocks that read whole pages of 4 KiB, `step` pages apart."""
    programs = 8 * FULL
    arguments: dict[str, Argument] = {
        "x": Tensor("f32", programs * step * 1024),
        "out": out(programs * 1024),
        "step": step * 1024,
    }
    return Benchmark(kernels.pages, (programs,), arguments, {"BLOCK": 1024})


# The microbenchmark that reveals each quirk, by the name that the prior gives it.
REVEALING = {
    "atomics": atomics(0),
    "bulk-copies": matmul((512, 1024, 1024), (32, 32, 128), warps=4, stages=4),
    "channel-stride": strided_rows(32768),
    "die-stride": pages(64),
    "empty": empty(),
    "eviction": reread("evict_first"),
    "exponentials": lanes(kernels.exponentials),
    "f8-dots": matmul((2048, 2048, 1024), (128, 128, 128), "f8e4m3fn", turned=True),
    "integers": lanes(kernels.integers, KIND=tl.int32),
    "long-dots": long_dots(),
    "persistent-grid": reread("", 4),
    "register-cliff": matmul(warps=4),
    "repeats": lanes(kernels.exponentials, launches=2),
    "small-bulk-copies": matmul((512, 512, 1024), (32, 32, 32), warps=4),
    "spills": matmul((1024, 1024, 512), (256, 256, 32), warps=4, stages=2),
    "wide-integers": lanes(kernels.integers, KIND=tl.int64),
}
