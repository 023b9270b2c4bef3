"""Kernels that call mathematical functions as users write them."""

# mypy: ignore-errors

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def apply(x, out, n, FUNCTION: tl.constexpr, BLOCK: tl.constexpr):
    """Store FUNCTION of x; a function of `triton.language`, or one of NVIDIA's module itself."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, FUNCTION(tl.load(x + i, mask=i < n)), mask=i < n)


@triton.jit
def gelu_tanh(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n).to(tl.float32)
    inner = 0.7978845608028654 * (value + 0.044715 * value * value * value)
    tl.store(out + i, 0.5 * value * (1.0 + libdevice.tanh(inner)), mask=i < n)


@triton.jit
def quantise(x, out, scales, n, BLOCK: tl.constexpr):
    """Round to i8 with one scale, held by a program that computes it on scalars."""
    i = tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n, other=0.0)
    scale = libdevice.div_rn(tl.max(tl.abs(value), 0), 127.0)
    tl.store(scales, scale)
    tl.store(out + i, libdevice.float2int_rn(value / scale).to(tl.int8), mask=i < n)


@triton.jit
def predicates(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n, other=0.0)
    kind = tl.where(libdevice.isnan(value), 1, tl.where(libdevice.isinf(value), 2, 0))
    tl.store(out + i, kind + 4 * libdevice.signbit(value).to(tl.int32), mask=i < n)


@triton.jit
def mixed(x, count, out, n, BLOCK: tl.constexpr):
    """A vector to a scalar's power, and scaled by a scalar power of two."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n, other=1.0)
    times = tl.load(count)
    tl.store(out + i, libdevice.ldexp(libdevice.pow(value, times), times), mask=i < n)


@triton.jit
def convert(x, out, back, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n, other=0.0).to(out.dtype.element_ty)
    tl.store(out + i, value, mask=i < n)
    tl.store(back + i, value.to(tl.float64), mask=i < n)


@triton.jit
def integer_functions(x, y, up, high, size, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a, b = tl.load(x + i, mask=i < n, other=1), tl.load(y + i, mask=i < n, other=1)
    limited = tl.minimum(tl.maximum(tl.abs(a), 0), 2147483648 - 2000)
    tl.store(up + i, tl.cdiv(limited, b), mask=i < n)
    tl.store(high + i, tl.umulhi(a, b), mask=i < n)
    tl.store(size + i, tl.abs(a), mask=i < n)


@triton.jit
def extremes(x, y, least, most, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    a, b = tl.load(x + i, mask=i < n), tl.load(y + i, mask=i < n)
    tl.store(least + i, tl.minimum(a, b), mask=i < n)
    tl.store(most + i, tl.maximum(a, b), mask=i < n)


@triton.jit
def add_logarithms(a, b):
    most = tl.maximum(a, b)
    return most + libdevice.log1p(tl.exp(tl.minimum(a, b) - most))


@triton.jit
def log_sum_exp(x, out, running, N: tl.constexpr):
    """Reduce and scan with a function that calls others."""
    i = tl.arange(0, N)
    value = tl.load(x + i)
    tl.store(out, tl.reduce(value, 0, add_logarithms))
    tl.store(running + i, tl.associative_scan(value, 0, add_logarithms))
