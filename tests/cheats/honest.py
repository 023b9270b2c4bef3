"""Candidates that do nothing wrong: the reference in the forms that people and engineers give it."""

# An edit quotes lines of the reference: broken in two it could not be compared with them.
# ruff: noqa: E501

from dataclasses import dataclass

from tests.cheats.catalogue import FOLDER, Edits, edited, source_of


@dataclass(frozen=True)
class Honest:
    """One candidate that must be accepted; without edits it is the file `honest/<name>.py`.

    `gone` is what Triton says where a version no longer has what the candidate uses.
    """

    name: str
    edits: Edits = ()
    gone: str = ""

    @property
    def source(self) -> str:
        """Return the text of the candidate."""
        return edited(self.edits) if self.edits else source_of(FOLDER / "honest" / f"{self.name}.py")


HEAD = "@triton.jit\ndef extend_kernel("
PREFIX_LOOP = "for start_n in range(0, prefix_len, BLOCK_N):"
NEW_LOOP = "for start_n in range(0, end_n, BLOCK_N):"
GRID = "extend_kernel[(requests, heads, triton.cdiv(max_len_extend, block_m))]("
IDS = "    seq = tl.program_id(0)\n    head = tl.program_id(1)\n    block_m = tl.program_id(2)\n"
EXIT = ("EXIT_EMPTY_TILES = False", "EXIT_EMPTY_TILES = True")
LAST_SCALAR = "    stride_buf_vh,\n    LOGIT_CAP: tl.constexpr,"
LAST_VALUE = "        v_buffer.stride(1),\n"
ASKED = ("        num_warps=warps,\n", ""), ("        num_stages=stages,\n", "")

IN_THE_KERNEL = (
    Honest("early exit of empty tiles", (EXIT,)),
    Honest("deep pipeline", (("num_stages=stages", "num_stages=4"), (PREFIX_LOOP, "for start_n in tl.range(0, prefix_len, BLOCK_N, num_stages=3):"))),
    Honest("warp specialisation asked for", ((PREFIX_LOOP, "for start_n in tl.range(0, prefix_len, BLOCK_N, warp_specialize=True):"),)),
    Honest("other tiles and warps", (("return 64, 128, warps, 1", "return 32, 32, 2, 2"), ("return 32, 32, warps, 1", "return 16, 64, 4, 1"))),
    Honest("exp2 with the scale folded in", (
        ("p = tl.exp(qk - n_e_max[:, None])", "p = tl.exp2((qk - n_e_max[:, None]) * 1.4426950408889634)"),
        ("re_scale = tl.exp(e_max - n_e_max)", "re_scale = tl.exp2((e_max - n_e_max) * 1.4426950408889634)"),
    )),
    Honest("diagonal in a loop of its own", (
        (f"    {NEW_LOOP}\n        key = start_n + offs_n",
         "    full = block_m * BLOCK_M // BLOCK_N * BLOCK_N\n    for part in tl.static_range(2):\n"
         "      for start_n in range(0 if part == 0 else full, full if part == 0 else end_n, BLOCK_N):\n        key = start_n + offs_n"),
    )),
    Honest("grid with its axes swapped", (
        (IDS, "    seq = tl.program_id(2)\n    head = tl.program_id(0)\n    block_m = tl.program_id(1)\n"),
        (GRID, "extend_kernel[(heads, triton.cdiv(max_len_extend, block_m), requests)]("),
    )),
    Honest("one axis, the last tiles first", (
        (IDS, "    pid = tl.program_id(0)\n    tiles = tl.num_programs(0) // (REQUESTS * HEADS)\n    seq = pid % REQUESTS\n"
              "    head = pid // REQUESTS % HEADS\n    block_m = tiles - 1 - pid // (REQUESTS * HEADS)\n"),
        (LAST_SCALAR, "    stride_buf_vh,\n    REQUESTS,\n    HEADS,\n    LOGIT_CAP: tl.constexpr,"),
        (LAST_VALUE, f"{LAST_VALUE}        requests,\n        heads,\n"),
        (GRID, "extend_kernel[(requests * heads * triton.cdiv(max_len_extend, block_m),)]("),
    )),
    Honest("hints to the compiler", (
        ("    offs_d = tl.arange(0, BLOCK_DMODEL)\n",
         "    tl.assume(stride_qbs > 0)\n    offs_d = tl.max_contiguous(tl.multiple_of(tl.arange(0, BLOCK_DMODEL), BLOCK_DMODEL), BLOCK_DMODEL)\n"),
        (PREFIX_LOOP, f"tl.assume(prefix_len >= 0)\n    {PREFIX_LOOP}\n        start_n = tl.multiple_of(start_n, BLOCK_N)"),
    )),
    Honest("loops in two levels", (
        (f"    {PREFIX_LOOP}\n        key = start_n + offs_n",
         "    for outer in range(0, prefix_len, 4 * BLOCK_N):\n      for start_n in range(outer, tl.minimum(outer + 4 * BLOCK_N, prefix_len), BLOCK_N):\n        key = start_n + offs_n"),
    )),
    Honest("first tile peeled off by static_range", (
        (f"    {PREFIX_LOOP}\n        key = start_n + offs_n",
         "    for part in tl.static_range(2):\n      for start_n in range(part * BLOCK_N, prefix_len if part else tl.minimum(prefix_len, BLOCK_N), BLOCK_N):\n        key = start_n + offs_n"),
    )),
    Honest("window starts at the first tile it shows", (
        (PREFIX_LOOP, "first_n = 0\n    if WINDOW >= 0:\n        first_n = tl.maximum(prefix_len + block_m * BLOCK_M - WINDOW, 0) // BLOCK_N * BLOCK_N\n"
                      "    for start_n in range(first_n, prefix_len, BLOCK_N):"),
    )),
    Honest("tiles skipped where nothing can show", (
        ("    # A row whose keys are all hidden", "    if tl.max(row_max - e_max, 0) < -60.0:\n        row_max = e_max\n    # A row whose keys are all hidden"),
    )),
    Honest("function that is not inlined", (
        ("@triton.jit\ndef softmax_step(", "@triton.jit(noinline=True)\ndef head_of(head, group):\n    return head // group\n\n\n@triton.jit\ndef softmax_step("),
        ("kv_head = head // kv_group_num", "kv_head = head_of(head, kv_group_num)"),
    )),
    Honest("arguments not specialised", ((HEAD, '@triton.jit(do_not_specialize=["kv_group_num", "stride_qbs"])\ndef extend_kernel('),)),
    Honest("block pointers", (
        ("    q = tl.load(\n        Q_Extend + row[:, None] * stride_qbs + head * stride_qh + offs_d[None, :],\n"
         "        mask=mask_m[:, None] & mask_d[None, :],\n        other=0.0,\n    )",
         "    q_block = tl.make_block_ptr(\n        Q_Extend + extend_start.to(tl.int64) * stride_qbs + head * stride_qh,\n"
         "        shape=(extend_len, Lq), strides=(stride_qbs, 1), offsets=(block_m * BLOCK_M, 0),\n"
         "        block_shape=(BLOCK_M, BLOCK_DMODEL), order=(1, 0),\n    )\n"
         '    q = tl.load(q_block, boundary_check=(0, 1), padding_option="zero")'),
    ), gone="Block pointers have been removed"),
    Honest("device-side tensor descriptors", (
        ("            k = tl.load(\n                K_Extend + row_n[None, :] * stride_kbs + kv_head * stride_kh + offs_d[:, None],\n"
         "                mask=mask_n[None, :] & mask_d[:, None],\n                other=0.0,\n            )\n",
         "            keys = tl.make_tensor_descriptor(\n                K_Extend + extend_start.to(tl.int64) * stride_kbs + kv_head * stride_kh,\n"
         "                shape=[extend_len, Lq], strides=[stride_kbs, 1], block_shape=[BLOCK_N, BLOCK_DMODEL],\n            )\n"
         "            k = keys.load([start_n, 0]).T\n"),
    )),
)  # fmt: skip

