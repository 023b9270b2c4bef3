# mypy: ignore-errors
# ruff: noqa: PLR0917
import triton
import triton.language as tl


@triton.jit
def waiting_kernel(q, out):
    value = tl.load(q).to(tl.float32)
    while value < 1e30:
        value = value * 0.5
    tl.store(out, value.to(out.dtype.element_ty))


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
    waiting_kernel[(1,)](q_extend, o_extend)
