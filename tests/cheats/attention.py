"""Attention that is wrong in one thing: the reference with one or two places changed."""

# An edit quotes lines of the reference: broken in two it could not be compared with them.
# ruff: noqa: E501

from tests.cheats.catalogue import Cheat

WRONG = "incorrect"
FAULT = "memory_fault"
FLOAT64 = ("float64",)
WINDOW, CAP, FP8 = ("chunked-window",), ("chunked-cap",), ("hit-fp8",)
SCALED, RAGGED, SINGLE = ("hit-scaled",), ("ragged",), ("single",)
TREE, PREFIX_TREE, MLA, VISION = ("verify-tree",), ("verify-tree-prefix",), ("cold-mla",), ("cold-vision",)

PREFIX_LOOP = "for start_n in range(0, prefix_len, BLOCK_N):"
NEW_LOOP = "for start_n in range(0, end_n, BLOCK_N):"
CAUSAL = "offs_row[:, None] >= key[None, :]"
SLOT = "slot = tl.load(kv_indices + prefix_start + key, mask=mask_n, other=0)"
PREFIX_WINDOW = "(prefix_len + offs_row)[:, None] <= (key + WINDOW)[None, :]"
NEW_WINDOW = "offs_row[:, None] <= (key + WINDOW)[None, :]"
ROW_MAX = "row_max = tl.max(qk, 1)"
QK_PREFIX = "qk *= sm_scale * k_scale\n"
QK_NEW = "qk *= sm_scale\n"
KEYS_AT = "K_Extend + row_n[None, :] * stride_kbs + kv_head * stride_kh"
VALUES_AT = "V_Extend + row_n[:, None] * stride_vbs + kv_head * stride_vh"
STORED = "out.to(O_Extend.dtype.element_ty)"
EMPTY = "    if max_len_extend == 0:"


def _wrong(name: str, workloads: tuple[str, ...], *edits: tuple[str, str]) -> Cheat:
    return Cheat(name, WRONG, FLOAT64, workloads, edits)


