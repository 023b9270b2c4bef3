"""The register-blocked micro-kernel of `tl.dot`.

One side of the product runs along vector lanes and is read from a packed copy, or from rows where
they lie; the other is broadcast from memory, one group of `k` values at a time: with bf16 dot
products a group is a pair in 32 bits, else one f32. Accumulators stay in registers over the whole
`k` loop. The result is kept with its lane side contiguous, so for attention scores with queries in
lanes the softmax runs down registers, and the keys need no packing.
"""

from dataclasses import dataclass

from kernelwright.compiler.codegen.ahead import POINTER_BYTES, Fetch
from kernelwright.compiler.codegen.evaluate import Evaluator, is_float
from kernelwright.compiler.codegen.text import Reg, literal, llvm_type
from kernelwright.compiler.codegen.values import Buffer, Index, Lane, storage_bytes
from kernelwright.compiler.features import HostFeatures
from kernelwright.compiler.ir import Value

# Lane vectors of a tile at most, and groups that its innermost loop takes at once.
VECTORS = 4
UNROLLED_STEPS = 2
# bf16 values that one dot-product instruction takes per lane; a pair travels as one i32.
PAIR = 2
# Row pointers of a tile stay in registers, of which there are few.
TABLE_ROWS = 8


@dataclass(frozen=True)
class DotType:
    """How a dot is computed: input element, values per group, accumulator element."""

    element: str
    group: int
    accumulator: str

    @property
    def group_bytes(self) -> int:
        """Return the bytes of one group."""
        return self.group * storage_bytes(self.element)


@dataclass(frozen=True)
class LaneSide:
    """Where the lane side of a dot lies: packed group by group, or as a table of one pointer per row along k.

    Rows read through a table are interleaved in registers, each time that a tile of the result needs them.
    """

    pointer: str
    is_table: bool = False


@dataclass(frozen=True)
class Broadcast:
    """Where the broadcast side lies: group (row, step) at row * row_bytes + step * step_bytes.

    With `is_table`, `pointer` names a table of one pointer per row instead, and a row is read where
    it lies in memory, without a copy.
    """

    pointer: str
    row_bytes: int
    step_bytes: int
    is_table: bool = False


@dataclass(frozen=True)
class Tiles:
    """The shape of a dot: `lanes` vectors of width `width`, rows on the broadcast side, groups along k."""

    width: int
    lane_size: int
    rows: int
    groups: int


@dataclass(frozen=True)
class Product:
    """One dot: out = start + lane side x broadcast side.

    `start` None is zero, `lane_dim` is the dimension of `out` in lanes, `fetch` are prefetches to be done on the side.
    """

    kind: DotType
    tiles: Tiles
    lanes: LaneSide
    broadcast: Broadcast
    start: Value | None
    out: Buffer
    lane_dim: int
    fetch: Fetch | None = None


@dataclass(frozen=True)
class Tile:
    """The part of a dot held in registers: `vectors` lane vectors from `lane_base`, `rows` rows from `row`."""

    lane_base: Reg
    row: Reg
    vectors: int
    rows: int


def dot_type(left: str, right: str, accumulator: str, lane_size: int, features: HostFeatures) -> DotType:
    """Return how a dot of these element types is computed on this host."""
    if accumulator in ("i32", "i64"):
        return DotType(accumulator, 1, accumulator)
    if "f64" in (left, right, accumulator):
        return DotType("f64", 1, "f64")
    exact_in_bf16 = ("bf16", "f8e4m3fn", "f8e5m2")
    if features.has_bf16_dot and left in exact_in_bf16 and right in exact_in_bf16 and lane_size >= 4:
        return DotType("bf16", 2, "f32")
    return DotType("f32", 1, "f32")


def vector_width(kind: DotType, lane_size: int, features: HostFeatures) -> int:
    """Return the lanes of one accumulator vector."""
    full = features.vector_bytes // storage_bytes(kind.accumulator)
    return min(full, lane_size)


def accumulators(features: HostFeatures) -> int:
    """Return how many vector registers hold accumulators: half of them.

    A power of two, as all sides are: tiles divide a dot evenly and the code of one tile is enough.
    """
    return 16 if features.has_avx512 or features.arch == "aarch64" else 8


