# mypy: ignore-errors
"""The reference with tiles in groups that share columns of `b`, autotuned."""

import triton
import triton.language as tl

CONFIGS = [
    triton.Config({"BLOCK_M": block_m, "BLOCK_N": block_n, "BLOCK_K": block_k}, num_warps=4)
    for block_m, block_n, block_k in (
        (16, 32, 128), (16, 64, 64), (16, 64, 256), (32, 64, 64), (64, 64, 64), (64, 128, 64), (128, 128, 64),
    )
]  # fmt: skip
GROUP = 8


@triton.autotune(CONFIGS, key=["m", "n", "k"])
@triton.jit
def matmul_kernel(
    a, b, bias, c, m, n, k,
    stride_am, stride_ak, stride_bk, stride_bn, stride_cm,
    HAS_BIAS: tl.constexpr, GROUP: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write one tile of `c`."""
    in_group = GROUP * tl.cdiv(n, BLOCK_N)
    first_row = tl.program_id(0) // in_group * GROUP
    height = min(tl.cdiv(m, BLOCK_M) - first_row, GROUP)
    within = tl.program_id(0) % in_group
    rows = (first_row + within % height) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = (within // height) * BLOCK_N + tl.arange(0, BLOCK_N)
    steps = tl.arange(0, BLOCK_K)
    a_tile = a + rows.to(tl.int64)[:, None] * stride_am + steps[None, :] * stride_ak
    b_tile = b + steps.to(tl.int64)[:, None] * stride_bk + columns.to(tl.int64)[None, :] * stride_bn
    total = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
    for first in range(0, k, BLOCK_K):
        inside = first + steps < k
        left = tl.load(a_tile, mask=(rows < m)[:, None] & inside[None, :], other=0.0)
        right = tl.load(b_tile, mask=inside[:, None] & (columns < n)[None, :], other=0.0)
        total = tl.dot(left, right, total)
        a_tile += BLOCK_K * stride_ak
        b_tile += BLOCK_K * stride_bk
    if HAS_BIAS:
        total += tl.load(bias + columns, mask=columns < n, other=0.0)[None, :]
    place = c + rows.to(tl.int64)[:, None] * stride_cm + columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=(rows < m)[:, None] & (columns < n)[None, :])


def matmul(a, b, bias, c):
    """Write a @ b + bias to `c`: `a` [m, k], `b` [k, n] with any strides, `bias` [n] or None, `c` [m, n]."""
    m, k = a.shape
    n = b.shape[1]
    matmul_kernel[lambda config: (triton.cdiv(m, config["BLOCK_M"]) * triton.cdiv(n, config["BLOCK_N"]),)](
        a, b, bias, c, m, n, k,
        a.stride(0), a.stride(1), b.stride(0), b.stride(1), c.stride(0),
        HAS_BIAS=bias is not None, GROUP=GROUP,
    )  # fmt: skip
