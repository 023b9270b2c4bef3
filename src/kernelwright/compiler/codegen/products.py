"""Dots: what each side must look like in memory, made once and as far outside of loops as possible."""

from typing import cast

from kernelwright.compiler.codegen import elementwise
from kernelwright.compiler.codegen.ahead import POINTER_BYTES, Ahead, Fetch, rows_ahead
from kernelwright.compiler.codegen.analysis import is_zero_constant
from kernelwright.compiler.codegen.batches import write_batch
from kernelwright.compiler.codegen.dot import (
    Broadcast,
    DotType,
    LaneSide,
    Product,
    Tiles,
    dot_type,
    vector_width,
    write_dot,
    write_transpose,
)
from kernelwright.compiler.codegen.evaluate import element_name
from kernelwright.compiler.codegen.lowering import DEAR, Lowering
from kernelwright.compiler.codegen.memory import ZEROS_BYTES
from kernelwright.compiler.codegen.nests import Nest, Pack, RowPointers, write_nest
from kernelwright.compiler.codegen.pending import Pending
from kernelwright.compiler.codegen.values import Buffer, storage_bytes
from kernelwright.compiler.ir import Op, Value

MATRIX = 2
# With narrower registers a dot is bound by arithmetic, and the copy it saves is cheap.
MIN_TABLE_VECTOR_BYTES = 32
# With more rows to multiply with, a packed copy pays: each tile of the result reads the lane side again.
MOST_UNPACKED_ROWS = 32