ON_THE_HOST = (
    Honest("autotuned", (
        (HEAD, "@triton.autotune([triton.Config({'BLOCK_M': m, 'BLOCK_N': 64}, num_warps=4, num_stages=1) for m in (16, 64)], key=['kv_group_num'])\n" + HEAD),
        ("        BLOCK_M=block_m,\n        BLOCK_N=block_n,\n", ""), *ASKED,
        ("extend_kernel[(requests, heads, triton.cdiv(max_len_extend, block_m))](", "extend_kernel[lambda meta: (requests, heads, triton.cdiv(max_len_extend, meta['BLOCK_M']))]("),
    )),
    Honest("heuristics choose tiles", (
        (HEAD, "@triton.heuristics({'BLOCK_N': lambda args: 32 if args['Lq'] > 128 else 64})\n" + HEAD),
        ("        BLOCK_N=block_n,\n", ""),
    )),
    Honest("fresh output views and strides", (
        ("    extend_kernel[(requests,", "    q_extend = q_extend.transpose(0, 1).transpose(0, 1)\n    o_extend = o_extend.view(-1, heads, v_width)[:, :, :]\n"
         "    k_buffer = k_buffer.view(k_buffer.shape[0], -1).unflatten(1, (k_extend.shape[1], width))\n"
         "    v_extend = v_extend.permute(1, 0, 2).movedim(0, 1).contiguous()\n    kv_indices = kv_indices.reshape(-1).to(torch.int64)\n    extend_kernel[(requests,"),
        ("import triton\n", "import torch\nimport triton\n"),
    )),
    Honest("assertions on the host", (
        ("    block_d, block_dpe = split_width(width)\n",
         "    block_d, block_dpe = split_width(width)\n    qo = qo_indptr.tolist()\n    longest = max(b - a for a, b in zip(qo, qo[1:]))\n    assert longest == max_len_extend\n"),
    )),
)  # fmt: skip

FILES = tuple(
    Honest(name)
    for name in (
        "split_prefix_two_kernels",
        "split_prefix_last_arriver",
        "persistent_loop",
        "tiles_by_atomic_counter",
        "compact_grid_from_host_plan",
        "longest_first",
        "packed_heads",
        "fp32_scratch_and_cast",
        "zeroed_scratch_and_atomics",
        "kept_workspace",
        "kept_counters_reset_by_the_kernel",
        "wrapped_in_classes",
        "slices_and_unbind",
        "words_that_look_bad",
        "prints_and_assertions",
    )
)
LATER = (
    Honest("persistent_loop_by_processors"),
    Honest("host_tensor_descriptors"),
)
HONEST = (*IN_THE_KERNEL, *ON_THE_HOST, *FILES, *LATER)
