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
    """Return the entry of `table` for `key`, else of the same kind, else of the same width, else `default`.

    Of the same kind the narrowest that is wide enough serves, else the widest.
    """
    if key in table:
        return table[key]
    kind, width = key.split("/", maxsplit=1)[0], width_of(key)
    alike = [other for other in table if other.split("/")[0] == kind]
    wide = [other for other in alike if width_of(other) >= width]
    if wide:
        return table[min(wide, key=width_of)]
    if alike:
        return table[max(alike, key=width_of)]
    for other in table:
        if width_of(other) == width:
            return table[other]
    return default


def width_of(key: str) -> int:
    """Return the width of heads that a regime key says."""
    return int("".join([c for c in key.split("/")[1] if c.isdigit()]))


def tiles_for(key: str, table: Any, default: Any) -> Any:
    """Return the nearest tiles of `table`, cut where all that are like `key` were made for narrower heads."""
    tiles = nearest(key, table, default)
    known = max([width_of(other) for other in table if table[other] == tiles], default=width_of(key))
    return tiles if known >= width_of(key) else narrowed(tiles, known, width_of(key))


def narrowed(tiles: Any, known: int, width: int) -> Any:
    """Return `tiles`, made for heads of width `known`, cut for wider ones, of which on-chip memory holds fewer rows."""
    rows, keys, new, edge, split, several, warps, _, *rest = tiles
    times = 1 << ((width + known - 1) // known - 1).bit_length()
    keys, new, edge = max(16, keys // times), max(16, new // times), max(16, edge // times)
    return (max(16, 2 * rows // times), keys, new, edge, split, several, warps, 1, *rest)
