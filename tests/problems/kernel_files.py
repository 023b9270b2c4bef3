"""Kernel files and oracles as people bring them, and a FlashInfer-Bench definition written in that format."""

import json

PRODUCT = '''\
import torch
import triton
import triton.language as tl


@triton.jit
def product_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros([BM, BN], dtype=tl.float32)
    for first in range(0, K, BK):
        k = first + tl.arange(0, BK)
        left = tl.load(a + m[:, None] * K + k[None, :], mask=(m < M)[:, None] & (k < K)[None, :], other=0.0)
        right = tl.load(b + k[:, None] * N + n[None, :], mask=(k < K)[:, None] & (n < N)[None, :], other=0.0)
        total = tl.dot(left, right, total)
    inside = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=inside)


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return a @ b."""
    M, K = a.shape
    N = b.shape[1]
    c = torch.empty((M, N), dtype=a.dtype, device=a.device)  # the answer
    product_kernel[(triton.cdiv(M, 32), triton.cdiv(N, 32))](a, b, c, M, N, K, 32, 32, 32)
    return c
'''

PRODUCT_ORACLE = """\
import torch


def product(a, b):
    return torch.matmul(a, b)
"""

PICK = """\
import triton
import triton.language as tl


@triton.jit
def pick_kernel(table, rows, out, seen, width, factor, BLOCK: tl.constexpr):
    place = tl.program_id(0)
    row = tl.load(rows + place)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    picked = tl.load(table + row * width + columns, mask=inside, other=0.0)
    tl.store(out + place * width + columns, picked * factor, mask=inside)
    tl.store(seen + place, tl.load(seen + place) + 1.0)


def _launch(table, rows, out, seen, width, factor):
    block = triton.next_power_of_2(width)
    pick_kernel[(rows.shape[0],)](table, rows, out, seen, width, factor, BLOCK=block)


def pick(table, rows, out, seen, width, factor=2.0, unused=None):
    _launch(table, rows, out, seen, width, factor)
"""

PICK_ORACLE = """\
def oracle(inputs):
    table, rows = inputs["table"].double(), inputs["rows"]
    return {"out": table[rows] * inputs["factor"], "seen": inputs["seen"].double() + 1}
"""

NORM_REFERENCE = """\
import torch


@torch.no_grad()
def run(x, scale, eps):
    inverse = torch.rsqrt(x.square().mean(-1) + eps)
    return x * inverse[:, None] * scale, inverse
"""

NORM_KERNEL = """\
import torch
import triton
import triton.language as tl


@triton.jit
def norm_kernel(x, scale, out, inverse, width, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    values = tl.load(x + row * width + columns, mask=inside, other=0.0).to(tl.float32)
    factor = tl.rsqrt(tl.sum(values * values, 0) / width + eps)
    tl.store(inverse + row, factor)
    scaled = values * factor * tl.load(scale + columns, mask=inside, other=0.0)
    tl.store(out + row * width + columns, scaled.to(out.dtype.element_ty), mask=inside)


def run(x, scale, eps):
    rows, width = x.shape
    y = torch.empty_like(x)
    inverse = torch.empty((rows,), dtype=torch.float32, device=x.device)
    norm_kernel[(rows,)](x, scale, y, inverse, width, eps, BLOCK=triton.next_power_of_2(width))
    return y, inverse
"""


def definition(**changes: object) -> str:
    """Return a definition with some of its fields changed."""
    fields: dict[str, object] = {
        "name": "scaled_norm_w96",
        "op_type": "rmsnorm",
        "description": "A norm that also gives the inverse size of each row.",
        "axes": {"rows": {"type": "var"}, "width": {"type": "const", "value": 96}},
        "inputs": {
            "x": {"shape": ["rows", "width"], "dtype": "bfloat16"},
            "scale": {"shape": ["width"], "dtype": "bfloat16"},
            "eps": {"shape": None, "dtype": "float32"},
        },
        "outputs": {
            "out": {"shape": ["rows", "width"], "dtype": "bfloat16"},
            "inv_rms": {"shape": ["rows"], "dtype": "float32"},
        },
        "reference": NORM_REFERENCE,
    }
    return json.dumps({**fields, **changes})


def workloads(*rows: int, kind: str = "random") -> str:
    """Return workload lines, one for each number of rows; `kind` is where x comes from."""
    x = {"type": kind, "path": "x.safetensors", "tensor_key": "x"} if kind == "safetensors" else {"type": kind}
    inputs = {"x": x, "scale": {"type": "random"}, "eps": {"type": "scalar", "value": 1e-6}}
    lines = (
        {"definition": "scaled_norm_w96", "workload": {"uuid": str(n), "axes": {"rows": n}, "inputs": inputs}}
        for n in rows
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def solution(language: str = "triton", content: str = NORM_KERNEL, extra: str = "") -> str:
    """Return a solution, with a second Python file if `extra` names one."""
    sources = [{"path": "main.py", "content": content}] + ([{"path": extra, "content": ""}] if extra else [])
    spec = {"language": language, "target_hardware": ["cpu"], "entry_point": "main.py::run"}
    return json.dumps({"name": "s", "definition": "scaled_norm_w96", "author": "a", "spec": spec, "sources": sources})
