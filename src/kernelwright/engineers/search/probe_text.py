"""Probe files: small Triton kernels that ask the chip for its rates, as text."""

HEADER = """\
import torch
import triton
import triton.language as tl
"""

STREAM = """
@triton.jit
def _read(x, out, STEPS: tl.constexpr, N: tl.constexpr):
    program = tl.program_id(0)
    total = tl.zeros([N], tl.float32)
    for step in range(STEPS):
        total += tl.load(x + (program * STEPS + step) * N + tl.arange(0, N))
    tl.store(out + program * N + tl.arange(0, N), total)


def probe_read():
    x = torch.empty(64 * 256 * 1024, dtype=torch.float32)
    _read[(64,)](x, torch.empty(64 * 1024, dtype=torch.float32), 256, 1024)
"""

LAUNCH = """
@triton.jit
def _nothing(out, N: tl.constexpr):
    tl.store(out + tl.program_id(0) * N + tl.arange(0, N), tl.zeros([N], tl.float32))


def probe_launch_1():
    _nothing[(1,)](torch.empty(16, dtype=torch.float32), 16)


def probe_launch_1000():
    _nothing[(1000,)](torch.empty(16000, dtype=torch.float32), 16)
"""

DOT_KERNEL = """
@triton.jit
def _dot(q, k, out, STEPS: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, TILE: tl.constexpr):
    program = tl.program_id(0)
    m, n, d = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    a = tl.load(q + m[:, None] * K + d[None, :])
    acc = tl.zeros([M, N], tl.float32)
    for step in range(STEPS):
        rows = k + (step % 4) * N * K
        if TILE:
            b = tl.trans(tl.load(rows + n[:, None] * K + d[None, :]))
        else:
            b = tl.load(rows + n[None, :] * K + d[:, None])
        acc = tl.dot(a, b, acc)
    tl.store(out + program * M * N + m[:, None] * N + n[None, :], acc)
"""

# $name, $programs, $steps, $m, $n, $k, $dtype, $tile, $warps, $stages
DOT_PROBE = """
def probe_$name():
    q = torch.empty($m * $k, dtype=torch.$dtype)
    k = torch.empty(4 * $n * $k, dtype=torch.$dtype)
    out = torch.empty($programs * $m * $n, dtype=torch.float32)
    _dot[($programs,)](q, k, out, $steps, $m, $n, $k, $tile, num_warps=$warps, num_stages=$stages)
"""

SOFTMAX_KERNEL = """
@triton.jit
def _weights(x, out, STEPS: tl.constexpr, M: tl.constexpr, N: tl.constexpr, BASE2: tl.constexpr, MASK: tl.constexpr):
    program = tl.program_id(0)
    m, n = tl.arange(0, M), tl.arange(0, N)
    s = tl.load(x + m[:, None] * N + n[None, :])
    top = tl.zeros([M], tl.float32)
    total = tl.zeros([M], tl.float32)
    for step in range(STEPS):
        t = s * 0.5 + step
        if MASK:
            t = tl.where(step + n[None, :] <= m[:, None] + 9, t, -1.0e9)
        new = tl.maximum(top, tl.max(t, 1))
        if BASE2:
            p = tl.exp2(t - new[:, None])
        else:
            p = tl.exp(t - new[:, None])
        total = total * 0.5 + tl.sum(p, 1)
        top = new
    tl.store(out + program * M + m, total + top)
"""

SOFTMAX_PROBE = """
def probe_$name():
    x = torch.empty(64 * 128, dtype=torch.float32)
    _weights[(1,)](x, torch.empty(64, dtype=torch.float32), 200, 64, 128, $base2, $mask)
"""

GATHER = """
@triton.jit
def _gather(q, x, out, STRIDE, STEPS: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, n, d = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    a = tl.load(q + m[:, None] * K + d[None, :])
    acc = tl.zeros([M, N], tl.float32)
    for step in range(STEPS):
        slot = ((step * N + n) * STRIDE % 16384).to(tl.int64)
        acc = tl.dot(a, tl.trans(tl.load(x + slot[:, None] * K + d[None, :])), acc)
    tl.store(out + m[:, None] * N + n[None, :], acc)


def probe_rows_in_order():
    x = torch.empty(16384 * 128, dtype=torch.bfloat16)
    q = torch.empty(16 * 128, dtype=torch.bfloat16)
    _gather[(1,)](q, x, torch.empty(16 * 64, dtype=torch.float32), 1, 256, 16, 64, 128)


def probe_rows_scattered():
    x = torch.empty(16384 * 128, dtype=torch.bfloat16)
    q = torch.empty(16 * 128, dtype=torch.bfloat16)
    _gather[(1,)](q, x, torch.empty(16 * 64, dtype=torch.float32), 4099, 256, 16, 64, 128)
"""
