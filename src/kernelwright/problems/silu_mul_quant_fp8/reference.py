# mypy: ignore-errors
"""Gated layer and quantisation in one pass, some groups of one token a program: the reference."""

import triton
import triton.language as tl

GROUP = 128


@triton.jit
def silu_mul_quant_kernel(
    x, q, scales, width, groups, stride_x, stride_q, stride_token, stride_group, eps, amax_ub,
    HAS_UB: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Quantise `GROUPS` groups of one token."""
    token = tl.program_id(0).to(tl.int64)
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    column = group[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    inside = column < width
    gate = tl.load(x + token * stride_x + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(x + token * stride_x + width + column, mask=inside, other=0.0).to(tl.float32)
    y = gate / (1.0 + tl.exp(-gate)) * up
    amax = tl.maximum(tl.max(tl.abs(y), 1), eps)
    if HAS_UB:
        amax = tl.minimum(amax, amax_ub)
    scale = amax / 448.0
    tl.store(scales + token * stride_token + group * stride_group, scale, mask=group < groups)
    codes = tl.minimum(tl.maximum(y / scale[:, None], -448.0), 448.0)
    tl.store(q + token * stride_q + column, codes.to(q.dtype.element_ty), mask=inside)


def silu_mul_quant_fp8(x, q, scales, eps, amax_ub):
    """Write `q` [tokens, width] and `scales` [tokens, groups] from `x` [tokens, 2 * width]."""
    tokens, width = q.shape
    groups = scales.shape[1]
    some = min(8, triton.next_power_of_2(groups))
    silu_mul_quant_kernel[(tokens, triton.cdiv(groups, some))](
        x, q, scales, width, groups, x.stride(0), q.stride(0), scales.stride(0), scales.stride(1),
        eps, 0.0 if amax_ub is None else amax_ub,
        HAS_UB=amax_ub is not None, GROUPS=some, GROUP=GROUP, num_warps=4,
    )  # fmt: skip
