"""Instructions in the making: registers, constants, common subexpressions, and work moved out of loops."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernelwright.chips.emulated.slicing.arithmetic import combined
from kernelwright.chips.emulated.slicing.opcodes import Opcode


@dataclass(eq=False, slots=True)
class Label:
    """A place in the code that jumps go to."""


@dataclass(eq=False, slots=True)
class Instruction:
    """One instruction with what it reads; `effect` says that it must stay though nothing reads its result.

    `reads` are registers, `lanes_read` and `lanes_written` blocks of the arena. `op` is the number of the kernel's op.
    """

    code: Opcode
    dst: int = -1
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    reads: tuple[int, ...] = ()
    lanes_read: tuple[int, ...] = ()
    lanes_written: int = -1
    effect: bool = False
    target: Label | None = None
    op: int = -1


@dataclass(eq=False, slots=True)
class Scope:
    """Code that runs together; what it makes can be read in it and in scopes below it.

    A block's scope lies below that of the block that dominates it, a loop's body below what holds the loop.
    """

    parent: "Scope | None"
    depth: int = 0
    code: list[Instruction | Label] = field(default_factory=list)

    def below(self) -> "Scope":
        """Return a new scope below this one."""
        return Scope(self, self.depth + 1)

    def is_within(self, other: "Scope") -> bool:
        """Return whether `other` is this scope or above it."""
        scope: Scope | None = self
        while scope is not None and scope.depth > other.depth:
            scope = scope.parent
        return scope is other


_Key = tuple[int, ...]


class Emitter:
    """Appends instructions. Pure ones go to the outermost scope that knows their operands, and only once."""

    def __init__(self) -> None:
        self.launch = Scope(None)
        self.scope = self.launch
        self.op = -1
        self.integers: list[int] = []
        self.floats: list[float] = []
        self.tables: list[int] = []
        self.arena = 0
        self.arena_values: dict[int, int] = {}
        self._homes: list[Scope] = []
        self._constants: dict[int, int] = {}
        self._float_constants: dict[float, int] = {}
        self._values: dict[int, int] = {}
        self._truths: set[int] = set()
        self._differences: dict[int, tuple[int, int]] = {}
        self._pure: dict[_Key, int] = {}
        self._scoped: dict[_Key, list[tuple[Scope, int]]] = {}

    # --- registers

    def register(self, home: Scope | None = None) -> int:
        """Return a new register that is known in `home` (None: the current scope) and below."""
        self.integers.append(0)
        self.floats.append(0.0)
        self._homes.append(home or self.scope)
        return len(self.integers) - 1

    def constant(self, value: int) -> int:
        """Return the register that holds `value`."""
        found = self._constants.get(value)
        if found is None:
            found = self._constants[value] = self.register(self.launch)
            self.integers[found] = _signed(value)
            self._values[found] = value
            if value in (0, 1):
                self._truths.add(found)
        return found

    def float_constant(self, value: float) -> int:
        """Return the register that holds a float."""
        found = self._float_constants.get(value)
        if found is None:
            found = self._float_constants[value] = self.register(self.launch)
            self.floats[found] = value
        return found

    def value(self, register: int) -> int | None:
        """Return the constant that a register holds, None when it is not one."""
        return self._values.get(register)

    def home(self, register: int) -> Scope:
        """Return the scope that knows a register."""
        return self._homes[register]

    # --- instructions

    def append(self, instruction: Instruction) -> None:
        """Append to the current scope."""
        instruction.op = self.op
        self.scope.code.append(instruction)

    def pure(self, code: Opcode, a: int, b: int = -1, c: int = -1, wrap: int = 0) -> int:
        """Return the register of an operation on registers; `wrap` is 64 minus the width of its result."""
        operands = tuple(r for r in (a, b, c) if r >= 0)
        simple = self._simplified(code, a, b, c, wrap)
        if simple is not None:
            return simple
        if code in _COMMUTES and b < a:
            a, b = b, a
        key = (code, a, b, c, wrap)
        found = self._pure.get(key)
        if found is None:
            home = max((self._homes[r] for r in operands), key=lambda scope: scope.depth)
            found = self._pure[key] = self.register(home)
            home.code.append(Instruction(code, found, a, max(b, 0), max(c, 0), wrap, operands, op=self.op))
            if code in _RELATIONS or (code in _TRUTHFUL and {a, b} <= self._truths):
                self._truths.add(found)
            if code is Opcode.SUB and wrap == 0:
                self._differences[found] = (a, b)
        return found

    def compare_floats(self, relation: int, a: int, b: int) -> int:
        """Return the register of a comparison of floats."""
        key = (Opcode.FCMP, a, b, relation)
        found = self._pure.get(key)
        if found is None:
            home = max((self._homes[a], self._homes[b]), key=lambda scope: scope.depth)
            found = self._pure[key] = self.register(home)
            home.code.append(Instruction(Opcode.FCMP, found, a, b, relation, reads=(a, b), op=self.op))
        return found

    def query(self, code: Opcode, table: Sequence[int], reads: tuple[int, ...], lanes: tuple[int, ...]) -> int:
        """Return the register of a question about lanes, asked in the current scope unless it was asked above."""
        key = (code, *table)
        # Lanes are rewritten in place, so an answer that reads them holds only where it was asked.
        for scope, register in self._scoped.get(key, []) if not lanes else []:
            if self.scope.is_within(scope):
                return register
        register = self.register()
        self._scoped.setdefault(key, []).append((self.scope, register))
        self.append(Instruction(code, register, self.table(table), reads=reads, lanes_read=lanes))
        return register

    def table(self, entries: Sequence[int]) -> int:
        """Return the place of `entries` in the tables."""
        place = len(self.tables)
        self.tables.extend(entries)
        return place

    def lanes(self, count: int, values: Sequence[int] = ()) -> int:
        """Return the start of `count` lanes of the arena; `values` are what they hold before a program starts."""
        start = self.arena
        self.arena += count
        for at, value in enumerate(values):
            self.arena_values[start + at] = value
        return start

    def move(self, dst: int, src: int) -> None:
        """Copy a register, of either file."""
        self.append(Instruction(Opcode.TRANSFER, dst, src, reads=(src,)))

    def _simplified(self, code: Opcode, a: int, b: int, c: int, wrap: int) -> int | None:
        """Return the register of the result where it is an operand or a constant."""
        if code > Opcode.ABS:
            return None
        x, y = self._values.get(a), self._values.get(b)
        z = self._values.get(c)
        if code is Opcode.SELECT:
            if x is not None:
                return b if x else c
            return b if b == c else None
        if x is not None and (b < 0 or y is not None) and (c < 0 or z is not None):
            folded = _fold(code, x, y or 0, wrap)
            if folded is not None:
                return self.constant(folded)
        if code in _ZERO_RIGHT and y == 0:
            return a
        if code in _ZERO_LEFT and x == 0:
            return b
        if code in _ONE_RIGHT and y == 1:
            return a
        if code is Opcode.MUL and x == 1:
            return b
        if (code is Opcode.MUL or code is Opcode.AND) and (x == 0 or y == 0):
            return self.constant(0)
        if code is Opcode.AND and y == 1 and a in self._truths:
            return a
        if code is Opcode.AND and x == 1 and b in self._truths:
            return b
        if code in _SAME and a == b:
            return a
        if wrap == 0:
            return self._of_difference(code, a, b)
        return self.constant(0) if code is Opcode.SUB and a == b else None

    def _of_difference(self, code: Opcode, a: int, b: int) -> int | None:
        """Return 0 - (x - y) as y - x, and (x - y) + y as x."""
        if code is Opcode.SUB and b in self._differences and self._values.get(a) == 0:
            x, y = self._differences[b]
            return self.pure(Opcode.SUB, y, x)
        if code is Opcode.ADD:
            for one, other in ((a, b), (b, a)):
                if one in self._differences and self._differences[one][1] == other:
                    return self._differences[one][0]
        if code is Opcode.SUB and a == b:
            return self.constant(0)
        return None


_COMMUTES = {Opcode.ADD, Opcode.MUL, Opcode.AND, Opcode.OR, Opcode.XOR, Opcode.MIN, Opcode.MAX, Opcode.EQ, Opcode.NE}
_ZERO_RIGHT = {Opcode.ADD, Opcode.SUB, Opcode.OR, Opcode.XOR, Opcode.SHL, Opcode.SHR}
_ZERO_LEFT = {Opcode.ADD, Opcode.OR, Opcode.XOR}
_ONE_RIGHT = {Opcode.MUL, Opcode.DIV, Opcode.FLOORDIV, Opcode.CEILDIV}
_RELATIONS = {
    Opcode.EQ, Opcode.NE, Opcode.LT, Opcode.LE, Opcode.GT, Opcode.GE, Opcode.ULT, Opcode.ULE, Opcode.UGT, Opcode.UGE,
}  # fmt: skip
_TRUTHFUL = {Opcode.AND, Opcode.OR, Opcode.XOR}
_SAME = {Opcode.AND, Opcode.OR, Opcode.MIN, Opcode.MAX}
_UNSIGNED = {
    Opcode.ULT, Opcode.ULE, Opcode.UGT, Opcode.UGE, Opcode.UMIN, Opcode.UMAX, Opcode.UDIV, Opcode.UREM, Opcode.USHR,
    Opcode.UMULHI, Opcode.ZEXT,
}  # fmt: skip


def _fold(code: Opcode, x: int, y: int, wrap: int) -> int | None:
    """Return the result on constants, None where only the machine knows it."""
    if code in _UNSIGNED or (code in (Opcode.SHL, Opcode.SHR) and not 0 <= y < 64):
        return None
    return _signed(combined(int(code), x, y, 0, wrap))


def _signed(value: int) -> int:
    """Return the 64-bit two's complement reading of `value`."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
