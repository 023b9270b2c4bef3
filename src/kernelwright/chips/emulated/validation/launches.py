"""Launches of the stand-in kernels: Triton IR, grid, arguments and the buffers that they point into."""

from collections.abc import Callable
from dataclasses import dataclass

from kernelwright.chips.emulated.validation.rows import GemmRow
from kernelwright.core.plan import ELEMENT_BYTES, Buffer, KernelIR, PointerArg, ScalarArg


@dataclass(frozen=True)
class KernelLaunch:
    """One launch: `args` in the order of the IR function, `buffers` what their pointers count."""

    kernel: KernelIR
    grid: tuple[int, int, int]
    args: tuple[PointerArg | ScalarArg, ...]
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True)
class Tile:
    """How a GEMM is cut: block of m x n, steps of k, warps of a block, stages of the pipeline, parts of the depth."""

    m: int
    n: int
    k: int
    warps: int
    stages: int
    parts: int = 1


# What Triton calls the element types of plans.
_TRITON_NAMES = {"i8": "i8", "bf16": "bf16", "f16": "fp16", "f8e4m3fn": "fp8e4nv", "f32": "fp32"}


def int8_launch(row: GemmRow, blocks_of: Callable[[KernelIR], int]) -> KernelLaunch:
    """Return the int8 GEMM of a measured row: its tile, warps and stages, on a grid that fills `cus` units.

    `blocks_of` says how many blocks of a kernel a unit holds. That the measured grids fill units so, the data show:
    tiles that fit a unit twice take the time of pairs, not of one after another. Triton keeps one buffer less than it
    has stages, so one stage more gives the shared memory that the rows state.
    """
    from kernelwright.chips.emulated.validation import kernels  # noqa: PLC0415  # loads triton
    from kernelwright.chips.emulated.validation.compiling import kernel_ir  # noqa: PLC0415  # loads triton

    types = {
        "a": "!*i8", "b": "!*i8", "c": "!*bf16", "a_scale": "!*fp32", "b_scale": "!*fp32",
        "m": "i32", "n": whole(row.n), "k": whole(row.k), "groups": "i32",
    }  # fmt: skip
    constants = {"BLOCK_M": row.block_m, "BLOCK_N": row.block_n, "BLOCK_K": row.block_k}
    constants["WHOLE_K"] = int(row.k % row.block_k == 0)
    kernel = kernel_ir(kernels.int8_gemm, types, constants, row.warps, row.num_stages + 1)
    groups = row.num_groups
    buffers = (
        _buffer("a", "i8", groups * row.m * row.k),
        _buffer("b", "i8", groups * row.n * row.k),
        _buffer("c", "bf16", groups * row.m * row.n, "output"),
        _buffer("a_scale", "f32", groups * row.m),
        _buffer("b_scale", "f32", groups * row.n),
    )
    tiles = groups * -(-row.m // row.block_m) * -(-row.n // row.block_n)
    numbers = tuple(ScalarArg("i32", number) for number in (row.m, row.n, row.k, groups))
    return KernelLaunch(kernel, (min(row.cus * blocks_of(kernel), tiles), 1, 1), (*_pointers(5), *numbers), buffers)


def gemm_launches(m: int, n: int, k: int, tile: Tile, dtype: str = "bf16") -> tuple[KernelLaunch, ...]:
    """Return the launches of C [m, n] bf16 = A [m, k] x B [n, k]: one, and one that sums when the depth is split."""
    from kernelwright.chips.emulated.validation import kernels  # noqa: PLC0415  # loads triton
    from kernelwright.chips.emulated.validation.compiling import kernel_ir  # noqa: PLC0415  # loads triton

    is_split = tile.parts > 1
    partial = "f32" if is_split else "bf16"
    element = _TRITON_NAMES[dtype]
    types = {
        "a": f"!*{element}", "b": f"!*{element}", "c": f"!*{_TRITON_NAMES[partial]}",
        "m": "i32", "n": whole(n), "k": whole(k), "parts": "i32",
    }  # fmt: skip
    constants = {"BLOCK_M": tile.m, "BLOCK_N": tile.n, "BLOCK_K": tile.k, "SPLIT": int(is_split)}
    constants["WHOLE_K"] = int(k % (tile.k * tile.parts) == 0)
    kernel = kernel_ir(kernels.float_gemm, types, constants, tile.warps, tile.stages)
    buffers = (
        _buffer("a", dtype, m * k),
        _buffer("b", dtype, n * k),
        _buffer("c", partial, tile.parts * m * n, "output"),
    )
    numbers = tuple(ScalarArg("i32", number) for number in (m, n, k, tile.parts))
    grid = (-(-m // tile.m) * -(-n // tile.n), tile.parts, 1)
    product = KernelLaunch(kernel, grid, (*_pointers(3), *numbers), buffers)
    if not is_split:
        return (product,)
    types = {"partial": "!*fp32", "c": "!*bf16", "size": whole(m * n), "parts": "i32"}
    summing = kernel_ir(kernels.sum_parts, types, {"BLOCK": 1024}, 4, 1)
    sums = (_buffer("partial", "f32", tile.parts * m * n), _buffer("c", "bf16", m * n, "output"))
    sizes = (ScalarArg("i32", m * n), ScalarArg("i32", tile.parts))
    return product, KernelLaunch(summing, (-(-m * n // 1024), 1, 1), (*_pointers(2), *sizes), sums)


def whole(number: int) -> str:
    """Return the type of an i32 argument, with the mark of those that 16 divides."""
    return "!i32" if number % 16 == 0 else "i32"


def _pointers(count: int) -> tuple[PointerArg, ...]:
    return tuple(PointerArg(place) for place in range(count))


def _buffer(name: str, dtype: str, elements: int, role: str = "input") -> Buffer:
    return Buffer(name, "output" if role == "output" else "input", dtype, elements * ELEMENT_BYTES[dtype])


def attention_launch(batch: int, length: int, heads: int, key_heads: int, width: int, tile: Tile) -> KernelLaunch:
    """Return causal attention over [batch, length, heads, width] bf16; `tile.m` rows of queries, `tile.n` of keys."""
    from kernelwright.chips.emulated.validation import kernels  # noqa: PLC0415  # loads triton
    from kernelwright.chips.emulated.validation.compiling import kernel_ir  # noqa: PLC0415  # loads triton

    types = dict.fromkeys(("q", "k", "v", "out"), "!*bf16")
    types |= {"length": whole(length), "heads": "i32", "shared": "i32", "scale": "fp32"}
    constants = {"BLOCK_M": tile.m, "BLOCK_N": tile.n, "WIDTH": width}
    kernel = kernel_ir(kernels.causal_attention, types, constants, tile.warps, tile.stages)
    rows = batch * length * width
    buffers = (
        _buffer("q", "bf16", rows * heads),
        _buffer("k", "bf16", rows * key_heads),
        _buffer("v", "bf16", rows * key_heads),
        _buffer("out", "bf16", rows * heads, "output"),
    )
    numbers = (ScalarArg("i32", length), ScalarArg("i32", heads), ScalarArg("i32", heads // key_heads))
    scale = ScalarArg("f32", 1.44269504 / float(width) ** 0.5)
    return KernelLaunch(kernel, (-(-length // tile.m), batch * heads, 1), (*_pointers(4), *numbers, scale), buffers)


def quantise_launch(size: int, block: int) -> KernelLaunch:
    """Return the launch that turns `size` bf16 numbers into fp8 with one scale, `block` of them a program."""
    from kernelwright.chips.emulated.validation import kernels  # noqa: PLC0415  # loads triton
    from kernelwright.chips.emulated.validation.compiling import kernel_ir  # noqa: PLC0415  # loads triton

    types = {"x": "!*bf16", "out": "!*fp8e4nv", "scale": "!*fp32", "size": whole(size)}
    kernel = kernel_ir(kernels.to_fp8, types, {"BLOCK": block}, 4, 1)
    buffers = (_buffer("x", "bf16", size), _buffer("out", "f8e4m3fn", size, "output"), _buffer("scale", "f32", 1))
    return KernelLaunch(kernel, (-(-size // block), 1, 1), (*_pointers(3), ScalarArg("i32", size)), buffers)


def block_scaled_launch(m: int, n: int, k: int, tile: Tile) -> KernelLaunch:
    """Return an fp8 GEMM with a scale for each 128 of the depth, by row of A and by 128 rows of B."""
    from kernelwright.chips.emulated.validation import kernels  # noqa: PLC0415  # loads triton
    from kernelwright.chips.emulated.validation.compiling import kernel_ir  # noqa: PLC0415  # loads triton

    types = {
        "a": "!*fp8e4nv", "b": "!*fp8e4nv", "c": "!*bf16", "a_scale": "!*fp32", "b_scale": "!*fp32",
        "m": "i32", "n": whole(n), "k": whole(k),
    }  # fmt: skip
    constants = {"BLOCK_M": tile.m, "BLOCK_N": tile.n, "BLOCK_K": tile.k, "SCALED": 128}
    kernel = kernel_ir(kernels.block_scaled_gemm, types, constants, tile.warps, tile.stages)
    runs = -(-k // 128)
    buffers = (
        _buffer("a", "f8e4m3fn", m * k),
        _buffer("b", "f8e4m3fn", n * k),
        _buffer("c", "bf16", m * n, "output"),
        _buffer("a_scale", "f32", m * runs),
        _buffer("b_scale", "f32", -(-n // 128) * runs),
    )
    numbers = tuple(ScalarArg("i32", number) for number in (m, n, k))
    grid = (-(-m // tile.m) * -(-n // tile.n), 1, 1)
    return KernelLaunch(kernel, grid, (*_pointers(5), *numbers), buffers)
