"""What is compared: ordinary Triton kernels with the torch call that a user would make instead.

Where torch can write into a tensor that it is given, it is given one, and so is the kernel; where it cannot, both
make their result anew. So neither side pays for memory that the other has for nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from kernelwright.chips.cpu.speed import kernels, products

Tensors = tuple[torch.Tensor, ...]
Shape = tuple[int, ...]

# Kernels are called through Triton's runtime, which has no types.
K: Any = kernels
P: Any = products

_BLOCK = 1024
_BINS = 256
_EPS = 1e-5
# Relative L2 against torch's own result; integers must be equal.
GATES = {torch.float32: 2e-5, torch.bfloat16: 1.2e-2}


@dataclass(frozen=True)
class Kernel:
    """One kernel and its peer.

    `make` draws the tensors of one call for (shape, dtype, generator), results among them; `ours` and `theirs` return
    the result. `work` counts `unit`s of a shape, elements or floating-point operations; `small` is a shape of which
    Triton's interpreter is through in a second.
    """

    name: str
    peer: str
    make: Callable[[Shape, torch.dtype, torch.Generator], Tensors]
    ours: Callable[..., torch.Tensor]
    theirs: Callable[..., torch.Tensor]
    small: Shape
    work: Callable[[Shape], float] = prod
    unit: str = "element"


@dataclass(frozen=True)
class Case:
    """A kernel on one shape and type; `target` is the least ratio, torch's time over ours, to reach."""

    kernel: Kernel
    shape: Shape
    dtype: torch.dtype
    target: float

    @property
    def name(self) -> str:
        """Return e.g. 'softmax 4096x1024 fp32'."""
        kind = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.int32: "int32"}[self.dtype]
        return f"{self.kernel.name} {'x'.join(map(str, self.shape))} {kind}"


