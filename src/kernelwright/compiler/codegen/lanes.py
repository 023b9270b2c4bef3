"""Vectors and scalars as LLVM instructions: splats, shuffles, casts, and how values combine."""

from kernelwright.compiler.codegen.text import FunctionText, Reg, llvm_type
from kernelwright.compiler.features import HostFeatures


class Lanes:
    """Writes instructions on scalars and vectors; operands of different shape are splat together."""

    def __init__(self, function: FunctionText, features: HostFeatures) -> None:
        self.f = function
        self.features = features

    # --- shapes

    def splat(self, value: Reg, lanes: int) -> Reg:
        """Return a vector of `lanes` copies of a scalar; a vector passes through."""
        if value.lanes == lanes:
            return value
        if value.text == "zeroinitializer":
            return Reg(value.element, lanes, "zeroinitializer")
        vector = llvm_type(value.element, lanes)
        if not value.text.startswith("%"):
            return Reg(value.element, lanes, f"splat ({value.typed})", 0)
        one = self.f.emit(value.element, lanes, f"insertelement {vector} poison, {value.typed}, i64 0", value.level)
        return self.f.emit(
            value.element,
            lanes,
            f"shufflevector {vector} {one.text}, {vector} poison, <{lanes} x i32> zeroinitializer",
            value.level,
        )

    def together(self, *values: Reg) -> tuple[Reg, ...]:
        """Return the values splat to the widest shape among them."""
        lanes = max(value.lanes for value in values)
        return tuple(self.splat(value, lanes) for value in values) if lanes else values

    def iota(self, element: str, lanes: int, step: int = 1) -> Reg:
        """Return the vector 0, step, 2 step, ..."""
        items = ", ".join(f"{llvm_type(element, 0)} {i * step}" for i in range(lanes))
        return Reg(element, lanes, f"<{items}>")

    def shuffle(self, a: Reg, b: Reg, picks: list[int]) -> Reg:
        """Return the elements `picks` of a followed by b."""
        mask = ", ".join(f"i32 {pick}" for pick in picks)
        text = f"shufflevector {a.typed}, {b.typed}, <{len(picks)} x i32> <{mask}>"
        return self.f.emit(a.element, len(picks), text, max(a.level, b.level))

    def concat(self, a: Reg, b: Reg) -> Reg:
        """Return the elements of a followed by those of b."""
        return self.shuffle(a, b, list(range(2 * a.lanes)))

    def part(self, a: Reg, start: int, count: int) -> Reg:
        """Return `count` elements of a from `start`."""
        return self.shuffle(a, a, list(range(start, start + count)))

    def extract(self, a: Reg, index: int) -> Reg:
        """Return one element as a scalar."""
        return self.f.emit(a.element, 0, f"extractelement {a.typed}, i64 {index}", a.level)

    def insert(self, a: Reg, value: Reg, index: int) -> Reg:
        """Return a with element `index` replaced."""
        text = f"insertelement {a.typed}, {value.typed}, i64 {index}"
        return self.f.emit(a.element, a.lanes, text, max(a.level, value.level))

    # --- instructions

    def op(self, text: str, *values: Reg, element: str = "") -> Reg:
        """Return `text type a, b, ...` on values brought to one shape."""
        values = self.together(*values)
        operands = ", ".join(value.text for value in values)
        first = values[0]
        level = max(value.level for value in values)
        return self.f.emit(element or first.element, first.lanes, f"{text} {first.type} {operands}", level)

    def select(self, condition: Reg, yes: Reg, no: Reg) -> Reg:
        """Return yes where condition holds, else no."""
        yes, no = self.together(yes, no)
        if condition.lanes and not yes.lanes:
            yes, no = self.splat(yes, condition.lanes), self.splat(no, condition.lanes)
        level = max(condition.level, yes.level, no.level)
        return self.f.emit(yes.element, yes.lanes, f"select {condition.typed}, {yes.typed}, {no.typed}", level)

    def call(self, name: str, *values: Reg, element: str = "") -> Reg:
        """Return an elementwise LLVM intrinsic `llvm.NAME.TYPE` of values of one type."""
        values = self.together(*values)
        first = values[0]
        suffix = f"v{first.lanes}{first.element}" if first.lanes else first.element
        full = f"llvm.{name}.{suffix}"
        result = llvm_type(element or first.element, first.lanes)
        self.f.declare(full, f"declare {result} @{full}({', '.join(v.type for v in values)})")
        return self.call_exact(full, element or first.element, first.lanes, *values)

    def call_exact(self, name: str, element: str, lanes: int, *values: Reg) -> Reg:
        """Return a call of a declared function with exactly these operands."""
        arguments = ", ".join(value.typed for value in values)
        level = max((value.level for value in values), default=0)
        return self.f.emit(element, lanes, f"call {llvm_type(element, lanes)} @{name}({arguments})", level)

    def bitcast(self, value: Reg, element: str, lanes: int) -> Reg:
        """Return the same bits as another type."""
        if value.element == element and value.lanes == lanes:
            return value
        if value.type == llvm_type(element, lanes):
            return Reg(element, lanes, value.text, value.level)
        return self.f.emit(element, lanes, f"bitcast {value.typed} to {llvm_type(element, lanes)}", value.level)

    def convert(self, text: str, value: Reg, element: str) -> Reg:
        """Return an LLVM cast instruction such as sext, trunc, fpext."""
        return self.f.emit(
            element, value.lanes, f"{text} {value.typed} to {llvm_type(element, value.lanes)}", value.level
        )

    def compare(self, text: str, a: Reg, b: Reg) -> Reg:
        """Return the i1 of an icmp or fcmp."""
        return self.op(text, a, b, element="i1")
