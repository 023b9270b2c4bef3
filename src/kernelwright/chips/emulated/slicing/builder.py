"""From ops to a slice program: walks blocks, loops and branches, and emits what the trace needs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kernelwright.chips.emulated.lowering.segments import ACCESS_OPS, Cut, Stretch
from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, Value
from kernelwright.chips.emulated.lowering.ttgir_types import MemDesc
from kernelwright.chips.emulated.slicing import joins
from kernelwright.chips.emulated.slicing.accesses import Accesses
from kernelwright.chips.emulated.slicing.algebra import ALL, FIRST, Algebra
from kernelwright.chips.emulated.slicing.elementwise import Elementwise, is_truth, wrap_of
from kernelwright.chips.emulated.slicing.emitter import Emitter, Instruction, Label, Scope
from kernelwright.chips.emulated.slicing.flow import dominators
from kernelwright.chips.emulated.slicing.forms import Affine, Form, Shared
from kernelwright.chips.emulated.slicing.knowledge import ATOMIC_OPS, Knowledge, element_of, is_float, written_by
from kernelwright.chips.emulated.slicing.opcodes import Opcode
from kernelwright.compiler.ir import Pointer
from kernelwright.core.errors import UnsupportedOpError

# How often a loop's body is built until it is known what the loop changes; each round frees at least one register.
_ROUNDS = 64


@dataclass(eq=False)
class Built:
    """Code in order with its labels, and the registers that a launch fills."""

    emitter: Emitter
    code: list[Instruction | Label]
    arguments: list[tuple[int, bool]]
    ids: tuple[int, ...]
    grid: tuple[int, ...]
    writes_integers: bool = field(default=False)


def build(module: GpuModule, cut: Cut, knowledge: Knowledge) -> Built:
    """Return the code of a kernel's slice."""
    return _Builder(module, cut, knowledge).build()