def vectors_of(tiles: Tiles, is_table: bool, most_held: int) -> int:
    """Return how many lane vectors a register tile has, of at most `most_held` accumulators.

    Rows that are interleaved on the way are best read by few tiles, so there a tile takes as many rows as it can.
    """
    count = tiles.lane_size // tiles.width
    most = min(VECTORS, count)
    while is_table and most > 1 and most * tiles.rows > most_held:
        most //= 2
    return most


def register_tile(product: Product, features: HostFeatures) -> tuple[int, int]:
    """Return the lane vectors and the rows that a tile in registers has."""
    held, tiles = accumulators(features), product.tiles
    vectors = vectors_of(tiles, product.lanes.is_table, held)
    return vectors, min(tiles.rows, max(1, held // vectors), TABLE_ROWS if product.broadcast.is_table else held)


def write_dot(e: Evaluator, product: Product) -> None:
    """Write the code of a dot."""
    e.f.journal.add(product)
    e.forget()
    tiles, fetch = product.tiles, product.fetch
    count = tiles.lane_size // tiles.width
    vectors, rows = register_tile(product, e.k.features)
    turns = (tiles.rows // rows) * (count // vectors) * (tiles.groups // _unroll(tiles))
    groups = _groups(e, tiles)
    if fetch is not None:
        fetch.start()
    with e.loop(0, tiles.rows, rows) as row:
        e.forget()
        with e.f.outlined(), e.loop(0, count, vectors) as lane_tile:
            lane_base = e.times(lane_tile, tiles.width)
            # In a function of its own the row is an argument, known before any loop.
            _write_tile(e, product, Tile(lane_base, Reg("i64", 0, row.text), vectors, rows), groups, turns)
        e.forget()


def _groups(e: Evaluator, tiles: Tiles) -> int | Reg:
    """Return where the loop along k ends: in a register, so that dots which differ in it alone are one function."""
    if tiles.groups <= _unroll(tiles):
        return tiles.groups
    return Reg("i64", 0, e.f.emit("i64", 0, f"add i64 0, {tiles.groups}", e.f.depth).text)


def _write_tile(e: Evaluator, product: Product, tile: Tile, groups: int | Reg, turns: int) -> None:
    kind, tiles, broadcast = product.kind, product.tiles, product.broadcast
    slots = [[_start(e, product, tile, r, v) for v in range(tile.vectors)] for r in range(tile.rows)]
    lanes_start = Reg("ptr", 0, product.lanes.pointer)
    if not product.lanes.is_table:
        lanes_start = e.memory.advance(lanes_start, tile.lane_base, kind.group_bytes)
    starts = _row_starts(e, broadcast, tile.row, tile.rows)
    unroll = _unroll(tiles)
    with e.loop(0, groups, unroll) as step:
        size = kind.group * POINTER_BYTES if product.lanes.is_table else tiles.lane_size * kind.group_bytes
        lane_step = e.memory.advance(lanes_start, step, size)
        row_steps = [e.memory.advance(start, step, broadcast.step_bytes) for start in starts]
        if product.fetch is not None:
            product.fetch.write(e, turns)
        held = [[_read(e, product, slot) for slot in line] for line in slots]
        for u in range(unroll):
            lanes = _lanes(e, product, tile, lane_step, u)
            held = _step(e, product, held, lanes, (row_steps, u))
        for line, values in zip(slots, held, strict=True):
            for slot, value in zip(line, values, strict=True):
                e.f.line(f"store {value.typed}, ptr {slot}")
    for r, line in enumerate(slots):
        for v, slot in enumerate(line):
            total = _read(e, product, slot)
            if is_float(total.element):
                total = e.k.cast_float(total, product.out.element)
            e.memory.buffer_store(product.out, _place(e, product, tile, r, v), total)


def _unroll(tiles: Tiles) -> int:
    return UNROLLED_STEPS if tiles.groups % UNROLLED_STEPS == 0 else 1


def _start(e: Evaluator, product: Product, tile: Tile, r: int, v: int) -> str:
    """Return the slot of one accumulator, set to its start."""
    vector = llvm_type(product.kind.accumulator, product.tiles.width)
    slot = e.f.alloca(vector, "c")
    if product.start is None:
        e.f.line(f"store {vector} zeroinitializer, ptr {slot}")
    else:
        initial = e.reg(product.start, _place(e, product, tile, r, v))
        if is_float(initial.element):
            initial = e.k.cast_float(initial, product.kind.accumulator)
        initial = e.k.splat(initial, product.tiles.width)
        e.f.line(f"store {initial.typed}, ptr {slot}")
    return slot


def _row_starts(e: Evaluator, broadcast: Broadcast, row: Reg, per_tile: int) -> list[Reg]:
    """Return the pointer of the tile's first row, or of each of its rows where a table holds them."""
    first = e.memory.advance(Reg("ptr", 0, broadcast.pointer), row, broadcast.row_bytes)
    if not broadcast.is_table:
        return [first]
    starts = []
    for r in range(per_tile):
        place = e.memory.advance(first, Reg("i64", 0, str(r * broadcast.row_bytes)), 1)
        starts.append(e.f.emit("ptr", 0, f"load ptr, ptr {place.text}, align 8", e.f.depth))
    return starts


def _read(e: Evaluator, product: Product, slot: str) -> Reg:
    element, width = product.kind.accumulator, product.tiles.width
    return e.f.emit(element, width, f"load {llvm_type(element, width)}, ptr {slot}", e.f.depth)


def _place(e: Evaluator, product: Product, tile: Tile, r: int, v: int) -> tuple[Index, ...]:
    width = product.tiles.width
    base = e.plus(tile.lane_base, literal("i64", v * width))
    lane: Index = Lane(base, width) if width > 1 else base
    other = e.plus(tile.row, literal("i64", r))
    return (lane, other) if product.lane_dim == 0 else (other, lane)


def _lanes(e: Evaluator, product: Product, tile: Tile, lane_step: Reg, u: int) -> list[Reg]:
    """Return the lane vectors of group `u` after `lane_step`."""
    kind, tiles = product.kind, product.tiles
    if product.lanes.is_table:
        return _interleaved(e, product, tile, lane_step, u)
    width = tiles.width * kind.group
    align = min(64, tiles.width * kind.group_bytes)
    lanes = []
    for v in range(tile.vectors):
        offset = (u * tiles.lane_size + v * tiles.width) * kind.group_bytes
        pointer = e.memory.advance(lane_step, Reg("i64", 0, str(offset)), 1)
        text = f"load {llvm_type(kind.element, width)}, ptr {pointer.text}, align {align}"
        lanes.append(e.f.emit(kind.element, width, text, e.f.depth))
    return lanes


def _interleaved(e: Evaluator, product: Product, tile: Tile, lane_step: Reg, u: int) -> list[Reg]:
    """Return the lane vectors of group `u` from the rows that the table names, one row per value of the group."""
    kind, width = product.kind, product.tiles.width
    size = storage_bytes(kind.element)
    rows = []
    for g in range(kind.group):
        place = e.memory.advance(lane_step, Reg("i64", 0, str((u * kind.group + g) * POINTER_BYTES)), 1)
        row = e.f.emit("ptr", 0, f"load ptr, ptr {place.text}, align {POINTER_BYTES}", e.f.depth)
        rows.append(e.memory.advance(row, tile.lane_base, size))
    vector = llvm_type(kind.element, width)
    lanes = []
    for v in range(tile.vectors):
        parts = []
        for row in rows:
            place = e.memory.advance(row, Reg("i64", 0, str(v * width * size)), 1)
            parts.append(e.f.emit(kind.element, width, f"load {vector}, ptr {place.text}, align {size}", e.f.depth))
        pairs = [pick for lane in range(width) for pick in (lane, width + lane)]
        lanes.append(e.k.shuffle(parts[0], parts[1], pairs) if kind.group == PAIR else parts[0])
    return lanes


def _step(
    e: Evaluator, product: Product, held: list[list[Reg]], lanes: list[Reg], place: tuple[list[Reg], int]
) -> list[list[Reg]]:
    """Return the accumulators after one group along k."""
    kind, tiles, broadcast = product.kind, product.tiles, product.broadcast
    row_steps, u = place
    depth = e.f.depth
    width = tiles.width * kind.group
    is_pair = kind.group == PAIR
    group = "i32" if is_pair else kind.element
    after = []
    for r, line in enumerate(held):
        offset = u * broadcast.step_bytes + (0 if broadcast.is_table else r * broadcast.row_bytes)
        row_step = row_steps[r] if broadcast.is_table else row_steps[0]
        pointer = e.memory.advance(row_step, Reg("i64", 0, str(offset)), 1)
        # A row of the pool starts where its stride puts it; only element alignment is certain.
        align = storage_bytes(kind.element) if broadcast.is_table else kind.group_bytes
        one = e.f.emit(group, 0, f"load {llvm_type(group, 0)}, ptr {pointer.text}, align {align}", depth)
        many = e.k.splat(one, tiles.width)
        if is_pair:
            many = e.k.bitcast(many, "bf16", width)
        after.append([_multiply_add(e, kind, value, many, lane) for value, lane in zip(line, lanes, strict=True)])
    return after


def _multiply_add(e: Evaluator, kind: DotType, held: Reg, many: Reg, lane: Reg) -> Reg:
    if kind.group == PAIR:
        bits = held.lanes * 32
        arm = e.k.features.arch == "aarch64"
        name = (
            f"llvm.aarch64.neon.bfdot.v{held.lanes}f32.v{held.lanes * 2}bf16"
            if arm
            else (f"llvm.x86.avx512bf16.dpbf16ps.{bits}")
        )
        pair = llvm_type("bf16", held.lanes * 2)
        e.f.declare(name, f"declare {held.type} @{name}({held.type}, {pair}, {pair})")
        return e.k.call_exact(name, "f32", held.lanes, held, lane, many)
    if kind.accumulator in ("i32", "i64"):
        return e.k.op("add", held, e.k.op("mul", many, lane))
    return e.k.call("fma", many, lane, held)


def write_transpose(e: Evaluator, source: str, target: str, rows: int, columns: int, element: str) -> None:
    """Write target[c][r] = source[r][c] for a row-major matrix of 4- or 8-byte elements."""
    full = e.k.features.vector_bytes // storage_bytes(element)
    block = min(full, rows, columns)
    size = storage_bytes(element)
    e.forget()
    with e.loop(0, rows, block) as row, e.loop(0, columns, block) as column:
        start = e.memory.advance(Reg("ptr", 0, source), row, columns * size)
        start = e.memory.advance(start, column, size)
        vectors = []
        for r in range(block):
            pointer = e.memory.advance(start, Reg("i64", 0, str(r * columns * size)), 1)
            text = f"load {llvm_type(element, block)}, ptr {pointer.text}, align {min(64, block * size)}"
            vectors.append(e.f.emit(element, block, text, e.f.depth))
        end = e.memory.advance(Reg("ptr", 0, target), row, size)
        end = e.memory.advance(end, column, rows * size)
        for c, vector in enumerate(_transposed(e, vectors)):
            pointer = e.memory.advance(end, Reg("i64", 0, str(c * rows * size)), 1)
            e.f.line(f"store {vector.typed}, ptr {pointer.text}, align {min(64, block * size)}")
    e.forget()


def _transposed(e: Evaluator, vectors: list[Reg]) -> list[Reg]:
    """Return the transposition of a square of vectors, by rounds of perfect shuffles."""
    count = len(vectors)
    if count == 1:
        return vectors
    half = count // 2
    low = [pick for i in range(half) for pick in (i, count + i)]
    high = [pick for i in range(half) for pick in (half + i, count + half + i)]
    rounds = count.bit_length() - 1
    for _ in range(rounds):
        mixed = []
        for i in range(half):
            mixed.append(e.k.shuffle(vectors[i], vectors[i + half], low))
            mixed.append(e.k.shuffle(vectors[i], vectors[i + half], high))
        vectors = mixed
    return vectors
