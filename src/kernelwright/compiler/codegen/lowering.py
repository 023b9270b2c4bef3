"""Straight-line Triton IR to nests: what is computed where, and what is stored in between.

Ops with effects, dots and scalars are written where they stand. Everything else waits until
somebody needs it; a nest that is written takes along the reductions that need the same chunks.
"""

from collections.abc import Callable
from typing import cast

from kernelwright.compiler.codegen import elementwise
from kernelwright.compiler.codegen.ahead import Loop
from kernelwright.compiler.codegen.analysis import LAZY, Facts
from kernelwright.compiler.codegen.dot import write_transpose
from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.layout import Layout
from kernelwright.compiler.codegen.nests import Keep, Nest, Reduce, Root, Store, combiner_name, write_nest
from kernelwright.compiler.codegen.pending import Pending, lanes_of, nest_of
from kernelwright.compiler.codegen.scratch import Scratch
from kernelwright.compiler.codegen.text import Reg
from kernelwright.compiler.codegen.values import Address, Buffer, storage_bytes
from kernelwright.compiler.codegen.waiting import Waiting
from kernelwright.compiler.ir import Block, Op, Value, walk
from kernelwright.core.errors import UnsupportedOpError

ATOMICS = {"tt.atomic_rmw", "tt.atomic_cas", "tt.atomic_load", "tt.atomic_store", "tt.atomic_poll"}
EFFECTS = {"tt.store", "tt.call", "tt.assert", "tt.print", *ATOMICS}
# A program is one thread: it has nobody to wait for. Assumptions are not used.
NOTHING_TO_DO = {"gpu.barrier", "ttg.barrier", "llvm.intr.assume"}
KEEP_ABOVE = 3
# The cost of a value that is worth storing rather than computing twice: a load, an exponential.
DEAR = 10


