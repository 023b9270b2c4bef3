"""Vectors and scalars as LLVM instructions: splats, shuffles, casts, and how values combine.

Half-width and 8-bit floats are computed in f32 and rounded to nearest even once per operation.
"""

import math
import struct

from kernelwright.compiler.codegen.text import ELEMENT_BITS, FunctionText, Reg, llvm_type
from kernelwright.compiler.features import HostFeatures

NARROW_FLOATS = ("f16", "bf16", "f8e4m3fn", "f8e5m2")
FLOATS = (*NARROW_FLOATS, "f32", "f64")


def float_literal(element: str, value: float) -> str:
    """Return the LLVM literal of a float: hexadecimal bits, so no digit is lost."""
    if element == "f16":
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if element == "bf16":
        bits = struct.unpack("<I", struct.pack("<f", value))[0]
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 if not math.isnan(value) else bits >> 16 | 0x40
        return f"0xR{rounded & 0xFFFF:04X}"
    if element == "f32":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


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

    def constant(self, element: str, value: float | int) -> Reg:
        """Return a scalar literal."""
        if element in ("f8e4m3fn", "f8e5m2"):
            return self.cast_float(self.constant("f32", value), element)
        if element in FLOATS:
            return Reg(element, 0, float_literal(element, float(value)))
        if element == "ptr":
            return Reg(element, 0, "null")
        if element == "i1":
            return Reg(element, 0, "true" if value else "false")
        return Reg(element, 0, str(int(value)))

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

    # --- floats

    def wide(self, value: Reg) -> Reg:
        """Return a narrow float as f32, others unchanged."""
        return self.cast_float(value, "f32") if value.element in NARROW_FLOATS else value

    def cast_float(self, value: Reg, element: str) -> Reg:
        """Return `value` as another float type, rounded to nearest even."""
        source = value.element
        if source == element:
            return value
        if source in ("f8e4m3fn", "f8e5m2"):
            return self.cast_float(self._from_f8(value), element)
        if element in ("f8e4m3fn", "f8e5m2"):
            return self._to_f8(self.cast_float(value, "f32"), element)
        if {source, element} == {"f16", "bf16"}:
            return self.cast_float(self.cast_float(value, "f32"), element)
        if source == "f64" and element == "bf16":
            return self._f64_to_bf16(value)
        if source == "bf16":
            return self.cast_float(self._from_bf16(value), element)
        if element == "bf16" and not self.features.has_bf16_dot:
            return self._to_bf16(value)
        if "f16" in (source, element) and not self._has_half():
            return self._soft_half(value, element)
        wider = ELEMENT_BITS[element] > ELEMENT_BITS[source]
        return self.convert("fpext" if wider else "fptrunc", value, element)

    def _f64_to_bf16(self, value: Reg) -> Reg:
        # Rounding twice (to f32, then bf16) is off on ties; round the first step to odd instead.
        single = self.convert("fptrunc", value, "f32")
        back = self.convert("fpext", single, "f64")
        bits = self.bitcast(single, "i32", value.lanes)
        inexact = self.compare("fcmp one", back, value)
        away = self.compare("fcmp ogt", self.call("fabs", back), self.call("fabs", value))
        lower = self.select(away, self.op("sub", bits, self.constant("i32", 1)), bits)
        odd = self.op("or", lower, self.constant("i32", 1))
        return self.convert("fptrunc", self.bitcast(self.select(inexact, odd, bits), "f32", value.lanes), "bf16")

    def _has_half(self) -> bool:
        """Return whether the processor converts f16; else LLVM would call a library that is not there."""
        return self.features.arch == "aarch64" or "+f16c" in self.features.features or self.features.has_avx512

    def _from_bf16(self, value: Reg) -> Reg:
        bits = self.convert("zext", self.bitcast(value, "i16", value.lanes), "i32")
        return self.bitcast(self.op("shl", bits, self.constant("i32", 16)), "f32", value.lanes)

    def _to_bf16(self, value: Reg) -> Reg:
        bits = self.bitcast(value, "i32", value.lanes)
        tie = self.op("and", self.op("lshr", bits, self.constant("i32", 16)), self.constant("i32", 1))
        rounded = self.op("add", bits, self.op("add", tie, self.constant("i32", 0x7FFF)))
        quiet = self.op("or", bits, self.constant("i32", 0x400000))
        chosen = self.select(self.compare("fcmp uno", value, value), quiet, rounded)
        high = self.convert("trunc", self.op("lshr", chosen, self.constant("i32", 16)), "i16")
        return self.bitcast(high, "bf16", value.lanes)

    def _soft_half(self, value: Reg, element: str) -> Reg:
        if value.element == "f16":
            return self.cast_float(self._half_to_single(value), element)
        if value.element == "f64":
            value = self.convert("fptrunc", value, "f32")
        bits = self.bitcast(value, "i32", value.lanes)
        sign = self.op("and", self.op("lshr", bits, self.constant("i32", 16)), self.constant("i32", 0x8000))
        is_nan = self.compare("fcmp uno", value, value)
        # Beyond 65520 rounding gives infinity; 2**16 becomes just that in the smaller exponent range.
        clipped = self.call("minnum", self.call("fabs", value), self.constant("f32", 65536.0))
        small = self._rounded_field(clipped, 112, 10)
        small = self.select(is_nan, self.constant("i32", 0x7E00), small)
        return self.bitcast(self.convert("trunc", self.op("or", small, sign), "i16"), "f16", value.lanes)

    def _half_to_single(self, value: Reg) -> Reg:
        wide = self.convert("zext", self.bitcast(value, "i16", value.lanes), "i32")
        magnitude = self.op("and", wide, self.constant("i32", 0x7FFF))
        sign = self.op("shl", self.op("and", wide, self.constant("i32", 0x8000)), self.constant("i32", 16))
        shifted = self.bitcast(self.op("shl", magnitude, self.constant("i32", 13)), "f32", value.lanes)
        scaled = self.bitcast(self.op("fmul", shifted, self.constant("f32", 2.0**112)), "i32", value.lanes)
        special = self.compare("icmp uge", magnitude, self.constant("i32", 0x7C00))
        top = self.op("or", self.op("shl", magnitude, self.constant("i32", 13)), self.constant("i32", 0x7F800000))
        return self.bitcast(self.op("or", self.select(special, top, scaled), sign), "f32", value.lanes)

    def _rounded_field(self, value: Reg, bias_gap: int, mantissa: int) -> Reg:
        """Return exponent and mantissa bits of a smaller float type for a number that is not negative.

        The product is exact unless it is subnormal in f32, where the hardware rounds at the same place.
        """
        drop = 23 - mantissa
        scaled = self.op("fmul", value, self.constant("f32", 2.0**-bias_gap))
        raw = self.bitcast(scaled, "i32", value.lanes)
        tie = self.op("and", self.op("lshr", raw, self.constant("i32", drop)), self.constant("i32", 1))
        rounded = self.op("add", raw, self.op("add", tie, self.constant("i32", (1 << (drop - 1)) - 1)))
        return self.op("lshr", rounded, self.constant("i32", drop))

    def _from_f8(self, value: Reg) -> Reg:
        if value.element == "f8e5m2":
            wide = self.convert("zext", value, "i16")
            bits = self.op("shl", wide, self.constant("i16", 8))
            return self.cast_float(self.bitcast(bits, "f16", value.lanes), "f32")
        wide = self.convert("zext", value, "i32")
        magnitude = self.op("and", wide, self.constant("i32", 0x7F))
        sign = self.op("shl", self.op("and", wide, self.constant("i32", 0x80)), self.constant("i32", 24))
        shifted = self.bitcast(self.op("shl", magnitude, self.constant("i32", 20)), "f32", value.lanes)
        # Same exponent field, other bias: 2**120 also makes normal numbers of e4m3's subnormals.
        scaled = self.op("fmul", shifted, self.constant("f32", 2.0**120))
        is_nan = self.compare("icmp eq", magnitude, self.constant("i32", 0x7F))
        bits = self.op("or", self.bitcast(scaled, "i32", value.lanes), sign)
        bits = self.select(is_nan, self.constant("i32", 0x7FC00000), bits)
        return self.bitcast(bits, "f32", value.lanes)

    def _to_f8(self, value: Reg, element: str) -> Reg:
        # Saturating, as Triton's conversions are: beyond the largest finite number is that number.
        bias_gap, mantissa, largest = (120, 3, 448.0) if element == "f8e4m3fn" else (112, 2, 57344.0)
        bits = self.bitcast(value, "i32", value.lanes)
        sign = self.op("and", self.op("lshr", bits, self.constant("i32", 24)), self.constant("i32", 0x80))
        is_nan = self.compare("fcmp uno", value, value)
        clipped = self.call("minnum", self.call("fabs", value), self.constant("f32", largest))
        small = self._rounded_field(clipped, bias_gap, mantissa)
        small = self.select(is_nan, self.constant("i32", 0x7F), small)
        return Reg(element, value.lanes, *self._byte(self.op("or", small, sign)))

    def _byte(self, value: Reg) -> tuple[str, int]:
        narrow = self.convert("trunc", value, "i8")
        return narrow.text, narrow.level

    def compare(self, text: str, a: Reg, b: Reg) -> Reg:
        """Return the i1 of an icmp or fcmp."""
        return self.op(text, a, b, element="i1")
