"""Changes of the inputs whose effect on the output is known, for any runner.

A runner takes inputs and returns the output [sum of E, Hq, Dv]. Each check runs it on the inputs and
on their changed form and returns the largest relative L2 distance between what came and what must come.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Inputs, Value
from kernelwright.problems.extend_attention.inputs import inputs_of, starts_of
from kernelwright.problems.extend_attention.shape import Shape, parse_shape

Runner = Callable[[Inputs], torch.Tensor]


def check_slots(run: Runner, inputs: Inputs, seed: int) -> float:
    """Return the distance after moving every slot of the pool, the index list with it: nothing may change."""
    order = _shuffled(np.random.default_rng(seed), inputs.tensor("k_buffer").shape[0])
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    changed: dict[str, Value] = {name: _rows(inputs.tensor(name), order) for name in ("k_buffer", "v_buffer")}
    changed["kv_indices"] = place[inputs.tensor("kv_indices")]
    return distance(run(_with(inputs, changed)), run(inputs))


def check_heads(run: Runner, inputs: Inputs, seed: int) -> float:
    """Return the distance after reordering heads: KV heads, and within each the query heads of its group."""
    shape, rng = parse_shape(inputs.workload), np.random.default_rng(seed)
    kv_order = _shuffled(rng, shape.kv_heads)
    inner = _shuffled(rng, shape.group)
    q_order = (kv_order[:, None] * shape.group + inner[None, :]).flatten()
    changed: dict[str, Value] = {"q_extend": _heads(inputs.tensor("q_extend"), q_order)}
    for name in ("k_extend", "v_extend", "k_buffer", "v_buffer"):
        changed[name] = _heads(inputs.tensor(name), kv_order)
    if shape.sinks:
        changed["sinks"] = inputs.tensor("sinks")[q_order]
    return distance(run(_with(inputs, changed)), run(inputs)[:, q_order])


def check_requests(run: Runner, inputs: Inputs, seed: int) -> float:
    """Return the distance after reordering requests."""
    shape = parse_shape(inputs.workload)
    order: list[int] = _shuffled(np.random.default_rng(seed), len(shape.extend)).tolist()
    moved = replace(shape, extend=tuple(shape.extend[i] for i in order), prefix=tuple(shape.prefix[i] for i in order))
    rows, slots = _pick(shape.extend, order), _pick(shape.prefix, order)
    changed: dict[str, Value] = {name: inputs.tensor(name)[rows] for name in ("q_extend", "k_extend", "v_extend")}
    changed |= {"qo_indptr": starts_of(moved.extend), "kv_indptr": starts_of(moved.prefix)}
    changed |= {"kv_indices": inputs.tensor("kv_indices")[slots]}
    if shape.tree:
        sizes = tuple(e * (p + e) for e, p in zip(shape.extend, shape.prefix, strict=True))
        changed["custom_mask"] = inputs.tensor("custom_mask")[_pick(sizes, order)]
        changed["mask_indptr"] = starts_of([sizes[i] for i in order]).to(torch.int64)
    return distance(run(_with(inputs, changed)), run(inputs)[rows])


def can_split(inputs: Inputs) -> bool:
    """Return whether two chunks equal one: causal, no tree, and a pool of the new tokens' type without scales."""
    shape = parse_shape(inputs.workload)
    plain_pool = shape.pool_dtype == shape.dtype and shape.k_scale == shape.v_scale == 1.0
    return shape.causal and not shape.tree and plain_pool and max(shape.extend) > 1


