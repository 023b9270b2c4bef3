# mypy: ignore-errors
"""The reference with the groups of a program chosen and a reciprocal in place of divisions, autotuned."""

import triton
import triton.language as tl

GROUP = 128
CONFIGS = [
    triton.Config({"GROUPS": groups, "ROWS": rows}, num_warps=4)
    for groups, rows in ((1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (1, 8), (1, 32))
]


@triton.autotune(CONFIGS, key=["tokens", "width"])
@triton.jit
def silu_mul_quant_kernel(
    x, q, scales, tokens, width, groups, stride_x, stride_q, stride_token, stride_group, eps, amax_ub,
    HAS_UB: tl.constexpr, ROWS: tl.constexpr, GROUPS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Quantise `GROUPS` groups of each of `ROWS` tokens, a token after the other."""
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    column = group[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    inside = column < width
    first = tl.program_id(0).to(tl.int64) * ROWS
    for token in range(first, min(first + ROWS, tokens)):
        gate = tl.load(x + token * stride_x + column, mask=inside, other=0.0).to(tl.float32)
        up = tl.load(x + token * stride_x + width + column, mask=inside, other=0.0).to(tl.float32)
        y = gate / (1.0 + tl.exp(-gate)) * up
        amax = tl.maximum(tl.max(tl.abs(y), 1), eps)
        if HAS_UB:
            amax = tl.minimum(amax, amax_ub)
        tl.store(scales + token * stride_token + group * stride_group, amax / 448.0, mask=group < groups)
        codes = tl.minimum(tl.maximum(y * (448.0 / amax)[:, None], -448.0), 448.0)
        tl.store(q + token * stride_q + column, codes.to(q.dtype.element_ty), mask=inside)


def silu_mul_quant_fp8(x, q, scales, eps, amax_ub):
    """Write `q` [tokens, width] and `scales` [tokens, groups] from `x` [tokens, 2 * width]."""
    tokens, width = q.shape
    groups = scales.shape[1]
    silu_mul_quant_kernel[
        lambda config: (triton.cdiv(tokens, config["ROWS"]), triton.cdiv(groups, config["GROUPS"]))
    ](
        x, q, scales, tokens, width, groups, x.stride(0), q.stride(0), scales.stride(0), scales.stride(1),
        eps, 0.0 if amax_ub is None else amax_ub, HAS_UB=amax_ub is not None, GROUP=GROUP,
    )  # fmt: skip