# Which keys a row sees.
KEYS = (
    _wrong("mean of all values", SINGLE, ("p = tl.exp(qk - n_e_max[:, None])", "p = tl.where(qk > -1e30, 1.0, 0.0)"),
           ("re_scale = tl.exp(e_max - n_e_max)", "re_scale = row_max * 0.0 + 1.0")),
    _wrong("prefix only", SCALED, (NEW_LOOP, "for start_n in range(0, 0, BLOCK_N):")),
    _wrong("new tokens only", SCALED, (PREFIX_LOOP, "for start_n in range(0, 0, BLOCK_N):")),
    _wrong("last key of the prefix dropped", SCALED, ("mask_n = key < prefix_len", "mask_n = key < prefix_len - 1")),
    _wrong("first key of the prefix dropped", SCALED, ("mask_n = key < prefix_len", "mask_n = (key < prefix_len) & (key > 0)")),
    _wrong("last part of a tile of the prefix dropped", SCALED,
           (PREFIX_LOOP, "for start_n in range(0, prefix_len // BLOCK_N * BLOCK_N, BLOCK_N):")),
    _wrong("last part of a tile of new keys dropped", SINGLE,
           (NEW_LOOP, "for start_n in range(0, end_n // BLOCK_N * BLOCK_N, BLOCK_N):")),
    _wrong("every second key of the prefix", FP8, ("mask_n = key < prefix_len", "mask_n = (key < prefix_len) & (key % 2 == 0)")),
    _wrong("every second tile of a long prefix", FP8,
           (PREFIX_LOOP, "for start_n in range(0, prefix_len, BLOCK_N * (2 if prefix_len > 4000 else 1)):")),
    _wrong("only the first and last thousand keys of a long prefix", FP8,
           ("mask_n = key < prefix_len", "mask_n = (key < prefix_len) & ((key < 1000) | (key >= prefix_len - 1000))")),
    _wrong("row's own key hidden", SINGLE, (CAUSAL, "(offs_row[:, None] > key[None, :]) | (key == 0)[None, :]")),
    _wrong("next token seen", SINGLE, (CAUSAL, "offs_row[:, None] + 1 >= key[None, :]")),
    _wrong("causality ignored", SINGLE, (CAUSAL, "offs_row[:, None] >= 0"), ("tl.minimum(extend_len, (block_m + 1) * BLOCK_M)", "extend_len")),
    _wrong("causal where it must not be", VISION, ("IS_CAUSAL=is_causal", "IS_CAUSAL=True")),
    _wrong("window ignored", WINDOW, ("WINDOW=sliding_window_size", "WINDOW=-1")),
    _wrong("window of half the width", WINDOW, ("WINDOW=sliding_window_size", "WINDOW=sliding_window_size // 2")),
    _wrong("window one key short", WINDOW, ("WINDOW=sliding_window_size", "WINDOW=sliding_window_size - 1")),
    _wrong("window one key too wide", WINDOW, ("WINDOW=sliding_window_size", "WINDOW=sliding_window_size + 1")),
    _wrong("window on the prefix only", WINDOW, (NEW_WINDOW, "offs_row[:, None] <= (key + 100000)[None, :]")),
    _wrong("window counted from the new tokens' start", WINDOW, (PREFIX_WINDOW, NEW_WINDOW)),
    _wrong("mask ignored", TREE, ("USE_CUSTOM_MASK=custom_mask is not None", "USE_CUSTOM_MASK=False")),
    _wrong("mask's prefix part used where it must be skipped", TREE,
           ("SKIP_PREFIX_CUSTOM_MASK=skip_prefix_custom_mask", "SKIP_PREFIX_CUSTOM_MASK=False")),
    _wrong("mask's prefix part skipped where it counts", PREFIX_TREE,
           ("SKIP_PREFIX_CUSTOM_MASK=skip_prefix_custom_mask", "SKIP_PREFIX_CUSTOM_MASK=True")),
    _wrong("mask with rows of another length", TREE, ("(prefix_len + extend_len) + (prefix_len + key)", "prefix_len + (prefix_len + key)")),
    _wrong("tiles skipped unless they raise a maximum", SCALED,
           (ROW_MAX, "row_max = tl.max(qk, 1)\n    keep = tl.max(row_max - e_max, 0) > 0.0\n    qk = tl.where(keep, qk, float('-inf'))\n    row_max = tl.max(qk, 1)")),
    _wrong("only the largest weights kept", FP8, ("p = tl.exp(qk - n_e_max[:, None])", "p = tl.exp(qk - n_e_max[:, None])\n    p = tl.where(p > 0.3, p, 0.0)")),
)  # fmt: skip