def _drawn(count: int) -> Callable[[Shape, torch.dtype, torch.Generator], Tensors]:
    """Return a maker of `count` normal tensors and an empty one of the same shape."""

    def make(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
        given = [torch.randn(shape, generator=rng).to(dtype) for _ in range(count)]
        return (*given, torch.empty(shape, dtype=dtype))

    return make


def _blocks(size: int, block: int = _BLOCK) -> tuple[int]:
    return (-(-size // block),)


def _add(x: torch.Tensor, y: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.add_kernel[_blocks(x.numel())](x, y, out, x.numel(), BLOCK_SIZE=_BLOCK)
    return out


def _copy(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.copy_kernel[_blocks(x.numel())](x, out, x.numel(), BLOCK_SIZE=_BLOCK)
    return out


def _silu_mul(gate: torch.Tensor, up: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.silu_mul_kernel[_blocks(gate.numel())](gate, up, out, gate.numel(), BLOCK_SIZE=_BLOCK)
    return out


def _torch_silu_mul(gate: torch.Tensor, up: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    torch.ops.aten.silu.out(gate, out=out)
    return torch.mul(out, up, out=out)


def _softmax(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.softmax_kernel[(x.shape[0],)](out, x, x.stride(0), out.stride(0), x.shape[1], BLOCK_SIZE=_BLOCK)
    return out


def _make_norm(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    rows, columns = shape
    x, weight, bias = (torch.randn(s, generator=rng).to(dtype) for s in (shape, (columns,), (columns,)))
    # As torch keeps them: in the type of what is normed.
    means, deviations = torch.empty(rows, 1, dtype=dtype), torch.empty(rows, 1, dtype=dtype)
    return x, weight, bias, torch.empty_like(x), means, deviations


def _layer_norm(*tensors: torch.Tensor) -> torch.Tensor:
    x, weight, bias, out, mean, rstd = tensors
    rows, columns = x.shape
    K.layer_norm_kernel[(rows,)](x, out, weight, bias, mean, rstd, x.stride(0), columns, _EPS, BLOCK_SIZE=_BLOCK)
    return out


def _torch_layer_norm(*tensors: torch.Tensor) -> torch.Tensor:
    x, weight, bias, out, mean, rstd = tensors
    torch.ops.aten.native_layer_norm.out(x, [x.shape[1]], weight, bias, _EPS, out0=out, out1=mean, out2=rstd)
    return out


def _rms_norm(x: torch.Tensor, weight: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    K.rms_norm_kernel[(x.shape[0],)](x, weight, out, x.stride(0), x.shape[1], _EPS, BLOCK_SIZE=_BLOCK)
    return out


def _make_product(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    m, n, k = shape
    a, b = (torch.randn(s, generator=rng).to(dtype) for s in ((m, k), (k, n)))
    return a, b, torch.empty(m, n, dtype=dtype)


def _matmul(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    (m, k), n = a.shape, b.shape[1]

    def grid(meta: dict[str, int]) -> tuple[int]:
        return (-(-m // meta["BLOCK_SIZE_M"]) * -(-n // meta["BLOCK_SIZE_N"]),)

    P.matmul_kernel[grid](a, b, out, m, n, k, *a.stride(), *b.stride(), *out.stride())
    return out


def _make_attention(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    return tuple(torch.randn((1, *shape), generator=rng).to(dtype) for _ in range(3))


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(q)
    _, heads, length, width = q.shape

    def grid(meta: dict[str, int]) -> tuple[int, int]:
        return (-(-length // meta["BLOCK_M"]), heads)

    P.attention_kernel[grid](q, k, v, out, width**-0.5, q.stride(1), q.stride(2), length, HEAD_DIM=width)
    return out


def _cumsum(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.cumsum_kernel[(x.shape[0],)](x, out, x.stride(0), x.shape[1], BLOCK_SIZE=_BLOCK)
    return out


def _make_argmax(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    return torch.randn(shape, generator=rng).to(dtype), torch.empty(shape[0], dtype=torch.int64)


def _argmax(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.argmax_kernel[(x.shape[0],)](x, out, x.stride(0), x.shape[1], BLOCK_SIZE=_BLOCK)
    return out


def _make_histogram(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    return (torch.randint(0, _BINS, shape, dtype=dtype, generator=rng),)


def _histogram(x: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros(_BINS, dtype=torch.int32)
    K.histogram_kernel[_blocks(x.numel(), 4 * _BLOCK)](x, counts, x.numel(), BINS=_BINS, BLOCK_SIZE=4 * _BLOCK)
    return counts


def _make_embedding(shape: Shape, dtype: torch.dtype, rng: torch.Generator) -> Tensors:
    rows, width = shape
    table = torch.randn((4 * rows, width), generator=rng).to(dtype)
    return torch.randint(0, 4 * rows, (rows,), generator=rng), table, torch.empty(shape, dtype=dtype)


def _embedding(index: torch.Tensor, table: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    K.embedding_kernel[(index.numel(),)](index, table, out, table.shape[1], BLOCK_SIZE=_BLOCK)
    return out


ADD = Kernel("add", "torch.add(out=)", _drawn(2), _add, lambda x, y, o: torch.add(x, y, out=o), (1 << 17,))
COPY = Kernel("copy", "Tensor.copy_", _drawn(1), _copy, lambda x, o: o.copy_(x), (1 << 17,))
SOFTMAX = Kernel(
    "softmax", "torch.softmax(out=)", _drawn(1), _softmax, lambda x, o: torch.softmax(x, 1, out=o), (32, 1024)
)
LAYER_NORM = Kernel(
    "layer norm", "torch layer_norm(out=)", _make_norm, _layer_norm, _torch_layer_norm, (32, 1024)
)  # fmt: skip
RMS_NORM = Kernel(
    "RMS norm", "torch rms_norm", _make_norm, _rms_norm,
    lambda x, w, *_: F.rms_norm(x, (x.shape[1],), w, _EPS), (32, 1024),
)  # fmt: skip
SILU_MUL = Kernel("SiLU-mul", "torch silu(out=), mul(out=)", _drawn(2), _silu_mul, _torch_silu_mul, (32, 1024))
MATMUL = Kernel(
    "matmul", "torch.mm(out=)", _make_product, _matmul, lambda a, b, o: torch.mm(a, b, out=o), (128, 128, 1024),
    lambda s: 2.0 * prod(s), "FLOP",
)  # fmt: skip
ATTENTION = Kernel(
    "causal attention", "torch SDPA", _make_attention, _attention,
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), (1, 256, 128),
    lambda s: 2.0 * s[0] * s[1] * (s[1] + 1) * s[2], "FLOP",
)  # fmt: skip
CUMSUM = Kernel("cumsum", "torch.cumsum(out=)", _drawn(1), _cumsum, lambda x, o: torch.cumsum(x, 1, out=o), (32, 1024))
ARGMAX = Kernel(
    "argmax", "torch.argmax(out=)", _make_argmax, _argmax, lambda x, o: torch.argmax(x, 1, out=o), (32, 1024)
)
HISTOGRAM = Kernel(
    "histogram", "torch.bincount", _make_histogram, _histogram,
    lambda x: torch.bincount(x, minlength=_BINS), (1 << 17,),
)  # fmt: skip
EMBEDDING = Kernel(
    "embedding", "torch.index_select(out=)", _make_embedding, _embedding,
    lambda i, t, o: torch.index_select(t, 0, i, out=o), (32, 1024),
)  # fmt: skip

_F32, _BF16 = torch.float32, torch.bfloat16
_ROWS = (4096, 1024)
CASES = (
    Case(ADD, (1 << 24,), _F32, 0.95),
    Case(COPY, (1 << 24,), _F32, 0.95),
    *(Case(kernel, _ROWS, kind, 1.0) for kernel in (SOFTMAX, LAYER_NORM, RMS_NORM, SILU_MUL) for kind in (_F32, _BF16)),
    *(
        Case(MATMUL, shape, kind, target)
        for kind, target in ((_F32, 0.8), (_BF16, 0.7))
        for shape in ((1024, 1024, 1024), (512, 4096, 4096))
    ),
    Case(ATTENTION, (8, 2048, 128), _F32, 1.0),
    Case(ATTENTION, (8, 2048, 128), _BF16, 2.0),
    Case(CUMSUM, _ROWS, _F32, 0.5),
    Case(ARGMAX, _ROWS, _F32, 0.5),
    Case(HISTOGRAM, (1 << 22,), torch.int32, 0.5),
    Case(EMBEDDING, (8192, 1024), _F32, 0.5),
)
# A kernel natively over the same in Triton's interpreter, by time for each element or operation.
INTERPRETER_TARGET = 100.0


def interpreted_cases() -> tuple[Case, ...]:
    """Return the first case of each kernel: one type is enough for the interpreter."""
    return tuple({case.kernel.name: case for case in reversed(CASES)}.values())[::-1]


def difference(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the relative L2 distance; for integers the share of elements that differ."""
    if not wanted.is_floating_point():
        return float((got.long() != wanted.long()).double().mean())
    return float((got.double() - wanted.double()).norm() / wanted.double().norm())


def gate(wanted: torch.Tensor) -> float:
    """Return the largest `difference` from this result that counts as equal."""
    return GATES.get(wanted.dtype, 0.0)
