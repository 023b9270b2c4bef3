"""A pool of random contents in which every slot that no request names is hostile."""

import numpy as np
import torch

from kernelwright.problems.draws import random_values
from kernelwright.problems.extend_attention.shape import Shape

_GARBAGE = {"bf16": 3e4, "f16": 3e4, "f8e4m3fn": 448.0}


def pool_slots(shape: Shape) -> int:
    """Return how many slots the pool has: those in use, and some more."""
    used = shape.distinct_prefix
    return used + used // 16 + 38


def random_pool(shape: Shape, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Return k_buffer, v_buffer and kv_indices: slots scrambled, others' slots huge, unused slots NaN."""
    used, slots = shape.distinct_prefix, pool_slots(shape)
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
    return pool | {"kv_indices": slot_list(shape, taken)}


def slot_list(shape: Shape, taken: torch.Tensor) -> torch.Tensor:
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