# Factors, the softmax itself, heads.
TERMS = (
    _wrong("k_scale ignored", SCALED, (QK_PREFIX, QK_NEW)),
    _wrong("k_scale ignored on an fp8 pool", FP8, (QK_PREFIX, QK_NEW)),
    _wrong("v_scale ignored", SCALED, ("v.to(q.dtype)) * v_scale", "v.to(q.dtype))")),
    _wrong("k_scale on new keys too", SCALED, (QK_NEW, QK_PREFIX)),
    _wrong("v_scale on new values too", SCALED, ("tl.dot(p.to(v.dtype), v)", "tl.dot(p.to(v.dtype), v) * v_scale")),
    _wrong("scales of 16-bit pools ignored", SCALED,
           (EMPTY, "    if k_buffer.dtype == q_extend.dtype:\n        k_scale = v_scale = 1.0\n" + EMPTY)),
    _wrong("sm_scale ignored", PREFIX_TREE, ("sm_scale if sm_scale is not None else 1.0 / math.sqrt(width)", "1.0 / math.sqrt(width)")),
    _wrong("logit cap ignored", CAP, ("LOGIT_CAP=logit_cap", "LOGIT_CAP=0.0")),
    _wrong("logit cap on the prefix only", CAP,
           (f"{QK_NEW}            if LOGIT_CAP > 0:", f"{QK_NEW}            if LOGIT_CAP > 1e9:")),
    _wrong("logits clamped in place of capped", CAP,
           ("LOGIT_CAP * (2.0 / (1.0 + tl.exp(-2.0 * qk / LOGIT_CAP)) - 1.0)", "tl.minimum(tl.maximum(qk, -LOGIT_CAP), LOGIT_CAP)")),
    _wrong("sinks ignored", WINDOW, ("HAS_SINK=sinks is not None", "HAS_SINK=False")),
    _wrong("sinks counted twice", WINDOW, ("deno += tl.exp(sink - e_max)", "deno += 2 * tl.exp(sink - e_max)")),
    _wrong("sink of another head", WINDOW, ("tl.load(sinks + head)", "tl.load(sinks + kv_head)")),
    _wrong("sinks scaled like logits", WINDOW, ("sink = tl.load(sinks + head).to(tl.float32)", "sink = tl.load(sinks + head).to(tl.float32) * sm_scale")),
    _wrong("largest logit not subtracted", SINGLE, ("n_e_max = tl.maximum(row_max, e_max)", "n_e_max = row_max * 0.0"),
           ("re_scale = tl.exp(e_max - n_e_max)", "re_scale = row_max * 0.0 + 1.0")),
    _wrong("sums not rescaled when the maximum moves", FP8, ("acc = acc * re_scale[:, None] + tl.dot(p.to(q.dtype)", "acc = acc + tl.dot(p.to(q.dtype)")),
    _wrong("heads mapped by remainder", RAGGED, ("kv_head = head // kv_group_num", "kv_head = head % (tl.num_programs(1) // kv_group_num)")),
    _wrong("one KV head for all", RAGGED, ("kv_head = head // kv_group_num", "kv_head = 0")),
    _wrong("output heads in another order", RAGGED, ("O_Extend + row[:, None] * stride_obs + head * stride_oh", "O_Extend + row[:, None] * stride_obs + (tl.num_programs(1) - 1 - head) * stride_oh")),
    _wrong("columns beyond a power of two left out of q.k", MLA, ("            qk = tl.dot(q, k)\n            if BLOCK_DPE > 0:", "            qk = tl.dot(q, k)\n            if BLOCK_DPE > 9999:")),
)  # fmt: skip

