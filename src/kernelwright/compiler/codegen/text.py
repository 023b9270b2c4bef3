"""LLVM IR as text: blocks, a function under construction, and loop levels.

Mutable state lives in allocas, never in phis: LLVM's SROA makes registers of them, and a block can
be split after code that branches to it was written.

Code is written at a *level*: level 0 is the current straight-line place of the program, level n the
body of the n-th loop around the place being written. A value knows its level, and an instruction
goes to the highest level among its operands, so what does not change in a loop is outside it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kernelwright.compiler.codegen.journal import Journal
from kernelwright.compiler.limits import MAX_LLVM_VALUES, check_values

LLVM_TYPES = {
    "i1": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64",
    "f16": "half", "bf16": "bfloat", "f32": "float", "f64": "double", "ptr": "ptr",
    "f8e4m3fn": "i8", "f8e5m2": "i8", "f8e4m3fnuz": "i8", "f8e5m2fnuz": "i8",
}  # fmt: skip

ELEMENT_BITS = {
    "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64,
    "ptr": 64, "f8e4m3fn": 8, "f8e5m2": 8, "f8e4m3fnuz": 8, "f8e5m2fnuz": 8,
}  # fmt: skip


def llvm_type(element: str, lanes: int) -> str:
    """Return the LLVM type of `lanes` elements, of one scalar when `lanes` is 0."""
    base = LLVM_TYPES[element]
    return f"<{lanes} x {base}>" if lanes else base


@dataclass(frozen=True, slots=True)
class Reg:
    """An LLVM operand: a scalar (`lanes` 0) or a vector; `text` is a register or a literal."""

    element: str
    lanes: int
    text: str
    level: int = 0

    @property
    def type(self) -> str:
        """Return the LLVM type."""
        return llvm_type(self.element, self.lanes)

    @property
    def typed(self) -> str:
        """Return type and operand, as call arguments need them."""
        return f"{self.type} {self.text}"

    @property
    def constant(self) -> int | None:
        """Return the value of a literal integer scalar, else None."""
        text = self.text
        if self.lanes == 0 and (text.isdigit() or (text[0] == "-" and text[1:].isdigit())):
            return int(text)
        return None


def literal(element: str, value: int) -> Reg:
    """Return an integer literal."""
    return Reg(element, 0, str(value))


@dataclass(eq=False)
class TextBlock:
    """A basic block; `end` is its terminator, written last."""

    name: str
    lines: list[str] = field(default_factory=list)
    end: str | None = None


class FunctionText:
    """One LLVM function being written."""

    def __init__(self, header: str) -> None:
        self.header = header
        self.journal = Journal()
        self.allocas: list[str] = []
        self.declares: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.blocks: list[TextBlock] = []
        self._names = 0
        self.places: list[TextBlock] = [self.new_block("start")]

    def new_name(self, hint: str = "v") -> str:
        """Return a fresh register name."""
        self._names += 1
        if self._names > MAX_LLVM_VALUES:
            check_values(self._names)
        return f"%{hint}{self._names}"

    def new_block(self, hint: str) -> TextBlock:
        """Append an empty block; nothing jumps to it yet."""
        self._names += 1
        block = TextBlock(f"{hint}{self._names}")
        self.blocks.append(block)
        return block

    @property
    def depth(self) -> int:
        """Return the innermost level."""
        return len(self.places) - 1

    def line(self, text: str, level: int | None = None) -> None:
        """Write one instruction without result, at the innermost level unless told."""
        self.places[self.depth if level is None else level].lines.append(text)

    def emit(self, element: str, lanes: int, text: str, level: int) -> Reg:
        """Write one instruction with a result and return it."""
        name = self.new_name()
        self.places[level].lines.append(f"{name} = {text}")
        self.types[name] = llvm_type(element, lanes)
        return Reg(element, lanes, name, level)

    def prologue(self, name: str, type_text: str, text: str) -> None:
        """Define `name` in the entry block."""
        self.allocas.append(f"{name} = {text}")
        self.types[name] = type_text

    def alloca(self, type_text: str, hint: str = "slot") -> str:
        """Return a stack slot in the entry block, which SROA turns into a register."""
        name = self.new_name(hint)
        self.prologue(name, "ptr", f"alloca {type_text}, align 64")
        return name

    def declare(self, name: str, signature: str) -> str:
        """Declare an outside function once; returns its name."""
        self.declares[name] = signature
        return name

    def constant(self, hint: str, content: str) -> str:
        """Return the name of a constant of the module with this type and value; equal content is one constant."""
        key = f"{hint} {content}"
        if key not in self.globals:
            number = sum(known.startswith(f"{hint} ") for known in self.globals)
            self.globals[key] = f"@kw_{hint}{number} = internal constant {content}"
        return self.globals[key].split(" ", 1)[0]

    def jump(self, target: TextBlock) -> None:
        """End the current block of the innermost level with a jump and continue in `target`."""
        self.places[-1].end = f"br label %{target.name}"
        self.places[-1] = target

    def branch(self, condition: Reg, yes: TextBlock, no: TextBlock) -> None:
        """End the current block of the innermost level with a branch; the caller sets the place."""
        self.places[-1].end = f"br i1 {condition.text}, label %{yes.name}, label %{no.name}"

    def split(self, level: int, condition: Reg, otherwise: TextBlock) -> None:
        """Go on only if `condition` holds, else jump to `otherwise`; works behind written code too."""
        block = self.places[level]
        rest = self.new_block("ok")
        rest.end = block.end
        block.end = f"br i1 {condition.text}, label %{rest.name}, label %{otherwise.name}"
        self.places[level] = rest

    @contextmanager
    def loop(self, start: int, stop: int | Reg, step: int) -> Iterator[Reg]:
        """Write a counted loop around the code of the with-body, which runs at least once.

        Yields the i64 index, one level deeper; a single round is no loop and yields a literal.
        """
        if isinstance(stop, int) and start + step >= stop:
            yield Reg("i64", 0, str(start), self.depth)
            return
        slot = self.alloca("i64", "i")
        self.line(f"store i64 {start}, ptr {slot}")
        body = self.new_block("loop")
        self.places[-1].end = f"br label %{body.name}"
        self.places.append(body)
        index = self.emit("i64", 0, f"load i64, ptr {slot}", self.depth)
        yield index
        following = self.emit("i64", 0, f"add nuw nsw i64 {index.text}, {step}", self.depth)
        self.line(f"store i64 {following.text}, ptr {slot}")
        again = self.emit("i1", 0, f"icmp ult i64 {following.text}, {getattr(stop, 'text', stop)}", self.depth)
        after = self.new_block("after")
        self.places[-1].end = f"br i1 {again.text}, label %{body.name}, label %{after.name}"
        self.places.pop()
        self.places[-1] = after

    @contextmanager
    def outlined(self) -> Iterator[None]:
        """Write the code of the with-body, which gives no values back, as a function of its own.

        Equal code gives one function: loops of the same shape are compiled once, which is most of
        what compiling costs. Code that can leave the program (a fault) stays in place.
        """
        outer = (self.allocas, self.blocks, self.places)
        self.allocas, self.blocks, self.places = [], [], []
        self.places = [self.new_block("start")]
        yield
        allocas, blocks, last = self.allocas, self.blocks, self.places[-1]
        self.allocas, self.blocks, self.places = outer
        if any(block.end is not None and block.end.startswith("ret") for block in blocks):
            self.allocas += allocas
            self.blocks += blocks
            self.places[-1].end = f"br label %{blocks[0].name}"
            self.places[-1] = last
            return
        last.end = "ret void"
        text = _render_blocks(allocas, blocks)
        renamed: dict[str, str] = {}
        body = _NAME.sub(lambda match: renamed.setdefault(match[0], f"%n{len(renamed)}"), text)
        # Labels are written without the sign that uses of them carry.
        body = _LABEL.sub(lambda match: renamed.setdefault(f"%{match[1]}", f"%n{len(renamed)}")[1:] + ":", body)
        defined = set(_DEFINED.findall(text)) | {f"%{block.name}" for block in blocks} | {"%entry"}
        free = [name for name in renamed if name not in defined]
        parameters = ", ".join(f"{self.types[name]} {renamed[name]}" for name in free)
        name = self.functions.setdefault(f"({parameters}) {{\n{body}\n}}", f"kw_part{len(self.functions)}")
        self.line(f"call void @{name}({', '.join(f'{self.types[n]} {n}' for n in free)})")

    def render_parts(self) -> str:
        """Return the text of the outlined functions."""
        return "\n".join(f"define internal void @{name}{text}" for text, name in self.functions.items())

    def render(self) -> str:
        """Return the text of the whole function."""
        return self.header + " {\n" + _render_blocks(self.allocas, self.blocks) + "\n}"


_NAME = re.compile(r"%[A-Za-z_]\w*")
_LABEL = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)
_DEFINED = re.compile(r"^  (%[A-Za-z_]\w*) =", re.MULTILINE)


def _render_blocks(allocas: list[str], blocks: list[TextBlock]) -> str:
    out = ["entry:"]
    out += [f"  {text}" for text in allocas]
    out.append(f"  br label %{blocks[0].name}")
    for block in blocks:
        if block.end is None and not block.lines:
            out.append(f"{block.name}:\n  unreachable")
            continue
        if block.end is None:
            raise AssertionError(f"block {block.name} has no end")
        out.append(f"{block.name}:")
        out += [f"  {text}" for text in block.lines]
        out.append(f"  {block.end}")
    return "\n".join(out)