def check_chunks(run: Runner, inputs: Inputs) -> float:
    """Return the distance between one extension and two, the first half's keys put into the pool between them."""
    shape = parse_shape(inputs.workload)
    first = tuple(e // 2 for e in shape.extend)
    second = tuple(e - f for e, f in zip(shape.extend, first, strict=True))
    later = tuple(p + f for p, f in zip(shape.prefix, first, strict=True))
    starts = np.concatenate([[0], np.cumsum(shape.extend)])
    head = torch.cat([torch.arange(s, s + f) for s, f in zip(starts, first, strict=False)])
    tail = torch.cat([torch.arange(s + f, e) for s, f, e in zip(starts, first, starts[1:], strict=False)])
    whole = run(inputs)
    answer = torch.empty_like(whole)
    answer[head] = run(_chunk(inputs, replace(shape, extend=first), head, None))
    answer[tail] = run(_chunk(inputs, replace(shape, extend=second, prefix=later, shared_prefix=0), tail, head))
    return distance(answer, whole)


def distance(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the relative L2 distance; infinite when `got` holds NaN or infinity."""
    if not bool(torch.isfinite(got).all()):
        return float("inf")
    return float((got.double() - wanted.double()).norm() / wanted.double().norm())


def _shuffled(rng: np.random.Generator, count: int) -> torch.Tensor:
    """Return the numbers below `count` in an order that is not their own, when there are two or more."""
    order = rng.permutation(count)
    return torch.from_numpy(np.roll(order, 1) if (order == np.arange(count)).all() else order)


def _chunk(inputs: Inputs, shape: Shape, rows: torch.Tensor, cached: torch.Tensor | None) -> Inputs:
    """Return inputs of only `rows`; the new keys of rows `cached` lie behind the pool's slots, after each prefix."""
    tensors = {name: inputs.tensor(name)[rows] for name in ("q_extend", "k_extend", "v_extend", "o_extend")}
    tensors |= {name: inputs.tensor(name) for name in ("k_buffer", "v_buffer", "kv_indices")}
    tensors |= {"qo_indptr": starts_of(shape.extend), "kv_indptr": starts_of(shape.prefix)}
    if cached is not None:
        slots = inputs.tensor("k_buffer").shape[0]
        tensors["k_buffer"] = torch.cat([inputs.tensor("k_buffer"), inputs.tensor("k_extend")])
        tensors["v_buffer"] = torch.cat([inputs.tensor("v_buffer"), inputs.tensor("v_extend")])
        tensors["kv_indices"] = _appended(inputs, shape, cached + slots)
    sinks = inputs.tensor("sinks") if shape.sinks else None
    workload = Workload(inputs.workload.name, inputs.workload.regime, inputs.workload.hidden, _params(inputs, shape))
    return inputs_of(workload, shape, tensors, (None, None, sinks))


def _appended(inputs: Inputs, shape: Shape, added: torch.Tensor) -> torch.Tensor:
    old = inputs.tensor("kv_indptr").tolist()
    parts, at = [], 0
    for index, prefix in enumerate(shape.prefix):
        own = inputs.tensor("kv_indices")[old[index] : old[index + 1]]
        parts += [own, added[at : at + prefix - len(own)]]
        at += prefix - len(own)
    return torch.cat(parts)


def _params(inputs: Inputs, shape: Shape) -> dict[str, object]:
    changed = {"extend": list(shape.extend), "prefix": list(shape.prefix), "shared_prefix": shape.shared_prefix}
    return {**inputs.workload.params, **changed}


def _with(inputs: Inputs, changed: dict[str, Value]) -> Inputs:
    fresh = torch.full_like(inputs.tensor("o_extend"), torch.nan)
    return replace(inputs, values={**inputs.values, **changed, "o_extend": fresh})


def _rows(tensor: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return _plain(tensor)[order].view(tensor.dtype)


def _heads(tensor: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return _plain(tensor)[:, order].contiguous().view(tensor.dtype)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return an 8-bit tensor as bytes: torch does not index float8."""
    return tensor.view(torch.uint8) if tensor.element_size() == 1 else tensor


def _pick(sizes: tuple[int, ...], order: list[int]) -> torch.Tensor:
    """Return the element numbers of packed pieces of `sizes`, pieces taken in `order`."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return torch.cat([torch.arange(int(starts[i]), int(starts[i + 1])) for i in order])
