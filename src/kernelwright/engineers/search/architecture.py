"""What a composed candidate is made of: the structure of its kernels, and the tiles of each regime."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from kernelwright.core.codec import from_json

Grid = Literal["padded", "padded_exit", "table"]
Loops = Literal["one", "apart"]
Softmax = Literal["exp", "exp2"]
Rows = Literal["tokens", "group"]
Prefix = Literal["serial", "split"]
KeyLoad = Literal["transposed_tile", "transposed_pointers", "by_regime"]
Distances = Literal["wide", "narrow"]
Slots = Literal["same", "ahead"]
Order = Literal["heads", "by_regime"]
Items = Literal["one", "several"]


@dataclass(frozen=True)
class Architecture:
    """The structure of a candidate; the start is the plain two-stage kernel with an early exit.

    `grid` padded: (query heads, requests x longest tile count); padded_exit: the same, empty tiles
    return at once; table: one program a live tile, read from a table that host code builds,
    longest work first. `loops` one: every block masked; apart: interior blocks carry no mask.
    `rows` tokens: a tile holds tokens of one query head; group: tokens x the query heads of one
    KV head. `prefix` split: a long prefix is shared out over programs and merged by a second
    kernel. `key_load` and `order` by_regime: tiles say which. `slots` ahead: a step loads the pool
    slots of the step after it. `distances` narrow: 32-bit arithmetic from scalar bases. `order`
    heads: neighbouring programs are heads of one tile. `items` several: a program works through
    several tiles. `per_regime`: host code picks tiles by the lengths of the call.
    """

    grid: Grid = "padded_exit"
    loops: Loops = "one"
    softmax: Softmax = "exp"
    rows: Rows = "tokens"
    prefix: Prefix = "serial"
    key_load: KeyLoad = "transposed_pointers"
    items: Items = "one"
    slots: Slots = "same"
    distances: Distances = "wide"
    order: Order = "heads"
    per_regime: bool = False

    def __post_init__(self) -> None:
        if self.prefix == "split" and self.grid != "table":
            raise ValueError("a split prefix needs grid='table': its pieces are rows of the table")
        if self.items == "several" and self.grid != "table":
            raise ValueError("several items a program need grid='table'")
        if self.order == "by_regime" and self.grid != "table":
            raise ValueError("an order by regime needs grid='table'")

    def changed(self, **choices: object) -> "Architecture":
        """Return the architecture with other choices; raises ValueError where they do not fit together."""
        return replace(self, **choices)  # type: ignore[arg-type]

    def relevant(self, tiles: "Tiles") -> "Tiles":
        """Return `tiles` with the sizes that no kernel of this architecture reads at their defaults."""
        unread: dict[str, int] = {}
        if self.loops == "one":
            unread["block_edge"] = Tiles.block_edge
        if self.prefix == "serial":
            unread["split_keys"] = Tiles.split_keys
        if self.items == "one":
            unread["items"] = Tiles.items
        if self.key_load != "by_regime":
            unread["as_tile"] = Tiles.as_tile
        if self.distances == "wide":
            unread |= {"halves": Tiles.halves, "gathered": Tiles.gathered}
        if self.order != "by_regime":
            unread |= {"tiles_first": Tiles.tiles_first, "tabled": Tiles.tabled}
        return replace(tiles, **unread)


@dataclass(frozen=True)
class Tiles:
    """Sizes for one regime, in rows of the query tile and in keys.

    `block_keys` keys a step in the prefix, `block_new` in the new tokens, at most `block_edge` where
    they are masked (loops apart); `split_keys` prefix keys a program (0: never split); `items` tiles
    a program works through; `as_tile` keys loaded as they lie, then transposed; `tiles_first` neighbouring programs
    are tiles of one head; `tabled` 0: programs work out their tile instead of reading it, which spares an upload;
    `halves` 1: sums over values are kept in two halves of the width; `gathered` 1: a kernel before puts the
    prefix in order.
    """

    block_rows: int = 64
    block_keys: int = 64
    block_new: int = 64
    block_edge: int = 64
    split_keys: int = 0
    items: int = 1
    warps: int = 4
    stages: int = 1
    as_tile: int = 0
    tiles_first: int = 0
    tabled: int = 1
    halves: int = 0
    gathered: int = 0


@dataclass(frozen=True)
class Design:
    """All that the composer needs: the architecture, the default tiles, and tiles by regime key.

    Sizes that the architecture does not read are set to their defaults, so that equal kernels are equal designs.
    """

    architecture: Architecture = field(default_factory=Architecture)
    tiles: Tiles = field(default_factory=Tiles)
    by_regime: Mapping[str, Tiles] = field(default_factory=dict)

    def __post_init__(self) -> None:
        relevant = self.architecture.relevant
        object.__setattr__(self, "tiles", relevant(self.tiles))
        object.__setattr__(self, "by_regime", {key: relevant(tiles) for key, tiles in self.by_regime.items()})

    def to_line(self) -> str:
        """Return the design as one line of JSON, which a candidate carries in its first comment."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


MARK = "# design: "


def parse_design(source: str) -> Design | None:
    """Return the design that `source` states in its first comment, or None where there is none."""
    first = source.partition("\n")[0]
    if not first.startswith(MARK):
        return None
    return from_json(Design, json.loads(first.removeprefix(MARK)), "design")
