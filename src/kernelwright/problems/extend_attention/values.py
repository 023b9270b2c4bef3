"""Random contents: zero-mean values, and a pool in which every slot that no request names is hostile.

Values come from random bits, not from a normal distribution: sign and mantissa at random and one
of four exponents, so each is exact in bf16, fp16 and fp8 and tens of megabytes take milliseconds.
"""

import numpy as np
import torch

from kernelwright.problems.extend_attention.shape import TORCH_DTYPES, Shape

# Root mean square of the values: exponents -3..0 equally often, mantissa uniform in [1, 2).
VALUE_RMS = 0.88
# Bits kept of a random word, and the exponent added, by type.
_BITS = {"bf16": (0x81FF, 124 << 7), "f16": (0x8FFF, 12 << 10), "f8e4m3fn": (0x9F, 4 << 3)}
_GARBAGE = {"bf16": 3e4, "f16": 3e4, "f8e4m3fn": 448.0}


def random_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return a tensor of random values of both signs, sizes from 2^-3 to 2, mean zero."""
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


def random_pool(shape: Shape, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Return k_buffer, v_buffer and kv_indices: slots scrambled, others' slots huge, unused slots NaN."""
    used = shape.distinct_prefix
    slots = used + used // 16 + 38
    order = torch.from_numpy(rng.permutation(slots))
    taken, others, unused = order.tensor_split([used, used + (slots - used) // 2])
    pool: dict[str, torch.Tensor] = {}
    for name, width in (("k_buffer", shape.qk_width), ("v_buffer", shape.v_width)):
        buffer = random_values(rng, (slots, shape.kv_heads, width), shape.pool_dtype)
        bits = buffer.view(torch.uint8 if buffer.element_size() == 1 else torch.int16)
        hostile = torch.tensor([_GARBAGE[shape.pool_dtype], float("nan")]).to(buffer.dtype).view(bits.dtype)
        bits[others] = hostile[0]
        bits[unused] = hostile[1]
        pool[name] = buffer
    return pool | {"kv_indices": _slot_list(shape, taken)}


def _slot_list(shape: Shape, taken: torch.Tensor) -> torch.Tensor:
    """Return the slots of each request's prefix in turn; a shared start is the same for all that have it."""
    share = shape.shared_prefix if max(shape.prefix) >= shape.shared_prefix else 0
    parts, at = [taken[:0]], share
    for prefix in shape.prefix:
        own = prefix
        if share and prefix >= share:
            parts.append(taken[:share])
            own -= share
        parts.append(taken[at : at + own])
        at += own
    return torch.cat(parts).to(torch.int64)


def _words(rng: np.random.Generator, count: int, size_bytes: int) -> np.typing.NDArray[np.uint64]:
    return rng.integers(0, 2**64, size=-(-count * size_bytes // 8), dtype=np.uint64)
