# mypy: ignore-errors
"""The reference with several rows a program and columns in steps, autotuned."""

import triton
import triton.language as tl

CONFIGS = [
    triton.Config({"ROWS": rows, "BLOCK": block}, num_warps=4) for rows in (1, 2, 4, 8) for block in (256, 1024, 4096)
]


@triton.autotune(CONFIGS, key=["width"])
@triton.jit
def rms_norm_residual_kernel(x, residual, weight, out, rows, width, eps, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Go over some rows twice: once for the sum and its squares, once for the norm."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    start = row.to(tl.int64)[:, None] * width
    squares = tl.zeros([ROWS, BLOCK], dtype=tl.float32)
    for first in range(0, width, BLOCK):
        columns = first + tl.arange(0, BLOCK)
        inside = (row < rows)[:, None] & (columns < width)[None, :]
        total = tl.load(x + start + columns[None, :], mask=inside, other=0.0).to(tl.float32)
        total += tl.load(residual + start + columns[None, :], mask=inside, other=0.0).to(tl.float32)
        tl.store(residual + start + columns[None, :], total.to(residual.dtype.element_ty), mask=inside)
        squares += total * total
    scale = tl.rsqrt(tl.sum(squares, 1) / width + eps)
    for first in range(0, width, BLOCK):
        columns = first + tl.arange(0, BLOCK)
        inside = (row < rows)[:, None] & (columns < width)[None, :]
        total = tl.load(residual + start + columns[None, :], mask=inside, other=0.0).to(tl.float32)
        factor = tl.load(weight + columns, mask=columns < width, other=0.0).to(tl.float32)
        normed = total * scale[:, None] * factor[None, :]
        tl.store(out + start + columns[None, :], normed.to(out.dtype.element_ty), mask=inside)


def rms_norm_residual(x, residual, weight, out, eps):
    """Update `residual` in place and write `out`; all [rows, width], `weight` [width]."""
    rows, width = x.shape
    rms_norm_residual_kernel[lambda config: (triton.cdiv(rows, config["ROWS"]),)](
        x, residual, weight, out, rows, width, eps
    )
