"""Random contents for inputs of any problem."""

import numpy as np
import torch

TORCH_DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "f64": torch.float64,
    "f8e4m3fn": torch.float8_e4m3fn, "f8e5m2": torch.float8_e5m2, "i32": torch.int32, "i64": torch.int64,
    "u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i1": torch.bool,
}  # fmt: skip


def torch_dtype(name: str) -> torch.dtype:
    """Return the torch type of a type name used in workloads; raises KeyError for another name."""
    return TORCH_DTYPES[name]


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
