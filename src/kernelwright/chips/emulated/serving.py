"""Launches as a server makes them, reduced to what they do to memory: which buffers they touch, in which order.

Each launch is a tile program with a trace, timed like any other kernel's; of a model's arithmetic there is one dot for
each tile that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernelwright.chips.emulated.phases import Phase, Priority, Region, Step
from kernelwright.chips.emulated.tile_program import Access, DotShape, Kind, Segment, TileOp, TileProgram
from kernelwright.chips.emulated.trace import AccessFacts, Trace

# A tile of 128 x 128 bf16.
_SIDE, _ELEMENT = 128, 2
TILE_BYTES = _SIDE * _SIDE * _ELEMENT
_WARPS = 8
_STAGES = 2
# Tiles that a block reads one after the other; those of the weights that it holds while activations pass.
_BLOCK_TILES = 4
_PREFILL_TILES = 16
# Rows of a dot: one query of a group of heads is padded to these, a chunk of a prompt fills a tile.
_DECODE_ROWS = 16
_READ, _WRITE = 0, 1


@dataclass(frozen=True)
class Server:
    """A model's buffers: weights and cached keys and values of all layers, activations that layers share; in bytes."""

    layers: int
    weights: Region
    cache: Region
    activations: Region

    @property
    def regions(self) -> tuple[Region, ...]:
        """Return all buffers."""
        return (self.weights, self.cache, self.activations)

    def decode(self, steps: int, marks: dict[str, Priority]) -> Phase:
        """Return `steps` decode-like steps: each layer reads its weights and its whole cache once."""
        launches = []
        for layer in range(self.layers):
            tiles = [*self._of_layer(self.weights, layer), *self._of_layer(self.cache, layer)]
            blocks = [tiles[place : place + _BLOCK_TILES] for place in range(0, len(tiles), _BLOCK_TILES)]
            launches.append(_launch(f"decode layer {layer}", blocks, [], _DECODE_ROWS))
        return Phase("decode", tuple(launches), steps, marks)

    def prefill(self, chunks: int, marks: dict[str, Priority]) -> Phase:
        """Return `chunks` prefill-like chunks: each layer multiplies all activations by its weights, writes its cache.

        A block reads its tiles of the weights once, and all activations after them.
        """
        launches = []
        rows = self._tiles(self.activations.begin, self.activations.size_bytes)
        for layer in range(self.layers):
            tiles = self._of_layer(self.weights, layer)
            reads = [[*tiles[at : at + _PREFILL_TILES], *rows] for at in range(0, len(tiles), _PREFILL_TILES)]
            launches.append(_launch(f"prefill layer {layer}", reads, self._of_layer(self.cache, layer), _SIDE))
        return Phase("prefill", tuple(launches), chunks, marks)

    def _of_layer(self, region: Region, layer: int) -> list[int]:
        share = region.size_bytes // self.layers // TILE_BYTES * TILE_BYTES
        return self._tiles(region.begin + layer * share, share)

    @staticmethod
    def _tiles(begin: int, size_bytes: int) -> list[int]:
        return [begin + place * TILE_BYTES for place in range(size_bytes // TILE_BYTES)]


def make_server(layers: int, weight_bytes: int, cache_bytes: int, activation_bytes: int) -> Server:
    """Return a server whose buffers lie apart, each rounded up to whole tiles a layer."""
    grain = layers * TILE_BYTES
    sizes = [-(-size // grain) * grain for size in (weight_bytes, cache_bytes, activation_bytes)]
    begins = [1 << 40, 2 << 40, 3 << 40]
    names = ("weights", "cache", "activations")
    regions = [Region(*found) for found in zip(names, begins, sizes, strict=True)]
    return Server(layers, *regions)


def _launch(name: str, reads: Sequence[Sequence[int]], writes: Sequence[int], rows: int) -> Step:
    """Return a launch with one block for each item of `reads`; written tiles are spread over the blocks in order."""
    segments: list[int] = []
    addresses: list[int] = []
    first_step, first_access = [0], [0]
    for block, tiles in enumerate(reads):
        mine = writes[block :: len(reads)]
        for kind, places in ((_READ, tiles), (_WRITE, mine)):
            for address in places:
                segments.append(kind)
                addresses.append(address)
                first_access.append(len(addresses))
        first_step.append(len(segments))
    facts = AccessFacts((_SIDE, 1), 128, _SIDE * _SIDE)
    trace = Trace(
        np.array(first_step, np.int64), np.array(segments, np.int32), np.array(first_access, np.int64),
        np.array(addresses, np.int64), np.full(len(addresses), _SIDE * _SIDE, np.int32), (facts, facts),
    )  # fmt: skip
    return Step(name, _program(name, rows), trace)


def _program(name: str, rows: int) -> TileProgram:
    access = (_SIDE, _SIDE), _ELEMENT, (1, 0), 16, _WARPS * 32
    dot = TileOp(Kind.DOT, "dot", (0, 1), (1,), dot=DotShape(rows, _SIDE, _SIDE, 1, _WARPS, "bf16"))
    commit, wait = TileOp(Kind.COMMIT, "commit"), TileOp(Kind.WAIT, "wait", count=_STAGES - 1)
    return TileProgram(
        name=name,
        segments=(
            Segment("for read", (TileOp(Kind.COPY, "read", (), (0,), access=_READ), commit, wait, dot)),
            Segment("for write", (TileOp(Kind.STORE, "write", (1,), (), access=_WRITE),)),
        ),
        accesses=(Access(False, *access), Access(True, *access)),
        slots=2,
        warps=_WARPS,
        stages=_STAGES,
        shared_bytes=_STAGES * TILE_BYTES,
        registers_per_thread=128,
        capability=89,
    )