class Products:
    """Writes dots for a `Lowering`; packed operands are kept by scope, as buffers are."""

    def __init__(self, lowering: Lowering) -> None:
        self.low = lowering
        self.e = lowering.e
        self.packs: list[dict[tuple[Value, str], str]] = [{}]
        self._fetched: set[Op] = set()
        lowering.handlers["tt.dot"] = self.write

    def write(self, op: Op) -> None:
        """Write a `tt.dot` where it stands."""
        if len(op.result.shape) > MATRIX:
            write_batch(self, op)
        else:
            self.e.buffers[-1][op.result] = self.write_matrix(op, None, self._fetch(op))

    def write_matrix(self, op: Op, out: Buffer | None, fetch: Fetch | None) -> Buffer:
        """Write a dot of two matrices into `out`, or where it is best, and return where it is."""
        left, right, start = op.operands
        (rows, depth), columns = left.shape, right.shape[1]
        kind, lane_dim = self._dot_shape(op)
        lane_size = op.result.shape[lane_dim]
        lane_side, other_side = (left, right) if lane_dim == 0 else (right, left)
        lane_k, other_k = (1, 0) if lane_dim == 0 else (0, 1)
        tiles = Tiles(
            vector_width(kind, lane_size, self.e.k.features),
            lane_size,
            columns if lane_dim == 0 else rows,
            depth // kind.group,
        )
        lanes = self._lane_side(lane_side, lane_k, kind, tiles)
        broadcast = self.broadcast(other_side, other_k, kind.group, kind.element)
        initial = None if is_zero_constant(start) else start
        out = out or self._dot_target(op, lane_dim)
        if initial is not None:
            pending = Pending(op.result.shape, lane_dim)
            self.low.settle(initial, lane_dim, pending)
            self._keep_dear_vectors(pending)
        write_dot(self.e, Product(kind, tiles, lanes, broadcast, initial, out, lane_dim, fetch))
        return out

    def _keep_dear_vectors(self, pending: Pending) -> None:
        """Store what is the same along a dimension and dear: the micro-kernel evaluates it once per tile."""
        for value, _ in list(pending.visited):
            if len(value.shape) == 1 and self.e.buffer_of(value) is None and self.low.cost(value, value.shape) >= DEAR:
                self.low.require(value)

    def _fetch(self, op: Op) -> Fetch | None:
        """Return the prefetches to interleave with a dot, None when there are none.

        The loads of a loop are shared out over its dots, so that none has to wait for the memory of all.
        """
        loop = self.low.loops[-1] if self.low.loops else None
        if loop is None or self.e.memory.checked or self.low.position[-1][0] is not loop.body:
            return None
        left = rows_ahead(self.e, loop, self._fetched)
        dots = [other for other in loop.body.ops if other.name == op.name]
        found = left[: -(-len(left) // (len(dots) - dots.index(op)))]
        if not found:
            return None
        self._fetched.update(item.load for item in found)
        tables = tuple(self.low.scratch.pointer(POINTER_BYTES * item.count) for item in found)
        cursors = tuple(self.low.scratch.pointer(16) for _ in found)
        return Fetch(Ahead(self.e, loop), tuple(found), tables, cursors)

    def _dot_target(self, op: Op, lane_dim: int) -> Buffer:
        """Return where the result goes: over the accumulator's buffer if nobody else reads that."""
        chain: set[Op] = {op}
        leaf = op.operands[2]
        passed = [leaf]
        while self.e.buffer_of(leaf) is None and leaf.op is not None and leaf.op.name in elementwise.NAMES:
            inner = [v for v in leaf.op.operands if v.shape == leaf.shape and self._reaches_buffer(v, set())]
            if len(inner) != 1:
                break
            chain.add(leaf.op)
            leaf = inner[0]
            passed.append(leaf)
        buffer = self.e.buffer_of(leaf)
        element = element_name(op.result)
        fits = buffer is not None and buffer.order and buffer.order[0] == lane_dim and buffer.element == element
        own = fits and self._is_own(leaf)
        if own and all(use in chain for value in passed for use in value.uses):
            return cast(Buffer, buffer)
        return self.low.scratch.buffer(op.result.shape, element, lane_dim)

    def _is_own(self, value: Value) -> bool:
        """Return whether `value` lives in this region: a buffer from outside a loop must survive the round."""
        return value in self.e.buffers[-1]

    def _reaches_buffer(self, value: Value, seen: set[Value]) -> bool:
        if value in seen:
            return False
        seen.add(value)
        if self.e.buffer_of(value) is not None:
            return True
        op = value.op
        return (
            op is not None
            and op.name in elementwise.NAMES
            and any(v.shape == value.shape and self._reaches_buffer(v, seen) for v in op.operands)
        )

    def _dot_shape(self, op: Op) -> tuple[DotType, int]:
        """Return how a dot is computed and which dimension of its result runs along lanes."""
        left, right, _ = op.operands
        lane_dim = self.low.layout.lane(op.result)
        lane_size = op.result.shape[lane_dim]
        features = self.e.k.features
        result = element_name(op.result)
        kind = dot_type(element_name(left), element_name(right), result, lane_size, features)
        if left.shape[1] % kind.group:
            kind = dot_type("f32", "f32", result, lane_size, features)
        return kind, lane_dim

    def prepare_side(self, op: Op, side: int) -> None:
        """Bring one side of a dot into the form that the micro-kernel reads, ahead of a loop."""
        kind, lane_dim = self._dot_shape(op)
        value, k = op.operands[side], 1 - side
        if (side == 0) == (lane_dim == 0):
            self.packed(value, k, kind.group, kind.element)
        else:
            self.broadcast(value, k, kind.group, kind.element)

    def _lane_side(self, value: Value, k: int, kind: DotType, tiles: Tiles) -> LaneSide:
        key = (value, f"lanes {k} {kind.group} {kind.element}")
        if tiles.rows <= MOST_UNPACKED_ROWS and tiles.width > 1 and self._known_pack(key) is None:
            table = self._row_table(value, 1 - k, kind.element)
            if table is not None:
                return LaneSide(table, is_table=True)
        return LaneSide(self.packed(value, k, kind.group, kind.element))

    def packed(self, value: Value, k: int, group: int, element: str) -> str:
        """Return a pointer to `value` packed for the lane side of a dot; made once per value and scope."""
        key = (value, f"lanes {k} {group} {element}")
        known = self._known_pack(key)
        if known is not None:
            return known
        x = 1 - k
        if self.low.natural_lane(value) == x:
            pointer = self._write_pack(value, k, x, group, element)
        else:
            # Contiguous along k: groups are already side by side, so groups are transposed whole.
            rows = self._rows(value, k, element)
            pointer = self.low.scratch.pointer(value.shape[0] * value.shape[1] * storage_bytes(element))
            unit = element if group == 1 else "i32"
            write_transpose(self.e, rows, pointer, value.shape[x], value.shape[k] // group, unit)
        self.packs[-1][key] = pointer
        return pointer

    def broadcast(self, value: Value, k: int, group: int, element: str) -> Broadcast:
        """Return where the broadcast side of a dot lies."""
        size = storage_bytes(element)
        x = 1 - k
        table = self._row_table(value, k, element)
        if table is not None:
            return Broadcast(table, 8, group * size, is_table=True)
        if self.low.natural_lane(value) == k or value.shape[x] == 1:
            return Broadcast(self._rows(value, k, element), value.shape[k] * size, group * size)
        key = (value, f"pairs {k} {group} {element}")
        pointer = self._known_pack(key)
        if pointer is None:
            pointer = self._write_pack(value, k, x, group, element)
            self.packs[-1][key] = pointer
        return Broadcast(pointer, group * size, value.shape[x] * group * size)

    def _row_table(self, value: Value, k: int, element: str) -> str | None:
        """Return a table of row pointers when a dot can read a load's rows where they lie, else None."""
        source, dim_k = value, k
        while source.op is not None and source.op.name == "tt.trans":
            source, dim_k = source.op.operands[0], 1 - dim_k
        op = source.op
        if op is None or op.name != "tt.load" or self.e.memory.checked or element_name(source) != element:
            return None
        if (
            any(self.e.buffer_of(v) is not None for v in (value, source))
            or self.e.k.features.vector_bytes < MIN_TABLE_VECTOR_BYTES
        ):
            return None
        size = source.shape[dim_k] * storage_bytes(element)
        plain = self.low.facts.stride(op.operands[0], dim_k) == 1 and size <= ZEROS_BYTES
        plain = (plain and len(op.operands) < 3) or (plain and is_zero_constant(op.operands[2]))
        if not plain or (len(op.operands) > 1 and self.low.facts.stride(op.operands[1], dim_k) != 0):
            return None
        key = (source, f"table {dim_k}")
        known = self._known_pack(key)
        if known is not None:
            return known
        rows = source.shape[1 - dim_k]
        pointer = self.low.scratch.pointer(rows * 8)
        pending = Pending((rows,), 0, [RowPointers(op, 1 - dim_k, pointer)])
        for operand in op.operands[:2]:
            self.low.settle(operand, None, pending)
        e = self.e
        write_nest(e, Nest((rows,), 0, 1, (0,)), pending.roots)
        self.packs[-1][key] = pointer
        return pointer

    def _known_pack(self, key: tuple[Value, str]) -> str | None:
        for scope in reversed(self.packs):
            if key in scope:
                return scope[key]
        return None

    def _rows(self, value: Value, k: int, element: str) -> str:
        """Return a pointer to `value` as rows contiguous along k, in the dot's input type."""
        key = (value, f"rows {k} {element}")
        known = self._known_pack(key)
        if known is None:
            held = self.e.buffer_of(value)
            if held is not None and held.element == element and held.order[0] == k:
                known = held.pointer
            else:
                known = self._write_pack(value, 1 - k, k, 1, element)
            self.packs[-1][key] = known
        return known

    def _write_pack(self, value: Value, k: int, x: int, group: int, element: str) -> str:
        pointer = self.low.scratch.pointer(value.shape[0] * value.shape[1] * storage_bytes(element))
        pending = Pending(value.shape, x, [Pack(value, k, x, group, element, pointer)])
        if group > 1:
            pending.pack = k
        self.low.run(pending, [value])
        return pointer
