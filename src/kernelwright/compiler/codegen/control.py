"""Loops, branches and function ends; tensors that cross them live in buffers.

A loop-carried tensor has two buffers whose pointers change places at the end of a round, unless
what follows it was written over it in place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.ahead import Loop
from kernelwright.compiler.codegen.analysis import LAZY
from kernelwright.compiler.codegen.elements import Elements
from kernelwright.compiler.codegen.evaluate import element_name
from kernelwright.compiler.codegen.lowering import DEAR, Lowering
from kernelwright.compiler.codegen.moves import Moves
from kernelwright.compiler.codegen.products import MATRIX, Products
from kernelwright.compiler.codegen.scaled import add_unscale
from kernelwright.compiler.codegen.text import Reg, TextBlock, llvm_type
from kernelwright.compiler.codegen.values import Buffer
from kernelwright.compiler.ir import Block, Function, Op, Region, Value, walk
from kernelwright.core.errors import UnsupportedOpError


@dataclass(eq=False)
class Carried:
    """A value that goes round a loop: in a slot if scalar, else in the buffer a pointer slot names."""

    value: Value
    slot: str
    buffer: Buffer | None = None
    spare: str = ""


class Control:
    """Writes structured control flow and the blocks of a function."""

    def __init__(self, lowering: Lowering, next_program: TextBlock) -> None:
        self.low = lowering
        self.products = Products(lowering)
        Moves(lowering)
        Elements(lowering)
        add_unscale(lowering)
        self.e = lowering.e
        self.f = lowering.e.f
        self._next_program = next_program
        self._blocks: dict[Block, TextBlock] = {}
        self._block_slots: dict[Value, str] = {}
        lowering.handlers["scf.for"] = self._for
        lowering.handlers["scf.if"] = self._if
        lowering.handlers["scf.while"] = self._while

    # --- functions

    def write_function(self, function: Function) -> None:
        """Write the body of the entry function for one program."""
        blocks = function.body.blocks
        if len(blocks) > 1:
            self.low.shared = {op for block in blocks for op in block.ops if _is_read_elsewhere(op, block)}
        for block in blocks[1:]:
            self._blocks[block] = self.f.new_block("bb")
            for value in block.args:
                if value.shape:
                    lane = self.low.layout.lane(value)
                    self.e.buffers[0][value] = self.low.scratch.buffer(value.shape, element_name(value), lane)
                else:
                    self._block_slots[value] = self.f.alloca(llvm_type(element_name(value), 0), "arg")
        for number, block in enumerate(blocks):
            if number:
                self.f.places[-1] = self._blocks[block]
                self.e.forget()
                for value in block.args:
                    if not value.shape:
                        self.e.scalars[value] = self._read(value, self._block_slots[value])
            self.low.write_block(block, self._end_block)

    def _end_block(self, op: Op) -> None:
        if op.name == "tt.return":
            self.f.jump(self._next_program)
        elif op.name == "cf.br":
            target, values = op.successors[0]
            self._pass(target, values)
            self.f.places[-1].end = f"br label %{self._blocks[target].name}"
        elif op.name == "cf.cond_br":
            condition = self.e.scalars[op.operands[0]]
            edges = []
            for target, values in op.successors:
                edge = self.f.new_block("edge")
                edges.append((edge, target, values))
            self.f.branch(condition, edges[0][0], edges[1][0])
            for edge, target, values in edges:
                self.f.places[-1] = edge
                self._pass(target, values)
                edge.end = f"br label %{self._blocks[target].name}"
        else:
            raise UnsupportedOpError(f"line {op.location.line}: op {op.name} is not covered", {"op": op.name})

    def _pass(self, target: Block, values: list[Value]) -> None:
        for argument, value in zip(target.args, values, strict=True):
            if value.shape:
                # Blocks only lead forward, so no argument is read while it is written.
                self.low.keep(value, self.e.buffers[0][argument], register=False)
                continue
            self.f.line(f"store {self.e.scalars[value].typed}, ptr {self._block_slots[argument]}")

    # --- regions

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """A region: buffers made in it are not valid behind it."""
        self.e.buffers.append({})
        self.e.other_orders.append({})
        self.products.packs.append({})
        self.e.forget()
        with self.low.scratch.region():
            yield
        self.e.buffers.pop()
        self.e.other_orders.pop()
        self.products.packs.pop()
        self.e.forget()

    def _hoist(self, op: Op) -> None:
        """Store what the regions of `op` read from outside and what would be dear to redo in them."""
        inside = {inner for region in op.regions for inner in walk(region)}
        for inner in [i for region in op.regions for i in walk(region)]:
            if _is_matrix_dot(inner):
                self._hoist_packs(inner, inside)
        seen: set[Value] = set()
        for inner in [i for region in op.regions for i in walk(region)]:
            for value in inner.operands:
                outside = value.op is not None and value.op not in inside
                if not outside or value in seen or not value.shape or self.e.buffer_of(value) is not None:
                    continue
                seen.add(value)
                if _is_matrix_dot(inner) and value in inner.operands[:2] and self._only_packed(value, inside):
                    continue
                if value.op is not None and value.op.name not in LAZY:
                    self.low.require(value)
                else:
                    self._hoist_lazy(value)

    def _hoist_lazy(self, value: Value) -> None:
        """Keep `value` if it is dear; a cheap one may still rest on something dear."""
        op = value.op
        if op is None or self.e.buffer_of(value) is not None:
            return
        if op.name not in LAZY or (element_name(value) != "ptr" and self.low.cost(value, value.shape) >= DEAR):
            self.low.require(value)
        else:
            for operand in op.operands:
                if operand.shape:
                    self._hoist_lazy(operand)

    def _only_packed(self, value: Value, inside: set[Op]) -> bool:
        return all(_is_matrix_dot(use) or use not in inside for use in value.uses)

    def _hoist_packs(self, dot: Op, inside: set[Op]) -> None:
        for side in (0, 1):
            value = dot.operands[side]
            if value.op is not None and value.op not in inside and not self._is_constant(value):
                self.products.prepare_side(dot, side)

    def _is_constant(self, value: Value) -> bool:
        return value.op is not None and value.op.name == "arith.constant"

    # --- carried values

    def _carry(self, inside: Value, start: Value) -> Carried:
        if not inside.shape:
            slot = self.f.alloca(llvm_type(element_name(inside), 0), "carried")
            self.f.line(f"store {self.e.scalars[start].typed}, ptr {slot}")
            return Carried(inside, slot)
        buffer = self.low.scratch.buffer(inside.shape, element_name(inside), self.low.layout.lane(inside))
        self.low.keep(start, buffer, register=False)
        slot = self.f.alloca("ptr", "place")
        self.f.line(f"store ptr {buffer.pointer}, ptr {slot}")
        # Outside the loop's own scratch region: what was swapped in last is read behind the loop.
        spare = self.f.alloca("ptr", "spare")
        self.f.line(f"store ptr {self.low.scratch.pointer(buffer.size_bytes)}, ptr {spare}")
        return Carried(inside, slot, buffer, spare)

    def _read(self, value: Value, slot: str) -> Reg:
        element = element_name(value)
        return self.f.emit(element, 0, f"load {llvm_type(element, 0)}, ptr {slot}", self.f.depth)

    def _bind(self, value: Value, carried: Carried) -> None:
        """Make `value` readable: the current contents of `carried`."""
        if carried.buffer is None:
            self.e.scalars[value] = self._read(value, carried.slot)
            return
        pointer = self.f.emit("ptr", 0, f"load ptr, ptr {carried.slot}", self.f.depth)
        held = carried.buffer
        self.e.buffers[-1][value] = Buffer(held.shape, held.element, held.order, pointer.text)

    def _advance(self, carried: list[Carried], values: list[Value]) -> None:
        """Write the values of the next round; all are computed before any takes its place."""
        swaps: list[tuple[Carried, str]] = []
        news: list[tuple[str, Reg]] = []
        for item, value in zip(carried, values, strict=True):
            if item.buffer is None:
                news.append((item.slot, self.e.scalars[value]))
                continue
            current = cast(Buffer, self.e.buffer_of(item.value))
            held = self.e.buffer_of(value)
            if held is not None and held.pointer == current.pointer and held.shape == current.shape:
                continue
            target = self.f.emit("ptr", 0, f"load ptr, ptr {item.spare}", self.f.depth)
            buffer = Buffer(current.shape, current.element, current.order, target.text)
            self.low.keep(value, buffer, register=False)
            self.e.buffers[-1].setdefault(value, buffer)
            swaps.append((item, current.pointer))
        for slot, reg in news:
            self.f.line(f"store {reg.typed}, ptr {slot}")
        for item, old in swaps:
            fresh = self.f.emit("ptr", 0, f"load ptr, ptr {item.spare}", self.f.depth)
            self.f.line(f"store ptr {fresh.text}, ptr {item.slot}")
            self.f.line(f"store ptr {old}, ptr {item.spare}")

    # --- scf

    def _for(self, op: Op) -> None:
        body = op.regions[0].block
        low, high, step = (self.e.scalars[value] for value in op.operands[:3])
        element = low.element
        self._hoist(op)
        carried: list[Carried] = []
        places: list[int] = []
        for number, (start, inside) in enumerate(zip(op.operands[3:], body.args[1:], strict=True)):
            if inside in self.low.facts.running:
                slot = self.f.alloca("i64", "offset")
                self.f.line(f"store i64 0, ptr {slot}")
                self.e.running_offsets[inside] = slot
                self.e.running_offsets[op.results[number]] = slot
                # A running tensor is its start plus an offset: dear parts of the start are stored first.
                self._hoist_lazy(start)
            else:
                carried.append(self._carry(inside, start))
                places.append(number)
        counter = self.f.alloca(llvm_type(element, 0), "i")
        self.f.line(f"store {low.typed}, ptr {counter}")
        head, inner, after = (self.f.new_block(hint) for hint in ("for", "do", "done"))
        self.f.jump(head)
        now = self.f.emit(element, 0, f"load {llvm_type(element, 0)}, ptr {counter}", 0)
        sign = "u" if op.attrs.get("unsigned") else "s"
        more = self.f.emit("i1", 0, f"icmp {sign}lt {now.typed}, {high.text}", 0)
        self.f.branch(more, inner, after)
        self.f.places[-1] = inner
        with self._scope():
            self.e.scalars[body.args[0]] = now
            for item in carried:
                self._bind(item.value, item)
            self.low.loops.append(Loop(body, now, step, high))
            self.low.write_block(body, lambda end: self._advance(carried, [end.operands[p] for p in places]))
            self.low.loops.pop()
            self._advance_running(op, body)
            following = self.f.emit(element, 0, f"add {now.typed}, {step.text}", 0)
            self.f.line(f"store {following.typed}, ptr {counter}")
            self.f.places[-1].end = f"br label %{head.name}"
        self.f.places[-1] = after
        for item, number in zip(carried, places, strict=True):
            self._bind(op.results[number], item)

    def _advance_running(self, op: Op, body: Block) -> None:
        for inside in body.args[1:]:
            if inside not in self.low.facts.running:
                continue
            slot = self.e.running_offsets[inside]
            total = self.e.advanced(inside, self.e.offset(inside))
            self.f.line(f"store {total.typed}, ptr {slot}")

    def _if(self, op: Op) -> None:
        self._hoist(op)
        condition = self.e.scalars[op.operands[0]]
        slots = [
            self.f.alloca(llvm_type(element_name(v), 0), "if") if not v.shape
            else self.low.scratch.buffer(v.shape, element_name(v), self.low.layout.lane(v))
            for v in op.results
        ]  # fmt: skip
        yes, no, after = (self.f.new_block(hint) for hint in ("then", "else", "endif"))
        self.f.branch(condition, yes, no)
        for number, start in enumerate((yes, no)):
            self.f.places[-1] = start
            region = op.regions[number] if number < len(op.regions) else None
            self._arm(region, slots)
            self.f.jump(after)
            self.f.places[-1] = after
        self.e.forget()
        for value, slot in zip(op.results, slots, strict=True):
            if isinstance(slot, Buffer):
                self.e.buffers[-1][value] = slot
            else:
                self.e.scalars[value] = self._read(value, slot)

    def _arm(self, region: Region | None, slots: list[str | Buffer]) -> None:
        if region is None or not region.blocks:
            return

        def end(op: Op) -> None:
            for value, slot in zip(op.operands, slots, strict=True):
                if isinstance(slot, Buffer):
                    self.low.keep(value, slot, register=False)
                else:
                    self.f.line(f"store {self.e.scalars[value].typed}, ptr {slot}")

        with self._scope():
            self.low.write_block(region.block, end)

    def _while(self, op: Op) -> None:
        self._hoist(op)
        first, second = (region.block for region in op.regions)
        carried = [self._carry(inside, start) for inside, start in zip(first.args, op.operands, strict=True)]
        passed = [
            Carried(v, self.f.alloca(llvm_type(element_name(v), 0), "passed")) if not v.shape
            else self._passed_buffer(v)
            for v in second.args
        ]  # fmt: skip
        head, inner, after = (self.f.new_block(hint) for hint in ("while", "do", "done"))
        self.f.jump(head)

        def test(end: Op) -> None:
            for item, value in zip(passed, end.operands[1:], strict=True):
                if item.buffer is None:
                    self.f.line(f"store {self.e.scalars[value].typed}, ptr {item.slot}")
                else:
                    self.low.keep(value, item.buffer, register=False)
            self.f.branch(self.e.scalars[end.operands[0]], inner, after)

        with self._scope():
            for item in carried:
                self._bind(item.value, item)
            self.low.write_block(first, test)
            self.f.places[-1] = inner
            for item in passed:
                self._bind(item.value, item)
            self.low.write_block(second, lambda end: self._advance(carried, end.operands))
            self.f.places[-1].end = f"br label %{head.name}"
        self.f.places[-1] = after
        for item, result in zip(passed, op.results, strict=True):
            self._bind(result, item)

    def _passed_buffer(self, value: Value) -> Carried:
        buffer = self.low.scratch.buffer(value.shape, element_name(value), self.low.layout.lane(value))
        slot = self.f.alloca("ptr", "place")
        self.f.line(f"store ptr {buffer.pointer}, ptr {slot}")
        return Carried(value, slot, buffer)


def _is_matrix_dot(op: Op) -> bool:
    """Return whether the sides of `op` can be packed ahead of a loop; batched dots pack each product's own."""
    return op.name == "tt.dot" and len(op.result.shape) == MATRIX


def _is_read_elsewhere(op: Op, block: Block) -> bool:
    """Return whether another function-level block than `block` reads a result of `op`."""
    return any(_top(use) is not block for value in op.results for use in value.uses)


def _top(op: Op) -> Block | None:
    """Return the function-level block that holds `op`."""
    block = op.block
    while block is not None and block.parent is not None and block.parent.name != "tt.func":
        block = block.parent.block
    return block
