"""Small kernels to lower, and a way from them to the IR that plans carry."""
# ruff: noqa: PLR0917 - kernels take what they need
# Triton functions take what the language takes.
# mypy: ignore-errors

from typing import Any

import triton
import triton.language as tl

from kernelwright.compiler.triton_api import triton_ir
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import KernelIR


def kernel_ir(
    function: Any,
    types: dict[str, str],
    constants: dict[str, object] | None = None,
    warps: int = 4,
    stages: int = 3,
    odd: tuple[str, ...] = (),
) -> KernelIR:
    """Return a kernel's IR; every pointer and integer is a multiple of 16 but those in `odd`."""
    constants = constants or {}
    every = types | dict.fromkeys(constants, "constexpr")
    order = {name: every[name] for name in function.arg_names}
    divisible = {name for name, kind in types.items() if kind[0] in "*i" and name not in odd}
    ttir = triton_ir(function, order, constants, divisible, {"num_warps": warps, "num_stages": stages})
    return KernelIR(function.__name__, ttir, ir_sha256(ttir), warps, stages)


@triton.jit
def matmul(A, B, C, m, n, k, sa, sb, sc, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    pid = tl.program_id(0)
    across = tl.cdiv(n, BN)
    rows, columns, inner = (
        (pid // across) * BM + tl.arange(0, BM),
        (pid % across) * BN + tl.arange(0, BN),
        tl.arange(0, BK),
    )
    left = A + rows[:, None] * sa + inner[None, :]
    right = B + inner[:, None] * sb + columns[None, :]
    acc = tl.zeros([BM, BN], tl.float32)
    for _ in range(0, k, BK):
        x = tl.load(left, mask=(rows < m)[:, None], other=0.0)
        y = tl.load(right, mask=(columns < n)[None, :], other=0.0)
        acc = tl.dot(x, y, acc)
        left += BK
        right += BK * sb
    out = C + rows[:, None] * sc + columns[None, :]
    tl.store(out, acc.to(C.dtype.element_ty), mask=(rows < m)[:, None] & (columns < n)[None, :])


def matmul_ir(
    tile: tuple[int, int, int] = (128, 128, 64),
    element: str = "bf16",
    out: str = "bf16",
    warps: int = 4,
    stages: int = 3,
    odd: tuple[str, ...] = (),
) -> KernelIR:
    types = {"A": f"*{element}", "B": f"*{element}", "C": f"*{out}"} | dict.fromkeys(
        ["m", "n", "k", "sa", "sb", "sc"], "i32"
    )
    return kernel_ir(matmul, types, dict(zip(("BM", "BN", "BK"), tile, strict=True)), warps, stages, odd)


@triton.jit
def scaled_matmul(
    A, SA, B, SB, C, k, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, KIND: tl.constexpr, PACK: tl.constexpr
):
    rows, columns, inner = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK // PACK)
    scales = tl.arange(0, BK // 32)
    acc = tl.zeros([BM, BN], tl.float32)
    for i in range(0, k, BK):
        x = tl.load(A + rows[:, None] * (k // PACK) + inner[None, :] + i // PACK)
        y = tl.load(B + inner[:, None] * BN + columns[None, :] + i // PACK * BN)
        xs = tl.load(SA + rows[:, None] * (k // 32) + scales[None, :] + i // 32)
        ys = tl.load(SB + columns[:, None] * (k // 32) + scales[None, :] + i // 32)
        acc = tl.dot_scaled(x, xs, KIND, y, ys, KIND, acc)
    tl.store(C + rows[:, None] * BN + columns[None, :], acc)


@triton.jit
def softmax_rows(X, Y, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    x = tl.load(X + row * n + columns, mask=columns < n, other=-float("inf"))
    top = tl.max(x, axis=0)
    weights = tl.exp(x - top)
    tl.store(Y + row * n + columns, weights / tl.sum(weights, axis=0), mask=columns < n)


@triton.jit
def take_rows(X, INDEX, OUT, LENGTHS, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    length = tl.load(LENGTHS + pid)
    if length == 0:
        return
    rows, columns = tl.arange(0, ROWS), tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float32)
    start = 0
    while start < length:
        slots = tl.load(INDEX + pid * width + start + rows, mask=start + rows < length, other=0)
        if start > 4:
            total += tl.sum(tl.load(X + slots[:, None] * BLOCK + columns[None, :]), axis=0)
        start += ROWS
    tl.atomic_add(OUT + columns, total)


@triton.jit
def attention(Q, K, V, OUT, n, scale, stride, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr):
    rows, columns, depth = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, D)
    q = tl.load(Q + rows[:, None] * stride + depth[None, :], mask=(rows < n)[:, None], other=0.0)
    top = tl.full([BM], -1e20, tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    for start in range(0, n, BN):
        keys = start + columns
        k = tl.load(K + keys[None, :] * stride + depth[:, None], mask=(keys < n)[None, :], other=0.0)
        s = tl.where((keys < n)[None, :], tl.dot(q, k) * scale, -1e20)
        new = tl.maximum(top, tl.max(s, 1))
        p = tl.exp2(s - new[:, None])
        shrink = tl.exp2(top - new)
        total = total * shrink + tl.sum(p, 1)
        v = tl.load(V + keys[:, None] * stride + depth[None, :], mask=(keys < n)[:, None], other=0.0)
        acc = tl.dot(p.to(v.dtype), v, acc * shrink[:, None])
        top = new
    out = acc / total[:, None]
    tl.store(OUT + rows[:, None] * stride + depth[None, :], out.to(OUT.dtype.element_ty), mask=(rows < n)[:, None])


def attention_ir(tile: tuple[int, int] = (128, 64), element: str = "bf16", warps: int = 8, stages: int = 3) -> KernelIR:
    types = dict.fromkeys(("Q", "K", "V", "OUT"), f"*{element}") | {"n": "i32", "scale": "fp32", "stride": "i32"}
    return kernel_ir(attention, types, {"BM": tile[0], "BN": tile[1], "D": 128}, warps, stages)


@triton.jit
def split_product(A, B, C, LOCKS, k, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows, columns, inner = tl.arange(0, BM), tl.arange(0, BN), tl.program_id(0) * BK + tl.arange(0, BK)
    x = tl.load(A + rows[:, None] * k + inner[None, :])
    y = tl.load(B + inner[:, None] * BN + columns[None, :])
    tl.atomic_add(C + rows[:, None] * BN + columns[None, :], tl.dot(x, y, input_precision="tf32"))
    tl.atomic_add(LOCKS, 1)


@triton.jit
def printing(X):
    tl.device_print("here", tl.load(X))


@triton.jit
def sorted_rows(X, Y, BLOCK: tl.constexpr):
    places = tl.arange(0, BLOCK)
    tl.store(Y + places, tl.cumsum(tl.sort(tl.load(X + places)), 0))


def scaled_ir(kind: str) -> KernelIR:
    element = {"e2m1": "*u8", "e4m3": "*fp8e4nv", "e5m2": "*fp8e5"}[kind]
    types = {"A": element, "SA": "*u8", "B": element, "SB": "*u8", "C": "*fp32", "k": "i32"}
    constants = {"BM": 64, "BN": 64, "BK": 128, "KIND": kind, "PACK": 2 if kind == "e2m1" else 1}
    return kernel_ir(scaled_matmul, types, constants)
