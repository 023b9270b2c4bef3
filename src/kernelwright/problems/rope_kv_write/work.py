"""Useful work of rotary embedding and cache write."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work

_INDEX_BYTES = 8


def work(params: Mapping[str, Any]) -> Work:
    """Return the traffic; no dots.

    Rotated columns of q and k are read and written in place, other columns of k and all of v read once; tokens with a
    slot write a row of each cache. Of the table the rows of the positions that occur, of positions and slots all.
    """
    dtype = params.get("dtype", "bf16")
    element, cached = ELEMENT_BYTES[dtype], ELEMENT_BYTES[params.get("cache", dtype)]
    q_heads, kv_heads, width = params["q_heads"], params["kv_heads"], params["width"]
    rotary = params.get("rotary", width)
    padding = params.get("padding", 0)
    real = sum(params["extend"])
    every = params.get("skip_every", 0)
    kept = real - (real // every if every else 0)
    tokens = real + padding
    rows = tokens * 2 * element * (q_heads + kv_heads) * rotary
    rows += kept * kv_heads * (element * (width - rotary) + element * width + 2 * cached * width)
    table = _positions_used(params) * rotary * ELEMENT_BYTES[params.get("table", "f32")]
    return Work(0, "f32", rows + table + 2 * _INDEX_BYTES * tokens)


def _positions_used(params: Mapping[str, Any]) -> int:
    used: set[int] = {0} if params.get("padding", 0) else set()
    for prefix, extend in zip(params["prefix"], params["extend"], strict=True):
        used.update(range(prefix, prefix + extend))
    return len(used)
