"""Probe files for chips with warps and pipelines, as text: full grids for rates, single blocks for limits."""

LAUNCH = """
@triton.jit
def _nothing(out, N: tl.constexpr):
    tl.store(out + tl.program_id(0) * N + tl.arange(0, N), tl.zeros([N], tl.float32))


def probe_launch_1():
    _nothing[(1,)](torch.empty(128, dtype=torch.float32), 128)


def probe_launch_8192():
    _nothing[(8192,)](torch.empty(128 * 8192, dtype=torch.float32), 128)
"""

# 256 MiB: larger than any last-level cache.
STREAM = """
@triton.jit
def _read(x, out, STEPS: tl.constexpr, N: tl.constexpr):
    program = tl.program_id(0)
    total = tl.zeros([N], tl.float32)
    for step in range(STEPS):
        total += tl.load(x + (program * STEPS + step) * N + tl.arange(0, N))
    tl.store(out + program * N + tl.arange(0, N), total)


def probe_read():
    x = torch.empty(64 * 1024 * 1024, dtype=torch.float32)
    _read[(2048,)](x, torch.empty(2048 * 4096, dtype=torch.float32), 8, 4096)


@triton.jit
def _again(x, out, STEPS: tl.constexpr, N: tl.constexpr):
    program = tl.program_id(0)
    total = tl.zeros([N], tl.float32)
    for step in range(STEPS):
        total += tl.load(x + step % 16 * N + tl.arange(0, N))
    tl.store(out + program * N + tl.arange(0, N), total)


def probe_read_again():
    x = torch.empty(16 * 4096, dtype=torch.float32)
    _again[(2048,)](x, torch.empty(2048 * 4096, dtype=torch.float32), 32, 4096)


@triton.jit
def _rows(x, out, STEPS: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    program = tl.program_id(0)
    d = tl.arange(0, K)
    total = tl.zeros([N, K], tl.float32)
    for step in range(STEPS):
        slot = ((program * STEPS + step) * N + tl.arange(0, N)) * 4099 & 262143
        total += tl.load(x + slot[:, None] * K + d[None, :]).to(tl.float32)
    tl.store(out + program * N * K + tl.arange(0, N)[:, None] * K + d[None, :], total)


def probe_rows_scattered():
    x = torch.empty(262144 * 128, dtype=torch.bfloat16)
    _rows[(512,)](x, torch.empty(512 * 64 * 128, dtype=torch.float32), 8, 64, 128)


@triton.jit
def _count(out, N: tl.constexpr):
    tl.atomic_add(out + tl.arange(0, N), tl.full([N], 1.0, tl.float32))


def probe_atomics():
    _count[(2048,)](torch.zeros(128, dtype=torch.float32), 128)
"""

PRODUCT_KERNEL = """
@triton.jit
def _product(a, b, out, STEPS: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, n, d = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left = tl.load(a + m[:, None] * K + d[None, :])
    right = tl.load(b + d[:, None] * N + n[None, :])
    acc = tl.zeros([M, N], tl.float32)
    for step in range(STEPS):
        acc = tl.dot(left, right, acc)
    tl.store(out + m[:, None] * N + n[None, :], acc)
"""

# $name, $programs, $steps, $m, $n, $k, $dtype, $warps
PRODUCT_PROBE = """
def probe_$name():
    a = torch.empty($m * $k, dtype=torch.$dtype)
    b = torch.empty($k * $n, dtype=torch.$dtype)
    out = torch.empty($m * $n, dtype=torch.float32)
    _product[($programs,)](a, b, out, $steps, $m, $n, $k, num_warps=$warps, num_stages=1)
"""

LANES_KERNEL = """
@triton.jit
def _lanes(x, out, STEPS: tl.constexpr, N: tl.constexpr, WORK: tl.constexpr):
    n = tl.arange(0, N)
    v = tl.load(x + n)
    w = v.to(tl.int64)
    for step in range(STEPS):
        if WORK == 0:
            v = tl.exp(v)
        elif WORK == 1:
            v = tl.exp2(v)
        elif WORK == 2:
            v = v + 0.5
        elif WORK == 3:
            v = 3.0 / v
        elif WORK == 4:
            w = w + step
        else:
            v = tl.where(v > step, v, 0.5)
    tl.store(out + n, v + w.to(tl.float32))
"""

LANES_PROBE = """
def probe_$name():
    x = torch.empty(4096, dtype=torch.float32)
    _lanes[(1024,)](x, torch.empty(4096, dtype=torch.float32), $steps, 4096, $work, num_warps=8)
"""

# A tile that no chip's shared memory holds: the refusal names the limit.
LIMIT = """
@triton.jit
def _wide(a, b, out, K: tl.constexpr):
    m, d = tl.arange(0, 128), tl.arange(0, K)
    left = tl.load(a + m[:, None] * K + d[None, :])
    right = tl.load(b + m[None, :] * K + d[:, None])
    acc = tl.dot(left, right)
    tl.store(out + m[:, None] * 128 + m[None, :], acc)


def probe_wide_1024():
    x = torch.empty(128 * 1024, dtype=torch.bfloat16)
    _wide[(1,)](x, x, torch.empty(128 * 128, dtype=torch.float32), 1024, num_warps=8, num_stages=1)


def probe_wide_512():
    x = torch.empty(128 * 512, dtype=torch.bfloat16)
    _wide[(1,)](x, x, torch.empty(128 * 128, dtype=torch.float32), 512, num_warps=8, num_stages=1)


def probe_wide_256():
    x = torch.empty(128 * 256, dtype=torch.bfloat16)
    _wide[(1,)](x, x, torch.empty(128 * 128, dtype=torch.float32), 256, num_warps=8, num_stages=1)
"""
