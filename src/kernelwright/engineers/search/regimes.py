"""Which regime a call belongs to, as pure functions that candidates carry verbatim as host code."""

from typing import Any


def regime_of(lengths: Any, prefixes: Any, group: int, width: int, window: int, pool_bytes: int) -> str:
    """Return the regime key of a call, such as 'few/128': kind and width, then what sets it apart.

    w: a window, q: a pool of one byte an element, m: as many KV heads as query heads.

    `lengths` new tokens and `prefixes` cached tokens of each request, `group` query heads of one KV
    head, `width` of a key, `window` the sliding window or a value <= 0, `pool_bytes` of an element of the pool.
    """
    longest, total, cached = max(lengths), sum(lengths), sum(prefixes)
    requests = sum(1 for n in lengths if n > 0)
    if longest <= 16:
        kind = "few"
    elif cached == 0:
        kind = "cold"
    elif requests >= 3 and longest * requests >= 2 * total:
        kind = "ragged"
    elif cached >= 8 * total:
        kind = "hit"
    else:
        kind = "chunk"
    size = 64 if width <= 64 else 128 if width <= 128 else 256 if width <= 256 else 576
    marks = ("w" if window > 0 else "") + ("q" if pool_bytes == 1 else "") + ("m" if group == 1 else "")
    return kind + "/" + str(size) + marks


def nearest(key: str, table: Any, default: Any) -> Any:
    """Return the entry of `table` for `key`, else of the same kind, else of the same width, else `default`."""
    if key in table:
        return table[key]
    kind, width = key.split("/")
    for other in table:
        if other.split("/")[0] == kind:
            return table[other]
    for other in table:
        if other.split("/")[1] == width:
            return table[other]
    return default
