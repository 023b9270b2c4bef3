"""Inputs of rotary embedding and cache write: scrambled slots in a pool of garbage, tables that must be read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value
from kernelwright.problems.draws import TORCH_DTYPES, normal, row_scales, without_contents

PADDING_SLOT = -1
_SPARE_PAGES = 4
_SPARE_POSITIONS = 9
_GARBAGE = 1e4


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in order."""
    dtype, cache_dtype = params.get("dtype", "bf16"), params.get("cache", params.get("dtype", "bf16"))
    q_heads, kv_heads, width = params["q_heads"], params["kv_heads"], params["width"]
    positions = _positions(params)
    tokens = len(positions)
    page = params.get("page", 16)
    pages = 2 * -(-tokens // page) + _SPARE_PAGES
    apart = (q_heads + 2 * kv_heads) * width if params.get("slices_of_qkv", False) else 0
    return {
        "q": _rows(rng, (tokens, q_heads, width), dtype, apart),
        "k": _rows(rng, (tokens, kv_heads, width), dtype, apart),
        "v": _rows(rng, (tokens, kv_heads, width), dtype, apart),
        "cos_sin": _table(params, max(positions, default=0) + _SPARE_POSITIONS),
        "positions": torch.tensor(positions, dtype=torch.int64),
        "slot_mapping": torch.from_numpy(_slots(params, rng, tokens, pages, page)),
        "k_cache": _pool(rng, (pages, page, kv_heads, width), cache_dtype, params.get("layout", "nhd")),
        "v_cache": _pool(rng, (pages, page, kv_heads, width), cache_dtype, params.get("layout", "nhd")),
        "k_scale": params.get("k_scale", 1.0),
        "v_scale": params.get("v_scale", 1.0),
        "is_neox": params.get("neox", True),
    }


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    dtype = params.get("dtype", "bf16")
    q_heads, kv_heads, width = params["q_heads"], params["kv_heads"], params["width"]
    positions = _positions(params)
    tokens, page = len(positions), params.get("page", 16)
    pages = 2 * -(-tokens // page) + _SPARE_PAGES
    apart = (q_heads + 2 * kv_heads) * width if params.get("slices_of_qkv", False) else 0
    length = max(positions, default=0) + _SPARE_POSITIONS
    cache = (pages, page, kv_heads, width), params.get("cache", dtype), params.get("layout", "nhd")
    return {
        **{
            name: _rows_without_contents((tokens, heads, width), dtype, apart)
            for name, heads in (("q", q_heads), ("k", kv_heads), ("v", kv_heads))
        },
        "cos_sin": without_contents((length, params.get("rotary", width) // 2 * 2), params.get("table", "f32")),
        "positions": torch.tensor(positions, dtype=torch.int64),
        "slot_mapping": torch.from_numpy(_slots(params, rng, tokens, pages, page)),
        "k_cache": _pool_without_contents(*cache),
        "v_cache": _pool_without_contents(*cache),
        "k_scale": params.get("k_scale", 1.0),
        "v_scale": params.get("v_scale", 1.0),
        "is_neox": params.get("neox", True),
    }


def _rows_without_contents(shape: tuple[int, int, int], dtype: str, apart: int) -> torch.Tensor:
    used = shape[1] * shape[2]
    return without_contents((shape[0], apart or used), dtype)[:, :used].view(shape)


def _pool_without_contents(shape: tuple[int, int, int, int], dtype: str, layout: str) -> torch.Tensor:
    pages, page, heads, width = shape
    if layout == "hnd":
        return without_contents((pages, heads, page, width), dtype).transpose(1, 2)
    return without_contents(shape, dtype)


def _positions(params: Mapping[str, Any]) -> list[int]:
    """Return the position of every token: requests one after the other, then padding at position 0."""
    runs = zip(params["prefix"], params["extend"], strict=True)
    return [p for prefix, extend in runs for p in range(prefix, prefix + extend)] + [0] * params.get("padding", 0)


def _rows(rng: np.random.Generator, shape: tuple[int, int, int], dtype: str, apart: int) -> torch.Tensor:
    """Return heads of every size; with `apart`, rows lie that many elements apart with NaN between them."""
    sizes = row_scales(rng, shape[0] * shape[1]).reshape(*shape[:2], 1)
    values = normal(rng, shape, dtype, sizes)
    if not apart:
        return values
    wide = torch.full((shape[0], apart), float("nan"), dtype=values.dtype)
    mine = wide[:, : shape[1] * shape[2]].view(shape)
    mine.copy_(values)
    return mine


def _table(params: Mapping[str, Any], length: int) -> torch.Tensor:
    """Return [length, rotary width]: cosines, then sines, of each pair; long contexts stretch and scale them."""
    pairs = params.get("rotary", params["width"]) // 2
    rates = params.get("theta", 1e4) ** -(np.arange(pairs) / pairs) / params.get("stretch", 1.0)
    angles = np.arange(length)[:, None] * rates
    table = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * params.get("attention_factor", 1.0)
    return torch.from_numpy(table).to(TORCH_DTYPES[params.get("table", "f32")])


def _slots(
    params: Mapping[str, Any], rng: np.random.Generator, tokens: int, pages: int, page: int
) -> "np.typing.NDArray[np.int64]":
    """Return a slot for each token, none twice: pages in no order, or slots in no order where they are scattered.

    Padding, and every token that `skip_every` counts off, has slot -1.
    """
    if params.get("scattered", page == 1):
        slots = rng.permutation(pages * page)[:tokens]
    else:
        in_pages = (rng.permutation(pages)[:, None] * page + np.arange(page)).reshape(-1)
        slots = in_pages[rng.integers(page) :][:tokens]
    slots[tokens - params.get("padding", 0) :] = PADDING_SLOT
    if params.get("skip_every"):
        slots[params["skip_every"] - 1 :: params["skip_every"]] = PADDING_SLOT
    return slots.astype(np.int64)


def _pool(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, layout: str) -> torch.Tensor:
    """Return a pool as [pages, page, heads, width] of NaN and large garbage; "hnd" keeps a head's slots together."""
    pages, page, heads, width = shape
    large = 448.0 if dtype == "f8e4m3fn" else _GARBAGE
    garbage = rng.choice(np.array([np.nan, large], dtype=np.float32), (pages, 1, 1, 1))
    lies = (pages, heads, page, width) if layout == "hnd" else shape
    pool = torch.from_numpy(np.broadcast_to(garbage, lies).copy()).to(TORCH_DTYPES[dtype])
    return pool.transpose(1, 2) if layout == "hnd" else pool
