"""Inputs of paged decode attention: scrambled pages, hostile contents wherever nothing is to be read, needles."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value
from kernelwright.problems.draws import VALUE_RMS, random_values, torch_dtype, without_contents
from kernelwright.problems.paged_decode_attention.shape import Shape, parse_shape

# Standard deviations of the logits, one a head in turn: from thousands of keys that count to two or three.
SPREADS = (0.2, 1.0, 3.0, 8.0)
# Above the largest of 128k other logits of its row at every head width from 64.
_NEEDLE_LOGIT = 40.0
# Sinks around the logarithm of a window: they then take a visible part of the weight where logits are flat.
_SINK = 4.0
_GARBAGE = {"bf16": 3e4, "f16": 3e4, "f8e4m3fn": 448.0}
# What stands in entries of the page table that name no page.
_NO_PAGE = (-1, 2**30, -(2**31))


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in the entry's order."""
    shape = parse_shape(params)
    table, pages = _page_table(shape, rng)
    pool = {name: _pool(shape, rng, table, pages, width) for name, width in _widths(shape)}
    q = random_values(rng, (len(shape.lens), shape.q_heads, shape.qk_width), shape.dtype)
    turns = torch.arange(shape.q_heads) + torch.arange(len(shape.lens))[:, None] + int(rng.integers(len(SPREADS)))
    spreads = torch.tensor(SPREADS)[turns % len(SPREADS)]
    q = _scaled(shape, q, spreads)
    _plant_needles(shape, q, (pool["k_cache"], table, spreads), rng)
    sinks = random_values(rng, (shape.q_heads,), shape.dtype) + _SINK if shape.sinks else None
    return {
        "q": q,
        **pool,
        "out": torch.empty((len(shape.lens), shape.q_heads, shape.v_width), dtype=torch_dtype(shape.dtype)),
        **_others(shape, table, sinks),
    }


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    shape = parse_shape(params)
    table, pages = _page_table(shape, rng)
    pool = {
        name: without_contents((pages, shape.page, shape.kv_heads, width), shape.pool_dtype)
        for name, width in _widths(shape)
    }
    rows = (len(shape.lens), shape.q_heads)
    tensors = {"q": without_contents((*rows, shape.qk_width), shape.dtype), **pool}
    sinks = without_contents((shape.q_heads,), shape.dtype) if shape.sinks else None
    return {**tensors, "out": without_contents((*rows, shape.v_width), shape.dtype), **_others(shape, table, sinks)}


def _others(shape: Shape, table: torch.Tensor, sinks: torch.Tensor | None) -> dict[str, Value]:
    """Return the arguments behind the output, in order."""
    return {
        "block_tables": table,
        "seq_lens": torch.tensor(shape.lens, dtype=torch.int32),
        "max_seq_len": max(shape.lens),
        "sm_scale": shape.sm_scale,
        "k_scale": shape.k_scale,
        "v_scale": shape.v_scale,
        "logit_cap": shape.logit_cap,
        "window_size": shape.window,
        "sinks": sinks,
    }


def _widths(shape: Shape) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("k_cache", shape.qk_width), ("v_cache", shape.v_width)


def _page_table(shape: Shape, rng: np.random.Generator) -> tuple[torch.Tensor, int]:
    """Return int32 [B, table width], and the number of pages in the pool, some of which no request has.

    Page 0 is nobody's: entries before the window name it, those behind a request's last page name no page at all.
    """
    own, shared = shape.own_starts(), shape.shared // shape.page
    used = own[-1] + shared
    count = 1 + used + used // 16 + 6
    taken = 1 + rng.permutation(count - 1)[:used]
    table = rng.choice(np.array(_NO_PAGE), (len(shape.lens), shape.table_width))
    for row, length in enumerate(shape.lens):
        mine = shape.own_pages(length)
        if shape.shares(length):
            table[row, :shared] = taken[own[-1] :]
        table[row, : shape.first_seen(length) // shape.page] = 0
        table[row, mine.start : mine.stop] = taken[own[row] : own[row + 1]]
    return torch.from_numpy(table.astype(np.int32)), count


def _pool(shape: Shape, rng: np.random.Generator, table: torch.Tensor, pages: int, width: int) -> torch.Tensor:
    """Return a cache [pages, page, Hkv, width]; pages of nobody are huge or NaN, slots behind the last token NaN."""
    pool = random_values(rng, (pages, shape.page, shape.kv_heads, width), shape.pool_dtype)
    bits = pool.view(torch.uint8 if pool.element_size() == 1 else torch.int16)
    huge, nan = torch.tensor([_GARBAGE[shape.pool_dtype], float("nan")]).to(pool.dtype).view(bits.dtype)
    free = np.setdiff1d(np.arange(pages), table.numpy())
    bits[torch.from_numpy(free[::2])] = huge
    bits[torch.from_numpy(free[1::2])] = nan
    bits[0] = nan
    for row, length in enumerate(shape.lens):
        if length % shape.page:
            bits[int(table[row, length // shape.page]), length % shape.page :] = nan
    return pool


def _scaled(shape: Shape, q: torch.Tensor, spreads: torch.Tensor) -> torch.Tensor:
    """Return `q` scaled so that its logits have the standard deviations `spreads`, [B, Hq]."""
    unit = 1.0 / (VALUE_RMS**2 * shape.qk_width**0.5 * shape.sm_scale * shape.k_scale)
    scaled: torch.Tensor = q.float() * (spreads * unit)[:, :, None]
    return scaled.to(q.dtype)


def _plant_needles(
    shape: Shape, q: torch.Tensor, where: tuple[torch.Tensor, torch.Tensor, torch.Tensor], rng: np.random.Generator
) -> None:
    """Aim up to four query heads of each request at one key: the last, the first it sees, one at the end of a page, and
    the one before the window, which must leave no trace. Flat heads, where every key counts, are left alone.
    """  # fmt: skip
    k_cache, table, spreads = where
    for row, length in enumerate(shape.lens):
        if not length:
            continue
        first = shape.first_seen(length)
        page_end = min((int(rng.integers(first, length)) // shape.page + 1) * shape.page, length) - 1
        before = first - 1 if first % shape.page else first
        heads = rng.permutation((spreads[row] > 1).nonzero()[:, 0].numpy())
        targets = np.array([length - 1, first, page_end, before])[rng.permutation(4)]
        for head, position in zip(heads, targets, strict=False):
            page = int(table[row, position // shape.page])
            key = k_cache[page, position % shape.page, head // shape.group].float() * shape.k_scale
            q[row, head] = (key * (_NEEDLE_LOGIT / (shape.sm_scale * key.square().sum()))).to(q.dtype)
