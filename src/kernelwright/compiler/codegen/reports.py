"""What a kernel tells its user: `tl.device_print` by way of the C library, `tl.device_assert` by ending the launch."""

from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name, is_float
from kernelwright.compiler.codegen.lowering import Lowering
from kernelwright.compiler.codegen.nests import Offsets, PlainRoot
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg
from kernelwright.compiler.codegen.values import Index
from kernelwright.compiler.ir import Function, Op, Value, walk

ASSERT_KIND = 3


def has_asserts(function: Function) -> bool:
    """Return whether a launch of `function` can end with a failed assertion."""
    return any(op.name == "tt.assert" for op in walk(function.body))


@dataclass(eq=False)
class Print(PlainRoot):
    """One operand of a `tt.print`, a line for each element."""

    op: Op
    value: Value
    number: int

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Print one element."""
        element = element_name(self.value)
        verb, reg = self._argument(e, e.reg(self.value, index), element)
        places = ", ".join("%3lld" for _ in index)
        operand = f"(operand {self.number}) " if len(self.op.operands) > 1 else ""
        message = str(self.op.attrs["message"]).replace("%", "%%")
        text = f"pid (%lld, %lld, %lld) idx ({places}){message}{operand}{verb}\n"
        arguments = ["i64 %px", "i64 %py", "i64 %pz", *(cast(Reg, item).typed for item in index), reg.typed]
        _call_printf(e, text, arguments)

    def _argument(self, e: Evaluator, reg: Reg, element: str) -> tuple[str, Reg]:
        """Return the verb of the format and the value as C passes it."""
        if element == "ptr":
            return "%p", reg
        if is_float(element):
            wide = reg if element == "f64" else e.k.convert("fpext", e.k.cast_float(reg, "f32"), "f64")
            return "%f", wide
        signs = cast(tuple[int, ...], self.op.attrs["isSigned"])
        is_signed = bool(signs[self.number]) and element != "i1"
        if element != "i64":
            reg = e.k.convert("sext" if is_signed and not self.op.attrs["hex"] else "zext", reg, "i64")
        if self.op.attrs["hex"]:
            return f"0x%0{max(1, ELEMENT_BITS[element] // 4)}llx", reg
        return ("%lld" if is_signed else "%llu"), reg


def _call_printf(e: Evaluator, text: str, arguments: list[str]) -> None:
    data = text.encode() + b"\0"
    shown = "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:02X}" for byte in data)
    name = e.f.constant("text", f'[{len(data)} x i8] c"{shown}"')
    e.f.declare("printf", "declare i32 @printf(ptr, ...)")
    e.f.line(f"call i32 (ptr, ...) @printf({', '.join([f'ptr {name}', *arguments])})")


@dataclass(eq=False)
class Assert(PlainRoot):
    """A `tt.assert`: the launch ends where the condition does not hold."""

    op: Op

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Test one chunk."""
        condition = e.reg(self.op.operands[0], index)
        if condition.lanes:
            name = f"llvm.vector.reduce.and.v{condition.lanes}i1"
            e.f.declare(name, f"declare i1 @{name}({condition.type})")
            condition = e.k.call_exact(name, "i1", 0, condition)
        number = e.op_numbers.setdefault(self.op, len(e.op_numbers) + 1)
        zero = Reg("i64", 0, "0")
        e.f.split(condition.level, condition, e.memory.report(ASSERT_KIND, zero, zero, number))


def add_reports(lowering: Lowering, is_heard: bool) -> None:
    """Teach `lowering` prints and assertions; where nobody hears them they are left out."""

    def write_print(op: Op) -> None:
        if not is_heard:
            return
        e = lowering.e
        if not op.operands:
            _call_printf(e, "pid (%lld, %lld, %lld) idx ()" + str(op.attrs["message"]).replace("%", "%%") + "\n",
                         ["i64 %px", "i64 %py", "i64 %pz"])  # fmt: skip
        for number, value in enumerate(op.operands):
            root = Print(op, value, number)
            if value.shape:
                last = len(value.shape) - 1
                lowering.write_rounds(value.shape, last, last, root, op)
            else:
                e.forget()
                root.visit(e, (), {})
        e.f.declare("fflush", "declare i32 @fflush(ptr)")
        e.f.line("call i32 @fflush(ptr null)")

    def write_assert(op: Op) -> None:
        if not is_heard:
            return
        condition = op.operands[0]
        if condition.shape:
            lowering.write_alone(Assert(op), op)
        else:
            lowering.e.forget()
            Assert(op).visit(lowering.e, (), {})

    lowering.handlers |= {"tt.print": write_print, "tt.assert": write_assert}