class Lowering:
    """Writes the ops of blocks; control flow is in `control`."""

    def __init__(self, evaluator: Evaluator, facts: Facts, layout: Layout, scratch: Scratch, noalias: bool) -> None:
        self.e = evaluator
        self.facts = facts
        self.layout = layout
        self.scratch = scratch
        self.vector_bytes = evaluator.k.features.vector_bytes
        self.position: list[tuple[Block, int]] = []
        self.written: set[Op] = set()
        self.waiting = Waiting(facts, self.written, noalias)
        self.loops: list[Loop] = []
        # Ops whose tensors other blocks of the function read: stored where they stand, if they cost something.
        self.shared: set[Op] = set()
        self.handlers: dict[str, Callable[[Op], None]] = {"tt.store": self._store, "tt.reduce": self._reduce}

    # --- blocks

    def write_block(self, block: Block, end: Callable[[Op], None]) -> None:
        """Write the ops of `block`; `end` writes its terminator."""
        self.position.append((block, 0))
        for number, op in enumerate(block.ops[:-1]):
            self.position[-1] = (block, number)
            with self.e.f.journal.writing(op):
                self.write_op(op)
        self.position[-1] = (block, len(block.ops) - 1)
        with self.e.f.journal.writing(block.ops[-1]):
            end(block.ops[-1])
        self.position.pop()

    def write_op(self, op: Op) -> None:
        """Write one op, or leave it for whoever needs its result."""
        if op.name in EFFECTS or any(inner.name in EFFECTS for region in op.regions for inner in walk(region)):
            self._settle_loads(op)
        handler = self.handlers.get(op.name)
        if handler is not None:
            handler(op)
        elif op.name in LAZY:
            if not op.result.shape:
                self._scalar(op)
        elif op.name in NOTHING_TO_DO:
            return
        elif op.name == "ub.poison":
            if not op.result.shape:
                self.e.scalars[op.result] = Reg(element_name(op.result), 0, "poison")
        else:
            raise UnsupportedOpError(
                f"line {op.location.line}: op {op.name} is not covered by the CPU compiler",
                {"op": op.name, "line": op.location.line},
            )
        if op in self.shared:
            for value in op.results:
                if value.shape and self.cost(value, value.shape) > 0 and element_name(value) != "ptr":
                    self.require(value)

    def _scalar(self, op: Op) -> None:
        self.e.forget()
        chunk = self.e._compute(op.result, ())
        self.e.scalars[op.result] = chunk.base if isinstance(chunk, Address) else cast(Reg, chunk)

    # --- memory order

    def _settle_loads(self, effect: Op) -> None:
        """Make sure that no load that waits is moved behind `effect`, which may change what it reads."""
        block, number = self.position[-1]
        for earlier in block.ops[:number]:
            if earlier.name != "tt.load" or not earlier.result.shape or self.e.buffer_of(earlier.result) is not None:
                continue
            if self.waiting.cannot_clash(earlier, effect):
                continue
            in_place = effect.name == "tt.store" and effect.operands[0] is earlier.operands[0]
            if self.waiting.is_needed(earlier.result, block, number, in_place):
                self.require(earlier.result)

    def _store(self, op: Op) -> None:
        pointer, value = op.operands[0], op.operands[1]
        if not pointer.shape:
            self.e.forget()
            Store(op).visit(self.e, (), {})
            return
        contiguous = self.facts.contiguous_dim(pointer)
        lane = contiguous if contiguous is not None else self.layout.lane(value)
        pending = Pending(pointer.shape, lane, [Store(op)], ops={op})
        self.run(pending, list(op.operands))

    # --- values on demand

    def require(self, value: Value) -> None:
        """Make sure that `value` can be read at any index here: a scalar, a buffer, or cheap to evaluate."""
        if not value.shape or self.e.buffer_of(value) is not None:
            return
        op = value.op
        if op is not None and op.name == "tt.reduce":
            self._write_reduce(op)
            return
        if op is not None and op.name == "tt.reshape":
            self._alias_reshape(op)
            return
        lane = self.natural_lane(value)
        self.keep(value, self.scratch.buffer(value.shape, element_name(value), lane))

    def keep(self, value: Value, buffer: Buffer, register: bool = True) -> None:
        """Write `value` into `buffer`; with `register` it is read from there from now on."""
        pending = Pending(value.shape, buffer.order[0] if buffer.order else 0, [Keep(value, buffer)])
        self.run(pending, [value])
        if register:
            self.e.buffers[-1][value] = buffer

    def natural_lane(self, value: Value) -> int:
        """Return the lane dimension in which `value` is cheapest to evaluate."""
        if len(value.shape) <= 1:
            return 0
        found = self._memory_lane(value)
        return found if found is not None else self.layout.lane(value)

    def _memory_lane(self, value: Value, seen: set[Value] | None = None) -> int | None:
        """Return the contiguous dimension of the first load or buffer that `value` is computed from."""
        seen = set() if seen is None else seen
        if value in seen:
            return None
        seen.add(value)
        buffer = self.e.buffer_of(value)
        if buffer is not None:
            return buffer.order[0] if len(buffer.shape) > 1 else None
        op = value.op
        if op is None or op.name not in LAZY:
            return self.layout.lane(value) if len(value.shape) > 1 else None
        if op.name == "tt.load":
            return self.facts.contiguous_dim(op.operands[0])
        if op.name == "tt.trans":
            inner = self._memory_lane(op.operands[0], seen)
            return None if inner is None else list(cast(tuple[int, ...], op.attrs["order"])).index(inner)
        if op.name in elementwise.NAMES:
            for operand in op.operands:
                found = self._memory_lane(operand, seen)
                if found is not None:
                    return found
        return None

    def _alias_reshape(self, op: Op) -> None:
        source = op.operands[0]
        held = self.e.buffer_of(source)
        rank = len(source.shape)
        row_major = tuple(reversed(range(rank)))
        if held is None or held.order != row_major:
            held = self.scratch.buffer(source.shape, element_name(source), rank - 1)
            self.keep(source, held, register=False)
        shape = op.result.shape
        self.e.buffers[-1][op.result] = Buffer(shape, held.element, tuple(reversed(range(len(shape)))), held.pointer)

    # --- putting a nest together

    def run(self, pending: Pending, values: list[Value]) -> None:
        """Write the nest of `pending`, whose roots read `values`."""
        for value in values:
            self.settle(value, pending.lane if value.shape == pending.shape else None, pending)
        self._take_reductions(pending)
        self._take_keeps(pending)
        write_nest(self.e, nest_of(pending, self.facts, self.vector_bytes), pending.roots)
        for root in pending.roots:
            if isinstance(root, Reduce):
                self._register_reduce(root)
        for root in pending.keeps:
            self.e.buffers[-1][root.value] = root.buffer

    def settle(self, value: Value, lane: int | None, pending: Pending) -> None:
        """Make every leaf of `value` readable with lanes along `lane`."""
        if not value.shape or (value, lane) in pending.visited:
            return
        buffer = self.e.buffer_of(value)
        if buffer is None and value in self.e.running_offsets:
            self.settle(self.facts.running[value].start, lane, pending)
            return
        op = value.op
        lazy = op is not None and op.name in LAZY and op.name != "tt.reshape"
        if buffer is None and lazy and op is not None and not self._is_cross_load(op, lane):
            pending.visited[value, lane] = None
            pending.ops.add(op)
            for operand, inner in zip(op.operands, _operand_lanes(op, lane), strict=True):
                self.settle(operand, inner, pending)
            return
        self.require(value)
        self._reorder(value, lane)

    def _is_cross_load(self, op: Op, lane: int | None) -> bool:
        if op.name != "tt.load" or lane is None:
            return False
        contiguous = self.facts.contiguous_dim(op.operands[0])
        return contiguous is not None and contiguous != lane

    def _reorder(self, value: Value, lane: int | None) -> None:
        buffer = self.e.buffer_of(value)
        if buffer is None or lane is None or not buffer.order or buffer.order[0] == lane:
            return
        if self.e.reordered(value, lane) is not None or value.shape[lane] == 1:
            return
        size = storage_bytes(buffer.element)
        rows, columns = value.shape[lane], value.shape[buffer.order[0]]
        if len(value.shape) != 2 or size < 4 or min(rows, columns) < 2:
            return
        target = self.scratch.buffer(value.shape, buffer.element, lane)
        write_transpose(self.e, buffer.pointer, target.pointer, rows, columns, buffer.element)
        self.e.other_orders[-1][value, lane] = target

    def _take_reductions(self, pending: Pending) -> None:
        """Add reductions that follow in this block, need the same chunks, and can be computed now."""
        if not pending.shape or not self.position:
            return
        block, number = self.position[-1]
        for op in block.ops:
            if op.name != "tt.reduce" or op in self.written or op in pending.ops or not op.results[0].shape:
                continue
            if op.operands[0].shape != pending.shape or combiner_name(op) is None:
                continue
            if self.waiting.place(block, op) > number and self._effect_between(block, number, op):
                continue
            axis = cast(int, op.attrs["axis"])
            if pending.axis not in (None, axis) or (pending.pack is not None and pending.pack != axis):
                continue
            if self.layout.lane(op.operands[0]) != pending.lane or not self._all_ready(op.operands):
                continue
            if not self._shares_work(op, pending):
                continue
            pending.axis = axis
            pending.roots.insert(0, self._reduce_root(op))
            pending.ops.add(op)
            self.written.add(op)
            for operand in op.operands:
                self.settle(operand, pending.lane, pending)

    def _all_ready(self, values: list[Value]) -> bool:
        ready: set[Value] = set()
        return all(self._is_ready(value, ready) for value in values)

    def _effect_between(self, block: Block, number: int, op: Op) -> bool:
        between = block.ops[number + 1 : self.waiting.place(block, op)]
        return any(other.name in EFFECTS or (other.regions and other.name != "tt.reduce") for other in between)

    def _shares_work(self, op: Op, pending: Pending) -> bool:
        chain: list[Value] = list(op.operands)
        seen: set[Value] = set()
        while chain:
            value = chain.pop()
            if value in seen:
                continue
            seen.add(value)
            if any((value, lane) in pending.visited for lane in (pending.lane, None)):
                return True
            if value.shape == pending.shape and value.op is not None and value.op.name in elementwise.NAMES:
                chain.extend(value.op.operands)
        return False

    def _is_ready(self, value: Value, ready: set[Value]) -> bool:
        """Return whether `value` can be computed now; `ready` holds values that are known to be."""
        if value in ready:
            return True
        ready.add(value)  # a value that is not ends the search
        if not value.shape:
            return value in self.e.scalars
        if self.e.buffer_of(value) is not None or value in self.e.running_offsets:
            return True
        op = value.op
        return op is not None and op.name in LAZY and all(self._is_ready(operand, ready) for operand in op.operands)

    def _take_keeps(self, pending: Pending) -> None:
        """Store chunks on the way that are dear to compute and that others will need again."""
        kept = {root.value for root in pending.roots if isinstance(root, Keep)}
        costs: dict[Value, int] = {}
        for value, lane in list(pending.visited):
            if value.shape != pending.shape or lane != pending.lane or value in kept or element_name(value) == "ptr":
                continue
            if value.op is None or value.op.name not in (*elementwise.NAMES, "tt.load"):
                continue
            if all(use in pending.ops for use in value.uses) or self.cost(value, pending.shape, costs) <= KEEP_ABOVE:
                continue
            root = Keep(value, self.scratch.buffer(value.shape, element_name(value), pending.lane))
            pending.roots.insert(0, root)
            pending.keeps.append(root)

    def cost(self, value: Value, shape: tuple[int, ...], known: dict[Value, int] | None = None) -> int:
        """Return how dear `value` is to evaluate again, counting ops on tensors of `shape`; `known` holds answers."""
        known = {} if known is None else known
        if value not in known:
            known[value] = self._cost(value, shape, known)
        return known[value]

    def _cost(self, value: Value, shape: tuple[int, ...], known: dict[Value, int]) -> int:
        op = value.op
        if value.shape != shape or op is None or self.e.buffer_of(value) is not None or op.name not in LAZY:
            return 0
        own = DEAR if op.name in elementwise.HEAVY or op.name == "tt.load" else int(op.name in elementwise.NAMES)
        return own + sum(self.cost(operand, shape, known) for operand in op.operands)

    # --- reductions

    def _reduce(self, op: Op) -> None:
        if not op.results[0].shape:
            self._write_reduce(op)

    def _write_reduce(self, op: Op) -> None:
        if op in self.written:
            return
        self.written.add(op)
        source = op.operands[0]
        lane = self.natural_lane(source) if len(source.shape) > 1 else 0
        if self.layout.lane(source) != lane and self.e.buffer_of(source) is None:
            lane = self.layout.lane(source)
        pending = Pending(source.shape, lane, [self._reduce_root(op)], ops={op}, axis=cast(int, op.attrs["axis"]))
        self.run(pending, list(op.operands))

    def _reduce_root(self, op: Op) -> Reduce:
        results: list[Buffer | None] = []
        for value in op.results:
            lane = self.layout.lane(value)
            results.append(self.scratch.buffer(value.shape, element_name(value), lane) if value.shape else None)
        return Reduce(op, results)

    def _register_reduce(self, root: Reduce) -> None:
        scalars = iter(root.scalars)
        for value, buffer in zip(root.op.results, root.results, strict=True):
            if buffer is None:
                self.e.scalars[value] = next(scalars)
            else:
                self.e.buffers[-1][value] = buffer

    # --- nests for ops that are written elsewhere

    def write_alone(self, root: Root, op: Op) -> None:
        """Write a nest over the first operand of `op` with `root` as what is done in it."""
        first = op.operands[0]
        self.run(Pending(first.shape, self.natural_lane(first), [root], ops={op}), list(op.operands))

    def write_rounds(self, shape: tuple[int, ...], lane: int, axis: int, root: Root, op: Op) -> None:
        """Write a nest in which `axis` goes one element at a time, lanes along `lane` if another."""
        pending = Pending(shape, lane, [root], ops={op})
        for operand in op.operands:
            self.settle(operand, lane if lane != axis and operand.shape == shape else None, pending)
        lanes = 1 if lane == axis else min(lanes_of(pending, self.facts, self.vector_bytes), shape[lane])
        rest = [d for d in range(len(shape)) if d not in (lane, axis)]
        order = (*rest, axis) if lane == axis else (*rest, lane, axis)
        write_nest(self.e, Nest(shape, lane, lanes, order), pending.roots)


def _operand_lanes(op: Op, lane: int | None) -> list[int | None]:
    """Return the lane dimension of each operand when the result's lanes run along `lane`."""
    if lane is None or op.name == "tt.splat":
        return [None] * len(op.operands)
    if op.name == "tt.expand_dims":
        axis = cast(int, op.attrs["axis"])
        return [None if lane == axis else lane - (lane > axis)]
    if op.name == "tt.broadcast":
        return [None if op.operands[0].shape[lane] == 1 else lane]
    if op.name == "tt.trans":
        return [cast(tuple[int, ...], op.attrs["order"])[lane]]
    return [lane if operand.shape else None for operand in op.operands]