class _Builder:
    def __init__(self, module: GpuModule, cut: Cut, knowledge: Knowledge) -> None:
        self.module, self.cut, self.knowledge = module, cut, knowledge
        self.emitter = Emitter()
        self.algebra = Algebra(self.emitter)
        self.elementwise = Elementwise(self.algebra)
        self.accesses = Accesses(self.algebra)
        self.forms: dict[Value, Form] = {}
        self.block_forms: dict[Block, list[tuple[Value, Form]]] = {}
        self.labels: dict[Block, Label] = {}
        self.scopes: dict[Block, Scope] = {}
        self.grid: tuple[int, ...] = ()
        self.ids: tuple[int, ...] = ()

    def build(self) -> Built:
        emitter = self.emitter
        arguments: list[tuple[int, bool]] = []
        for value in self.module.args:
            register = emitter.register(emitter.launch)
            arguments.append((register, is_float(value)))
            self.forms[value] = Affine((), register)
        self.grid = tuple(emitter.register(emitter.launch) for _ in range(3))
        program = emitter.launch.below()
        self.ids = tuple(emitter.register(program) for _ in range(3))
        order, parents = dominators(self.module.body.blocks)
        code: list[Instruction | Label] = []
        for block in order:
            parent = parents[block]
            self._enter_block(block, (program if parent is None else self.scopes[parent]).below())
        ends: list[list[Instruction | Label]] = []
        for block in order:
            with self._within(self.scopes[block]):
                self._run_block(block)
                ends.append(self._terminator(block))
        for block, end in zip(order, ends, strict=True):
            code += [self.labels[block], *self.scopes[block].code, *end]
        begin = Instruction(Opcode.BEGIN, effect=True)
        whole = [*emitter.launch.code, begin, *program.code, *code]
        return Built(emitter, whole, arguments, self.ids, self.grid, bool(self.knowledge.runs))

    # --- blocks of the function

    def _enter_block(self, block: Block, scope: Scope) -> None:
        """Make the scope of a block and forms of its arguments, before branches to it are built."""
        self.labels[block] = Label()
        self.scopes[block] = scope
        if block is self.module.body.blocks[0]:
            return
        pairs: list[tuple[Value, Form]] = []
        for arg in block.args:
            level = self.knowledge.needs.get(arg)
            if level is None:
                continue
            if isinstance(arg.type, MemDesc):
                raise UnsupportedOpError("shared memory as a block's argument cannot be followed by a slice")
            if arg.shape and level == ALL:
                lanes = self.algebra.new_lanes(arg.shape, [size > 1 for size in arg.shape])
                form: Form = self.algebra.held(arg.shape, lanes)
                form = self.algebra.as_mask(form) if is_truth(arg) else form
            else:
                register = self.emitter.register(scope)
                zero = self.algebra.constant(0)
                form = Affine(arg.shape, register, tuple(None if size > 1 else zero for size in arg.shape))
            pairs.append((arg, form))
            self.forms[arg] = form
        self.block_forms[block] = pairs

    def _terminator(self, block: Block) -> list[Instruction | Label]:
        """Return the jumps at a block's end."""
        op = block.ops[-1]
        if op.name == "cf.br":
            target, values = op.successors[0]
            self._pass(target, values)
            return [Instruction(Opcode.JUMP, effect=True, target=self.labels[target])]
        if op.name != "cf.cond_br":
            return [Instruction(Opcode.RETURN, effect=True)]
        other = Label()
        condition = self.algebra.first(self.forms[op.operands[0]])
        code: list[Instruction | Label] = [
            Instruction(Opcode.JUMP_ZERO, a=condition, reads=(condition,), effect=True, target=other)
        ]
        for (target, values), label in zip(op.successors, (None, other), strict=True):
            path = self.emitter.scope.below()
            with self._within(path):
                self._pass(target, values)
            code += [] if label is None else [label]
            code += [*path.code, Instruction(Opcode.JUMP, effect=True, target=self.labels[target])]
        return code

    def _pass(self, target: Block, values: Sequence[Value]) -> None:
        """Emit the copies of values into a block's arguments."""
        wanted = dict(self.block_forms.get(target, []))
        pairs = [(wanted[arg], value) for arg, value in zip(target.args, values, strict=True) if arg in wanted]
        spare: list[tuple[int, int]] = []
        for form, value in pairs:
            source = self.forms[value]
            lanes = joins.held_of(form)
            if lanes:
                self.algebra.copy_lanes(self.algebra.as_affine(source, ALL), lanes[0])
            else:
                register = self.emitter.register()
                self.emitter.move(register, self.algebra.first(self.algebra.as_affine(source, FIRST)))
                assert isinstance(form, Affine)
                spare.append((form.base, register))
        for into, register in spare:
            self.emitter.move(into, register)

    # --- straight-line code and control flow

    @contextmanager
    def _within(self, scope: Scope) -> Iterator[Scope]:
        outer = self.emitter.scope
        self.emitter.scope = scope
        try:
            yield scope
        finally:
            self.emitter.scope = outer

    def _run_block(self, block: Block) -> None:
        for piece in self.cut.pieces[block]:
            if isinstance(piece, Stretch):
                self.emitter.append(Instruction(Opcode.SEGMENT, a=piece.number, effect=True))
                for op in piece.ops:
                    self.emitter.op = op.number
                    self._visit(op)
            elif piece.name == "scf.for":
                self._run_for(piece)
            elif piece.name == "scf.if":
                self._run_if(piece)
            else:
                self._run_while(piece)

    def _level(self, value: Value) -> int:
        return self.knowledge.needs.get(value, 0)

    def _run_for(self, op: Op) -> None:
        emitter, algebra = self.emitter, self.algebra
        start, end, step = (algebra.first(self.forms[value]) for value in op.operands[:3])
        block = op.regions[0].block
        wanted = [at for at, arg in enumerate(block.args[1:]) if self._level(arg)]
        args = [block.args[1 + at] for at in wanted]
        inits = [self.forms[op.operands[3 + at]] for at in wanted]
        again = [block.ops[-1].operands[at] for at in wanted]

        def body() -> None:
            self.forms[block.args[0]] = Affine((), counter)
            self._run_block(block)

        outer = emitter.scope
        counter = -1
        found: list[joins.Join] = [
            joins.begin(algebra, form, self._level(arg)) for form, arg in zip(inits, args, strict=True)
        ]
        for _ in range(_ROUNDS):
            inner = outer.below()
            counter = emitter.register(inner)
            found, is_stable = self._round(inner, args, again, inits, found, body)
            if is_stable:
                break
        joins.assign(algebra, found, inits)
        emitter.move(counter, start)
        top, out = Label(), Label()
        outer.code.append(top)
        emitter.append(Instruction(Opcode.JUMP_GE, a=counter, b=end, reads=(counter, end), effect=True, target=out))
        with self._within(inner):
            joins.assign(algebra, found, [self.forms[value] for value in again])
            wrap = wrap_of(block.args[0])
            emitter.append(Instruction(Opcode.ADD, counter, counter, step, 0, wrap, (counter, step)))
            emitter.append(Instruction(Opcode.JUMP, effect=True, target=top))
        outer.code += [*inner.code, out]
        for at, join in zip(wanted, found, strict=True):
            self.forms[op.results[at]] = self._after(join)

    def _round(
        self, inner: Scope, args: Sequence[Value], again: Sequence[Value], inits: Sequence[Form],
        found: list[joins.Join], body: Callable[[], None],
    ) -> tuple[list[joins.Join], bool]:  # fmt: skip
        """Build a loop's body once; return the joins that it asks for, and whether they are those it was built with."""
        for join in found:
            join.own = [self.emitter.register(inner) if own >= 0 else -1 for own in join.own]
            join.form = joins.with_own(join)
        for arg, join in zip(args, found, strict=True):
            self.forms[arg] = join.form
        with self._within(inner):
            body()
            results = [
                joins.widen(self.algebra, join, self.forms[value], init, inner)
                for join, value, init in zip(found, again, inits, strict=True)
            ]
        changed = any(differs for _, differs in results)
        return ([join for join, _ in results] if changed else found), not changed

    def _after(self, join: joins.Join) -> Form:
        """Return a joined value as it is behind the loop or the branches."""
        return joins.settled(self.algebra, join.form, self.emitter.scope)

    def _run_if(self, op: Op) -> None:
        emitter, algebra = self.emitter, self.algebra
        condition = algebra.first(self.forms[op.operands[0]])
        outer = emitter.scope
        wanted = [at for at, value in enumerate(op.results) if self._level(value)]
        scopes, given = [], []
        for region in op.regions:
            scope = outer.below()
            with self._within(scope):
                self._run_block(region.block)
            scopes.append(scope)
            given.append([self.forms[region.block.ops[-1].operands[at]] for at in wanted])
        found: list[joins.Join] = []
        for position, at in enumerate(wanted):
            forms = [branch[position] for branch in given]
            found.append(joins.meet(algebra, forms, self._level(op.results[at]), scopes, outer))
        for scope, forms in zip(scopes, given, strict=True):
            with self._within(scope):
                joins.assign(algebra, found, forms)
        other, out = Label(), Label()
        emitter.append(Instruction(Opcode.JUMP_ZERO, a=condition, reads=(condition,), effect=True, target=other))
        outer.code += scopes[0].code
        if len(scopes) > 1:
            emitter.append(Instruction(Opcode.JUMP, effect=True, target=out))
        outer.code.append(other)
        if len(scopes) > 1:
            outer.code += [*scopes[1].code, out]
        for at, join in zip(wanted, found, strict=True):
            self.forms[op.results[at]] = join.form

    def _run_while(self, op: Op) -> None:
        emitter, algebra = self.emitter, self.algebra
        before, after = op.regions[0].block, op.regions[1].block
        wanted = [at for at, arg in enumerate(before.args) if self._level(arg)]
        args = [before.args[at] for at in wanted]
        inits = [self.forms[op.operands[at]] for at in wanted]
        again = [after.ops[-1].operands[at] for at in wanted]
        condition = before.ops[-1]
        passed = [at for at, arg in enumerate(after.args) if self._level(arg)]
        outer = emitter.scope
        parts: list[Scope] = []

        def body() -> None:
            self._run_block(before)
            parts[:] = [emitter.scope.below()]
            for at in passed:
                self.forms[after.args[at]] = self.forms[condition.operands[1 + at]]
            with self._within(parts[0]):
                self._run_block(after)

        found = [joins.begin(algebra, form, self._level(arg)) for form, arg in zip(inits, args, strict=True)]
        for _ in range(_ROUNDS):
            inner = outer.below()
            found, is_stable = self._round(inner, args, again, inits, found, body)
            if is_stable:
                break
        joins.assign(algebra, found, inits)
        top, out = Label(), Label()
        with self._within(inner):
            gate = algebra.first(self.forms[condition.operands[0]])
            emitter.append(Instruction(Opcode.JUMP_ZERO, a=gate, reads=(gate,), effect=True, target=out))
        with self._within(parts[0]):
            joins.assign(algebra, found, [self.forms[value] for value in again])
            emitter.append(Instruction(Opcode.JUMP, effect=True, target=top))
        outer.code += [top, *inner.code, *parts[0].code, out]
        for at in passed:
            form = self.forms[condition.operands[1 + at]]
            self.forms[op.results[at]] = joins.settled(algebra, form, outer)

    # --- ops

    def _visit(self, op: Op) -> None:
        """Emit one op, if the trace or what is needed asks for it."""
        if op.name in ACCESS_OPS:
            self._access(op)
            return
        level = max((self._level(value) for value in op.results), default=0)
        if op.name == "ttg.local_store":
            into = self.forms.get(op.operands[1])
            if into is not None and self._level(op.operands[0]):
                assert isinstance(into, Shared)
                self.accesses.put(into, self.forms[op.operands[0]])
            return
        if not level:
            return
        if op.name in ("tt.get_program_id", "tt.get_num_programs"):
            axis = op.attrs["axis"]
            assert isinstance(axis, int)
            self.forms[op.result] = Affine((), (self.ids if op.name == "tt.get_program_id" else self.grid)[axis])
        elif op.name.startswith("ttg.") and op.name != "ttg.convert_layout":
            self._shared(op, level)
        elif op.name in ("tt.split", "tt.join", "tt.cat"):
            operands = [self.forms[value] for value in op.operands]
            for value, form in zip(op.results, self.elementwise.visit_many(op, operands), strict=True):
                self.forms[value] = form
        elif not op.name.startswith(("cf.", "scf.")) and op.results:
            operands = [self.forms[value] for value in op.operands]
            self.forms[op.result] = self.elementwise.visit(op, operands, level)

    def _shared(self, op: Op, level: int) -> None:
        if op.name == "ttg.local_alloc":
            kind = op.result.type
            assert isinstance(kind, MemDesc)
            made = self.accesses.allocated(kind, level)
            self.forms[op.result] = made
            if op.operands:
                self.accesses.put(made, self.forms[op.operands[0]])
        elif op.name == "ttg.memdesc_index":
            whole = self.forms[op.operands[0]]
            assert isinstance(whole, Shared)
            self.forms[op.result] = self.accesses.indexed(whole, self.algebra.first(self.forms[op.operands[1]]))
        elif op.name == "ttg.local_load":
            source = self.forms[op.operands[0]]
            assert isinstance(source, Shared)
            self.forms[op.result] = self.accesses.fetched(op, source)
        else:
            raise UnsupportedOpError(
                f"line {op.line}: op {op.name} of integers that decide an address cannot be timed from a slice",
                {"op": op.name},
            )

    def _access(self, op: Op) -> None:
        pointer = self.algebra.as_affine(self.forms[op.operands[0]], FIRST)
        mask = self.accesses.mask(op, self.forms)
        self.accesses.trace(self.cut.access_numbers[op], op, pointer, mask)
        if op.name == "tt.load":
            level = self._level(op.result)
            if level:
                at = 2 if op.attrs.get("mask") else 1
                other = self.forms[op.operands[at]] if op.attrs.get("other") else None
                self.forms[op.result] = self.accesses.loaded(op, pointer, mask, other, level)
        elif op.name == "ttg.async_copy_global_to_local":
            into = self.forms.get(op.operands[1])
            if into is not None and self._level(op.operands[1]):
                assert isinstance(into, Shared)
                level = FIRST if into.first_only else ALL
                at = 3 if op.attrs.get("mask") else 2
                other = self.forms[op.operands[at]] if op.attrs.get("other") else None
                self.accesses.put(into, self.accesses.loaded(op, pointer, mask, other, level))
        elif op in self.knowledge.runs:
            values = [self.forms[value] for value in written_by(op)]
            if op.name in ATOMIC_OPS and op.name != "tt.atomic_store":
                old = self.accesses.atomic(op, pointer, mask, values)
                if old is not None and self._level(op.result):
                    self.forms[op.result] = old
            else:
                self.accesses.stored(op, pointer, mask, values[0])
        elif not _points_to_floats(op.operands[0]):
            self.accesses.tainted(pointer)


def _points_to_floats(pointer: Value) -> bool:
    element = element_of(pointer)
    return isinstance(element, Pointer) and "f" in element.pointee
