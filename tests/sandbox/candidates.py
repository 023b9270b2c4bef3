"""Sources and arguments that the sandbox's tests share."""

import textwrap

from kernelwright.core.problem import Argument, TensorShape

HEAD = """\
import torch
import triton
import triton.language as tl


@triton.jit
def add(x, y, o, n, TILE: tl.constexpr):
    i = tl.program_id(0) * TILE + tl.arange(0, TILE)
    m = i < n
    tl.store(o + i, tl.load(x + i, mask=m) + tl.load(y + i, mask=m), mask=m)


"""
ADD = "add[(triton.cdiv(x.numel(), 64),)](x, y, o, x.numel(), TILE=64)"
HEAD_LINES = HEAD.count("\n")


def source(body: str, before: str = "") -> str:
    """Return a candidate whose entry `go(x, y, o, lens)` has `body`."""
    return HEAD + before + "def go(x, y, o, lens):\n" + textwrap.indent(textwrap.dedent(body).strip() + "\n", "    ")


def tensor(dtype: str, *shape: int, values: tuple[int, ...] | None = None) -> TensorShape:
    """Return a contiguous tensor's shape."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return TensorShape(dtype, shape, tuple(reversed(strides)), values)


def call(n: int = 100) -> tuple[Argument, ...]:
    """Return arguments (x, y, o, lens): three f32 tensors of n elements, and the plan input (0, 3, n)."""
    return (
        Argument("x", "input", tensor("f32", n)),
        Argument("y", "input", tensor("f32", n)),
        Argument("o", "output", tensor("f32", n)),
        Argument("lens", "input", tensor("i32", 3, values=(0, 3, n))),
    )
