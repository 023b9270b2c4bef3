"""A rough model of a candidate on a chip with warps and pipelines; it orders what is tried, and is never reported.

A step of a block (one query tile over one block of keys) needs time on the matrix pipe, the lanes, the special
functions, the on-chip memory and the memory. Blocks that share a unit overlap; within one block a step is a chain.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from kernelwright.engineers.search.architecture import Architecture, Tiles
from kernelwright.engineers.search.pipeline_rates import PipelineRates
from kernelwright.engineers.search.scenes import Scene

REGISTERS = 255
# Registers of a thread beyond accumulator, logits and weights: addresses, row figures.
_OTHER_REGISTERS = 40
_SHARED_SCRATCH = 8192
_THREADS = 32
_SCRATCH_LIMIT = 1 << 29
_CHAIN_NS = 250.0
_COPY_NS = 700.0
# Operations of a lane a logit, a masked logit beyond that, and 16 bytes that are copied.
_LANE_OPS, _MASK_OPS, _ADDRESS_OPS = 6.0, 3.0, 6.0
_CONVERT_OPS = 1.0
_REGISTER_FILE = 131072


@dataclass(frozen=True)
class Need:
    """What one block holds on a unit: bytes of on-chip memory, registers of a thread."""

    shared_bytes: int
    registers: int


def need_of(tiles: Tiles, scene: Scene) -> Need:
    """Return what a block of `tiles` holds: the query tile and the key and value tiles in flight, and sums."""
    width, v_width = padded(scene.qk_width), padded(scene.v_width)
    buffers = max(1, tiles.stages - 1)
    pool = tiles.block_keys * _key_bytes(tiles, scene) if any(scene.prefixes) else 0
    keys = max(pool, 2 * tiles.block_new)
    shared = 2 * tiles.block_rows * width + buffers * keys * (width + v_width)
    threads = _THREADS * tiles.warps
    widest = max(tiles.block_keys if pool else 0, tiles.block_new)
    # Warps stand one above the other, 16 rows each; where there are more of them they share keys, and weights go
    # through on-chip memory.
    if tiles.block_rows < 16 * tiles.warps:
        shared += 2 * tiles.block_rows * widest + _SHARED_SCRATCH
    registers = _OTHER_REGISTERS + int(tiles.block_rows * (v_width + 1.5 * widest) / threads)
    return Need(shared, registers)


def fits(architecture: Architecture, tiles: Tiles, scene: Scene, rates: PipelineRates) -> bool:
    """Return whether a block of `tiles` can run: what the chip would refuse costs no evaluation."""
    need = need_of(tiles, scene)
    if need.shared_bytes > rates.shared_bytes or tiles.warps > max(8, tiles.block_rows // 16):
        return False
    return need.registers <= 2 * REGISTERS and scratch_bytes(architecture, tiles, scene) <= _SCRATCH_LIMIT


def _key_bytes(tiles: Tiles, scene: Scene) -> int:
    return 2 if tiles.gathered else scene.pool_bytes


def _gather_ns(scene: Scene, rates: PipelineRates) -> float:
    """Return what putting the prefix in order takes: read once, written once."""
    elements = sum(scene.prefixes) * scene.kv_heads * (scene.qk_width + scene.v_width)
    return rates.launch_ns + elements * (scene.pool_bytes + 2) / rates.stream_bytes_per_s * 1e9


def has_table(architecture: Architecture, tiles: Tiles) -> bool:
    """Return whether host code uploads a table of live tiles, which takes as long as a small launch."""
    return architecture.grid == "table" and (tiles.tabled == 1 or architecture.order != "by_regime")


def scratch_bytes(architecture: Architecture, tiles: Tiles, scene: Scene) -> int:
    """Return what partial sums of pieces and a gathered prefix take, dead pieces included where there is no table."""
    taken = 0
    if tiles.gathered:
        taken = 2 * sum(scene.prefixes) * scene.kv_heads * (scene.qk_width + scene.v_width)
    if architecture.prefix != "split" or not tiles.split_keys:
        return taken
    grouped = architecture.rows == "group"
    factor, heads = (scene.group, scene.kv_heads) if grouped else (1, scene.heads)
    items = _programs(tiles, scene, architecture)
    if has_table(architecture, tiles):
        pairs = zip(scene.lengths, scene.prefixes, strict=True)
        items = sum(-(-n * factor // tiles.block_rows) * max(1, -(-p // tiles.split_keys)) for n, p in pairs)
        items = min(items, 3500)
    return taken + items * heads * tiles.block_rows * (padded(scene.v_width) + 2) * 4


def _programs(tiles: Tiles, scene: Scene, architecture: Architecture) -> int:
    """Return the programs of one head without a table: the longest request's tiles and pieces for each."""
    factor = scene.group if architecture.rows == "group" else 1
    split = tiles.split_keys if architecture.prefix == "split" else 0
    pieces = max(1, -(-max(scene.prefixes) // split)) if split else 1
    return len(scene.lengths) * -(-max(scene.lengths) * factor // tiles.block_rows) * pieces


def padded(width: int) -> int:
    """Return `width` as kernels cut it: one or two powers of two, of at least 16."""
    first = max(16, 1 << (width.bit_length() - 1))
    rest = width - first
    return first if rest <= 0 else first + max(16, 1 << (rest - 1).bit_length())


@lru_cache(maxsize=200_000)
def pipeline_ns(architecture: Architecture, tiles: Tiles, scene: Scene, rates: "Frozen") -> float:
    """Return the predicted time of one call on `scene`, in ns."""
    blocks = _blocks(architecture, tiles, scene)
    heads = scene.kv_heads if architecture.rows == "group" else scene.heads
    step = _Step.of(tiles, scene, rates.of)
    costs = [(count, step.ns(prefix, new, masked)) for count, prefix, new, masked in blocks]
    total = sum(count * ns for count, ns in costs) * heads
    longest = max((ns for _, ns in costs), default=0.0)
    number = sum(count for count, _ in costs) * heads
    slots = rates.of.units * step.resident
    # The last blocks to start leave units idle for about half their time.
    waves = total / slots if number > slots else longest
    idle = 0.5 * longest * min(1.0, slots / max(1, number)) if number > slots else 0.0
    split = any(scene.prefixes) and architecture.prefix == "split" and tiles.split_keys > 0
    launches = 1 + split + (1 if has_table(architecture, tiles) else 0)
    gather = _gather_ns(scene, rates.of) if tiles.gathered else 0.0
    programs = number if has_table(architecture, tiles) else _programs(tiles, scene, architecture) * heads
    return gather + rates.of.launch_ns * launches + max(waves + idle, longest) + programs * rates.of.dispatch_ns


@dataclass(frozen=True)
class Frozen:
    """Rates that compare by identity, so that predictions can be remembered."""

    of: PipelineRates

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and other.of is self.of


@dataclass(frozen=True)
class _Step:
    """Costs of one block, `resident` blocks on its unit: ns a key, ns a masked key, ns a step."""

    key_ns: float
    masked_ns: float
    prefix_step_ns: float
    new_step_ns: float
    chain: float
    resident: int
    tiles: Tiles

    @staticmethod
    def of(tiles: Tiles, scene: Scene, rates: PipelineRates) -> "_Step":
        need = need_of(tiles, scene)
        threads = _THREADS * tiles.warps
        by_registers = _REGISTER_FILE // max(1, min(need.registers, REGISTERS) * threads)
        resident = max(1, min(rates.shared_bytes // need.shared_bytes, by_registers, 64 // tiles.warps))
        unit = 1e-9 / rates.units
        rows, width, v_width = tiles.block_rows, padded(scene.qk_width), padded(scene.v_width)
        spill = 1.0 if need.registers <= REGISTERS else 1.0 + (need.registers - REGISTERS) / 64
        # Warps stand one above the other where a tile is as high as its sums are wide: then each reads all keys.
        stacked = rows >= (v_width // 2 if tiles.halves else v_width)
        dot_rows = max(rows, 16 * tiles.warps) if stacked else max(16, rows)
        dot = 2.0 * dot_rows * (width + v_width) / (rates.dot_bf16_flops_per_s * unit)
        exp = rows / (rates.exp2_per_s * unit)
        read = 2.0 * (width + v_width) * (tiles.warps if stacked else 1) / (rates.shared_bytes_per_s * unit)
        if _key_bytes(tiles, scene) == 1:
            lanes_of_pool = 2.0 * _CONVERT_OPS * (width + v_width) * (tiles.warps if stacked else 1)
        else:
            lanes_of_pool = 0.0
        addresses = lanes_of_pool + _ADDRESS_OPS * (width + v_width) * _key_bytes(tiles, scene) / 16
        lanes = (_LANE_OPS * rows + addresses) / (rates.lane_ops_per_s * unit) * spill
        copied = (scene.qk_width + scene.v_width) * _key_bytes(tiles, scene) / (rates.cached_bytes_per_s * unit)
        mask = _MASK_OPS * rows / (rates.select_per_s * unit)
        rescale = rows * (v_width + 16) / (rates.lane_ops_per_s * unit) * spill
        queries = 2.0 * rows * width * (1 if stacked else tiles.warps) / (rates.shared_bytes_per_s * unit)
        busy, alone = max(dot, exp, lanes, read, copied), (dot + exp + lanes) * max(1.0, 8 / tiles.warps) + read
        wait = _CHAIN_NS + (_COPY_NS if tiles.stages <= 2 else _COPY_NS / (2 * tiles.stages))
        # Time of one block while `resident` share the unit: the busiest pipe, or its own chain.
        key = max(busy * resident, alone)
        step = max(max(rescale, queries) * resident, wait + rescale + queries)
        return _Step(key, mask * resident, step, step, alone, resident, tiles)

    def ns(self, prefix: int, new: int, masked: int) -> float:
        """Return the time of one block over `prefix` cached and `new` keys, `masked` of them under a mask."""
        edge = max(1, min(self.tiles.block_edge, self.tiles.block_new))
        steps = -(-prefix // self.tiles.block_keys) * self.prefix_step_ns
        steps += (-(-max(0, new - masked) // self.tiles.block_new) + -(-masked // edge)) * self.new_step_ns
        padded_keys = -(-prefix // self.tiles.block_keys) * self.tiles.block_keys + new
        return 2000.0 + padded_keys * self.key_ns + masked * self.masked_ns + steps


def _blocks(architecture: Architecture, tiles: Tiles, scene: Scene) -> list[tuple[int, int, int, int]]:
    """Return (how many, prefix keys, new keys, masked ones) of the blocks of one head, alike ones together."""
    factor = scene.group if architecture.rows == "group" else 1
    found: list[tuple[int, int, int, int]] = []
    for length, cached in zip(scene.lengths, scene.prefixes, strict=True):
        count = -(-length * factor // tiles.block_rows)
        groups = min(count, 8)
        for part in range(groups):
            first, last = count * part // groups, count * (part + 1) // groups
            middle = (first + last - 1) / 2
            found += _alike(architecture, tiles, scene, (last - first, middle, length, cached, factor))
    return found


def _alike(
    architecture: Architecture, tiles: Tiles, scene: Scene, place: tuple[int, float, int, int, int]
) -> list[tuple[int, int, int, int]]:
    count, middle, length, cached, factor = place
    first_token = int(middle * tiles.block_rows / factor)
    last_token = min(length - 1, int((middle * tiles.block_rows + tiles.block_rows - 1) / factor))
    new = last_token + 1 if scene.causal else length
    masked = min(new, last_token - first_token + 1) if scene.causal else 0
    if scene.window >= 0:
        span = last_token - first_token + scene.window
        cached, new = min(cached, max(0, scene.window - first_token)), min(new, span + 1)
        masked = new
    if not scene.causal and scene.masked_prefix:
        masked = new + cached
    split = tiles.split_keys if architecture.prefix == "split" else 0
    if not split or cached <= split:
        return [(count, cached, new, masked)]
    pieces = math.ceil(cached / split)
    return [(count * (pieces - 1), split, 0, 0), (count, cached - (pieces - 1) * split, new, masked)]
