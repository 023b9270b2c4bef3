"""Reference and tuned reference as candidate files, and the space in which the latter is tuned."""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import resources

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import TileConfig
from kernelwright.problems.extend_attention.shape import parse_shape

# What one program may hold in the space: bytes of q, k, v, logits and accumulator; number of logits.
_SPACE_BYTES = 512 * 1024
_SPACE_LOGITS = 32 * 1024

# Replaces `choose_tiles` and the flag of the reference: Python looks both up when a call needs them.
_TAIL = '''

EXIT_EMPTY_TILES = True

# (regime, head width): BLOCK_M, BLOCK_N, warps, stages
TILES = {tiles}


{rule}

def choose_tiles(q_extend, kv_indices, qo_indptr, max_len_extend):
    """Return the tuned tiles of the regime that the shapes show."""
    new, cached, requests = q_extend.shape[0], kv_indices.shape[0], qo_indptr.shape[0] - 1
    return TILES[shown_regime(new, cached, requests, max_len_extend), q_extend.shape[2]]
'''


def shown_regime(new: int, cached: int, requests: int, longest: int) -> str:
    """Return the regime that shapes alone show: new and cached tokens, requests, the longest request's new tokens."""
    if longest <= 16:
        return "verify"
    if requests > 2 and longest * requests > 3 * new:
        return "ragged"
    if cached == 0:
        return "single" if requests == 1 else "cold"
    return "hit" if cached >= 8 * new else "chunked"


@cache
def reference_source() -> str:
    """Return the text of the reference, a candidate file."""
    return resources.files(__package__).joinpath("reference.py").read_text()


def tuning_key(workload: Workload) -> str:
    """Return the key of the tile table that the host code of the tuned reference picks, as "regime/Dqk".

    It sees shapes only, so it may name another regime than the suite does.
    """
    shape = parse_shape(workload)
    regime = shown_regime(sum(shape.extend), sum(shape.prefix), len(shape.extend), max(shape.extend))
    return f"{regime}/{shape.qk_width}"


def tuned_source(configs: Mapping[str, TileConfig]) -> str:
    """Return the reference with the exit of empty tiles and the tiles of `configs`, by tuning key.

    A workload whose key is missing makes its host code fail with KeyError: give every key of the suite.
    Raises RequestError for a key that is not "regime/Dqk".
    """
    rows = []
    for key, config in sorted(configs.items()):
        regime, _, width = key.partition("/")
        if not width.isdigit():
            raise RequestError(f"a tuning key must be regime/Dqk, got '{key}'")
        tiles = (config.block_m, config.block_n, config.num_warps, config.num_stages)
        rows.append(f'    ("{regime}", {int(width)}): {tiles},\n')
    # The host code carries the very rule by which the tiles were keyed.
    tail = _TAIL.replace("{rule}", inspect.getsource(shown_regime))
    return reference_source() + tail.replace("{tiles}", "{\n" + "".join(rows) + "}")


def tuning_space(workload: Workload, has_warps: bool) -> tuple[TileConfig, ...]:
    """Return every tile of the space that fits, times warps and stages where the chip has them."""
    shape = parse_shape(workload)
    width, v_width = _padded(shape.qk_width), _padded(shape.v_width)
    # The reference packs no heads: more rows than this would mostly be empty.
    tallest = max(16, 2 * _padded(max(shape.extend)))
    shapes = [
        (m, n)
        for m in (16, 32, 64, 128, 256)
        for n in (16, 32, 64, 128, 256, 512)
        if m <= tallest
        and m * n <= _SPACE_LOGITS
        and (m * width + n * (width + v_width)) * 2 + m * (v_width + n) * 4 <= _SPACE_BYTES
    ]
    warps, stages = ((4, 8), (1, 2, 3)) if has_warps else ((4,), (1,))
    return tuple(TileConfig(m, n, w, s) for m, n in shapes for w in warps for s in stages)


def _padded(length: int) -> int:
    return 1 << max(length - 1, 0).bit_length()