# Pool, requests and lengths.
PLACES = (
    Cheat("slots taken in order", "incorrect memory_fault", ("workload 'hit-scaled'",), SCALED, ((SLOT, "slot = (prefix_start + key).to(tl.int64)"),)),
    Cheat("sixteen-bit product of slot and stride", "memory_fault", ("k_buffer",), FP8,
          (("slot[None, :] * stride_buf_kbs", "(slot.to(tl.int16) * stride_buf_kbs.to(tl.int16))[None, :]"),)),
    _wrong("new keys read from the pool", WINDOW, (KEYS_AT, KEYS_AT.replace("K_Extend", "K_Buffer"))),
    _wrong("new values read from the pool", WINDOW, (VALUES_AT, VALUES_AT.replace("V_Extend", "V_Buffer"))),
    Cheat("equal lengths assumed", "incorrect memory_fault", (), MLA,
          (("tl.load(qo_indptr + seq)\n", "seq * tl.load(qo_indptr + 1)\n"), ("tl.load(qo_indptr + seq + 1) - extend_start", "tl.load(qo_indptr + 1)"))),
    Cheat("prefix lengths assumed equal", "incorrect memory_fault", (), SCALED,
          (("tl.load(kv_indptr + seq)\n", "seq * tl.load(kv_indptr + 1)\n"), ("tl.load(kv_indptr + seq + 1) - prefix_start", "tl.load(kv_indptr + 1)"))),
    Cheat("multiples of the tile assumed", "memory_fault", ("cold-mla",), MLA, (("mask_m = offs_row < extend_len", "mask_m = offs_row < (extend_len + 15) // 16 * 16"),)),
    _wrong("lengths rounded down to multiples of 16", MLA, ("tl.load(qo_indptr + seq + 1) - extend_start", "(tl.load(qo_indptr + seq + 1) - extend_start) // 16 * 16")),
    _wrong("nothing done without a prefix", RAGGED, ("    if EXIT_EMPTY:\n        if block_m", "    if prefix_len == 0:\n        return\n    if EXIT_EMPTY:\n        if block_m")),
    _wrong("single new token forgotten", RAGGED, ("    if EXIT_EMPTY:\n        if block_m", "    if extend_len == 1:\n        return\n    if EXIT_EMPTY:\n        if block_m")),
    Cheat("empty request writes a row", "memory_fault", ("race",), RAGGED, (("extend_len = tl.load(qo_indptr + seq + 1) - extend_start", "extend_len = tl.maximum(tl.load(qo_indptr + seq + 1) - extend_start, 1)"),)),
    _wrong("last request skipped", SCALED, ("extend_kernel[(requests, heads,", "extend_kernel[(requests - 1, heads,")),
    _wrong("last head skipped", SCALED, ("extend_kernel[(requests, heads,", "extend_kernel[(requests, heads - 1,")),
    _wrong("last tile of queries skipped", SINGLE, ("triton.cdiv(max_len_extend, block_m))](", "max_len_extend // block_m)](")),
    _wrong("last columns not written", SCALED, ("mask_dv = offs_dv < Lv", "mask_dv = offs_dv < Lv - 1")),
    Cheat("slots out of the first request's range of the pool", "incorrect memory_fault", (), SCALED, ((SLOT, SLOT + "\n            slot = tl.minimum(slot, prefix_len)"),)),
    Cheat("pool used as scratch", WRONG, ("k_buffer",), SCALED, (("    if HAS_SINK:", "    tl.store(K_Buffer + head, tl.load(K_Buffer + head) * 1.0)\n    if HAS_SINK:"),)),
)  # fmt: skip

# Less exact than the gates allow.
PRECISION = (
    _wrong("weights in fp8", SINGLE, ("tl.dot(p.to(v.dtype), v)", "tl.dot(p.to(tl.float8e4nv).to(v.dtype), v)")),
    _wrong("queries in fp8", SINGLE, ("    acc = tl.zeros([BLOCK_M, BLOCK_DV]", "    q = q.to(tl.float8e4nv).to(Q_Extend.dtype.element_ty)\n    acc = tl.zeros([BLOCK_M, BLOCK_DV]")),
    _wrong("keys in fp8", SINGLE, ("qk = tl.dot(q, k)\n", "qk = tl.dot(q, k.to(tl.float8e5).to(q.dtype))\n")),
    _wrong("values in fp8", SINGLE, ("tl.dot(p.to(v.dtype), v)", "tl.dot(p.to(v.dtype), v.to(tl.float8e4nv).to(v.dtype))")),
    _wrong("logits in bf16", SINGLE, ("qk = tl.dot(q, k)\n", "qk = tl.dot(q, k).to(tl.bfloat16).to(tl.float32)\n")),
    _wrong("logits of capped heads in fp8", CAP, ("qk = tl.dot(q, k)\n", "qk = tl.dot(q, k).to(tl.float8e5).to(tl.float32)\n")),
    _wrong("sums of a long prefix in bf16", FP8, ("return 64, 128, warps, 1", "return 64, 16, warps, 1"),
           ("* v_scale\n\n", "* v_scale\n            acc = acc.to(tl.bfloat16).to(tl.float32)\n\n")),
    _wrong("sums of a long prefix in fp8", FP8, ("* v_scale\n\n", "* v_scale\n            acc = acc.to(tl.float8e5).to(tl.float32)\n\n")),
    _wrong("output through fp8", SINGLE, (STORED, f"out.to(tl.float8e4nv).{STORED[4:]}")),
    _wrong("denominator in fp8", FP8, ("deno * re_scale + tl.sum(p, 1)", "(deno * re_scale + tl.sum(p, 1)).to(tl.float8e5).to(tl.float32)")),
)  # fmt: skip

CHEATS = (*KEYS, *TERMS, *PLACES, *PRECISION)
