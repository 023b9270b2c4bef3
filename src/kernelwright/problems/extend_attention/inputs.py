"""Inputs of extend attention, as the entry function takes them."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Inputs, Value
from kernelwright.problems.draws import VALUE_RMS, random_values, without_contents
from kernelwright.problems.extend_attention.needles import plant_needles, random_tree_mask
from kernelwright.problems.extend_attention.shape import TORCH_DTYPES, Shape, parse_shape
from kernelwright.problems.extend_attention.values import pool_slots, random_pool, slot_list

SPREADS = (0.2, 1.0, 3.0, 8.0)
NEEDLES = 14
# Sinks around the logarithm of a window: they then take a visible part of the weight where logits are flat.
_SINK = 4.0


def make_inputs(workload: Workload, seed: int, spread: float | None = None, needles: int = NEEDLES) -> Inputs:
    """Return the arguments of one call, a pure function of workload and `seed` (0 or more).

    `spread` is the standard deviation of the logits; None gives query head h the spread
    `SPREADS[(h + seed) % 4]`, so that one run covers all of them (rows take turns when Hq < 4). `needles`
    queries are aimed at one key each.
    """
    shape = parse_shape(workload)
    rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(workload.name.encode())]))
    total = sum(shape.extend)
    queries = random_values(rng, (total, shape.q_heads, shape.qk_width), shape.dtype)
    spreads = _spreads(shape, total, spread, seed)
    tensors = {
        "q_extend": _scaled(shape, queries, spreads),
        "k_extend": random_values(rng, (total, shape.kv_heads, shape.qk_width), shape.dtype),
        "v_extend": random_values(rng, (total, shape.kv_heads, shape.v_width), shape.dtype),
        "o_extend": torch.full((total, shape.q_heads, shape.v_width), torch.nan, dtype=TORCH_DTYPES[shape.dtype]),
        **random_pool(shape, rng),
        "qo_indptr": starts_of(shape.extend),
        "kv_indptr": starts_of(shape.prefix),
    }
    plant_needles(shape, tensors, rng, needles)
    mask, mask_indptr = random_tree_mask(shape, rng) if shape.tree else (None, None)
    sinks = random_values(rng, (shape.q_heads,), shape.dtype) + _SINK if shape.sinks else None
    return replace(inputs_of(workload, shape, tensors, (mask, mask_indptr, sinks)), spreads=spreads)


def timing_inputs(workload: Workload, seed: int) -> Inputs:
    """Return the arguments of one call as what times depend on: integers drawn from `seed`, of floats shapes alone."""
    shape = parse_shape(workload)
    rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(workload.name.encode())]))
    total, slots = sum(shape.extend), pool_slots(shape)
    queries, keys = (total, shape.q_heads), (total, shape.kv_heads)
    taken = torch.from_numpy(rng.permutation(slots)[: shape.distinct_prefix])
    tensors = {
        "q_extend": without_contents((*queries, shape.qk_width), shape.dtype),
        "k_extend": without_contents((*keys, shape.qk_width), shape.dtype),
        "v_extend": without_contents((*keys, shape.v_width), shape.dtype),
        "o_extend": without_contents((*queries, shape.v_width), shape.dtype),
        "k_buffer": without_contents((slots, shape.kv_heads, shape.qk_width), shape.pool_dtype),
        "v_buffer": without_contents((slots, shape.kv_heads, shape.v_width), shape.pool_dtype),
        "kv_indices": slot_list(shape, taken),
        "qo_indptr": starts_of(shape.extend),
        "kv_indptr": starts_of(shape.prefix),
    }
    mask, mask_indptr = random_tree_mask(shape, rng) if shape.tree else (None, None)
    sinks = without_contents((shape.q_heads,), shape.dtype) if shape.sinks else None
    return inputs_of(workload, shape, tensors, (mask, mask_indptr, sinks))


def inputs_of(
    workload: Workload,
    shape: Shape,
    tensors: dict[str, torch.Tensor],
    optional: tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None],
) -> Inputs:
    """Return the arguments in the entry's order; `optional` is custom_mask, mask_indptr, sinks."""
    mask, mask_indptr, sinks = optional
    first = ("q_extend", "k_extend", "v_extend", "o_extend", "k_buffer", "v_buffer")
    values: dict[str, Value] = {name: tensors[name] for name in (*first, "qo_indptr", "kv_indptr", "kv_indices")}
    values |= {
        "custom_mask": mask,
        "is_causal": shape.causal,
        "mask_indptr": mask_indptr,
        "max_len_extend": max(shape.extend),
        "k_scale": shape.k_scale,
        "v_scale": shape.v_scale,
        "sm_scale": shape.sm_scale,
        "logit_cap": shape.logit_cap,
        "skip_prefix_custom_mask": shape.skip_prefix_mask,
        "sliding_window_size": shape.window,
        "sinks": sinks,
    }
    plan_inputs = ("qo_indptr", "kv_indptr") + (("mask_indptr",) if mask_indptr is not None else ())
    return Inputs(workload, values, ("o_extend",), plan_inputs)


def starts_of(lengths: Sequence[int]) -> torch.Tensor:
    """Return where each request starts, and the end, as int32 [B+1]."""
    return torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _spreads(shape: Shape, rows: int, spread: float | None, seed: int) -> torch.Tensor:
    """Return the wanted standard deviation of the logits, float32 [rows, Hq].

    With fewer query heads than spreads the rows take turns, else each head keeps one spread.
    """
    if spread is not None:
        return torch.full((rows, shape.q_heads), spread)
    turns = torch.arange(shape.q_heads)[None, :].repeat(rows, 1) + seed
    if shape.q_heads < len(SPREADS):
        turns = turns + torch.arange(rows)[:, None]
    return torch.tensor(SPREADS)[turns % len(SPREADS)]


def _scaled(shape: Shape, q: torch.Tensor, spreads: torch.Tensor) -> torch.Tensor:
    """Return `q` scaled so that its logits have the standard deviations `spreads`."""
    unit = 1.0 / (VALUE_RMS**2 * math.sqrt(shape.qk_width) * shape.logit_scale)
    scaled: torch.Tensor = q.float() * (spreads * unit)[:, :, None]
    return scaled.to(q.dtype)
