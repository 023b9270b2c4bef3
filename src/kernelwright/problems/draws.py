"""Random contents for inputs of any problem."""

import numpy as np
import torch

TORCH_DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "f64": torch.float64,
    "f8e4m3fn": torch.float8_e4m3fn, "f8e5m2": torch.float8_e5m2, "i32": torch.int32, "i64": torch.int64,
    "u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i1": torch.bool,
}  # fmt: skip

# Root mean square of the values: exponents -3..0 equally often, mantissa uniform in [1, 2).
VALUE_RMS = 0.88
# Bits kept of a random word, and the exponent added, by type.
_BITS = {"bf16": (0x81FF, 124 << 7), "f16": (0x8FFF, 12 << 10), "f8e4m3fn": (0x9F, 4 << 3)}


def torch_dtype(name: str) -> torch.dtype:
    """Return the torch type of a type name used in workloads; raises KeyError for another name."""
    return TORCH_DTYPES[name]


def without_contents(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return a tensor that has shape and type and no memory: all that the time of a kernel asks of floats."""
    return torch.empty(shape, dtype=TORCH_DTYPES[dtype], device="meta")


def normal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: str,
    scale: "float | np.typing.NDArray[np.float32]" = 1.0,
    mean: float = 0.0,
) -> torch.Tensor:
    """Return normally distributed values rounded to `dtype`; `scale` is a number or broadcasts to `shape`."""
    values = rng.standard_normal(shape, dtype=np.float32) * np.asarray(scale, dtype=np.float32) + np.float32(mean)
    return torch.from_numpy(np.asarray(values)).to(TORCH_DTYPES[dtype])


def row_scales(
    rng: np.random.Generator, rows: int, low: float = -2.0, high: float = 2.0
) -> "np.typing.NDArray[np.float32]":
    """Return sizes for rows, 2**low to 2**high, float32 [rows, 1]: wrong rows then give clearly wrong answers."""
    return (2.0 ** rng.uniform(low, high, (rows, 1))).astype(np.float32)


def integers(rng: np.random.Generator, shape: tuple[int, ...], below: int, dtype: str = "i32") -> torch.Tensor:
    """Return integers from 0 to `below` - 1, each equally likely."""
    return torch.from_numpy(np.asarray(rng.integers(0, below, shape))).to(TORCH_DTYPES[dtype])


def scaled_rows(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return values of mean zero whose rows, along the last dimension, have sizes of their own, 1/4 to 4."""
    rows = int(np.prod(shape[:-1]))
    return normal(rng, shape, dtype, row_scales(rng, rows).reshape(*shape[:-1], 1))


def random_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return a tensor of random values of both signs, sizes from 2^-3 to 2, mean zero.

    They come from random bits, not from a normal distribution: sign and mantissa at random and one of four exponents,
    so each is exact in bf16, fp16 and fp8 and tens of megabytes take milliseconds.
    """
    count = int(np.prod(shape, dtype=np.int64))
    keep, add = _BITS[dtype]
    if dtype == "f8e4m3fn":
        octets = _words(rng, count, 1).view(np.uint8)[:count]
        np.bitwise_and(octets, np.uint8(keep), out=octets)
        np.add(octets, np.uint8(add), out=octets)
        return torch.from_numpy(octets).view(TORCH_DTYPES[dtype]).reshape(shape)
    bits = _words(rng, count, 2).view(np.uint16)[:count]
    np.bitwise_and(bits, np.uint16(keep), out=bits)
    np.add(bits, np.uint16(add), out=bits)
    return torch.from_numpy(bits.view(np.int16)).view(TORCH_DTYPES[dtype]).reshape(shape)


def _words(rng: np.random.Generator, count: int, size_bytes: int) -> np.typing.NDArray[np.uint64]:
    return rng.integers(0, 2**64, size=-(-count * size_bytes // 8), dtype=np.uint64)
