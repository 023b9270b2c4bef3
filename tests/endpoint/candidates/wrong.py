# mypy: ignore-errors
"""A slip: the norm is taken of the square."""

import triton
import triton.language as tl


@triton.jit
def rms_norm_residual_kernel(x, residual, weight, out, width, eps, BLOCK: tl.constexpr):
    """Add a row of `x` to the residual, keep the sum, and write its norm."""
    row = tl.program_id(0).to(tl.int64) * width
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    total = tl.load(x + row + columns, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(residual + row + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(residual + row + columns, total.to(residual.dtype.element_ty), mask=inside)
    scale = tl.rsqrt(tl.sum(total * total, 0) / width + eps)
    normed = total * total * scale * tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row + columns, normed.to(out.dtype.element_ty), mask=inside)


def rms_norm_residual(x, residual, weight, out, eps):
    """Write the new `residual` and `out`; all [rows, width], `weight` [width]."""
    rows, width = x.shape
    block = triton.next_power_of_2(width)
    rms_norm_residual_kernel[(rows,)](x, residual, weight, out, width, eps, BLOCK=block, num_warps=16)
