"""Floats narrower than f32, and conversions between all floats.

Half-width and 8-bit floats are computed in f32 and rounded to nearest even once per operation.
"""

import math
import struct
from dataclasses import dataclass

from kernelwright.compiler.codegen.lanes import Lanes
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg


@dataclass(frozen=True)
class ByteFloat:
    """An 8-bit float: bits of its mantissa, exponent bias, largest finite number, and the bits of its NaN.

    Those whose NaN is 0x80 have no negative zero.
    """

    mantissa: int
    bias: int
    largest: float
    nan: int


BYTE_FLOATS = {
    "f8e4m3fn": ByteFloat(3, 7, 448.0, 0x7F),
    "f8e5m2": ByteFloat(2, 15, 57344.0, 0x7F),
    "f8e4m3fnuz": ByteFloat(3, 8, 240.0, 0x80),
    "f8e5m2fnuz": ByteFloat(2, 16, 57344.0, 0x80),
}
NARROW_FLOATS = ("f16", "bf16", *BYTE_FLOATS)
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


class Floats(Lanes):
    """Writes float constants and conversions, on top of plain instructions."""

    def constant(self, element: str, value: float | int) -> Reg:
        """Return a scalar literal."""
        if element in BYTE_FLOATS:
            return self.cast_float(self.constant("f32", value), element)
        if element in FLOATS:
            return Reg(element, 0, float_literal(element, float(value)))
        if element == "ptr":
            return Reg(element, 0, "null")
        if element == "i1":
            return Reg(element, 0, "true" if value else "false")
        return Reg(element, 0, str(int(value)))

    def wide(self, value: Reg) -> Reg:
        """Return a narrow float as f32, others unchanged."""
        return self.cast_float(value, "f32") if value.element in NARROW_FLOATS else value

    def cast_float(self, value: Reg, element: str, flushes: bool = False) -> Reg:
        """Return `value` as another float type, rounded to nearest even.

        With `flushes` numbers too small to be normal may become zero, which is what bf16 dot products take them for.
        """
        source = value.element
        if source == element:
            return value
        if source in BYTE_FLOATS:
            return self.cast_float(self._from_byte(value), element)
        if source == "f64" and element in NARROW_FLOATS:
            return self.cast_float(self._to_odd(value), element)
        if element in BYTE_FLOATS:
            return self._to_byte(self.cast_float(value, "f32"), element)
        if {source, element} == {"f16", "bf16"}:
            return self.cast_float(self.cast_float(value, "f32"), element)
        if source == "bf16":
            return self.cast_float(self._from_bf16(value), element)
        if element == "bf16" and not (flushes and self.features.has_bf16_dot):
            return self._to_bf16(value)
        if "f16" in (source, element) and not self._has_half():
            return self._soft_half(value, element)
        wider = ELEMENT_BITS[element] > ELEMENT_BITS[source]
        return self.convert("fpext" if wider else "fptrunc", value, element)

    def toward_zero(self, value: Reg, element: str) -> Reg:
        """Return `value` as a narrower float type, rounded toward zero."""
        nearest = self.cast_float(value, element)
        bits = f"i{ELEMENT_BITS[element]}"
        back = self.cast_float(nearest, value.element)
        wide, given = self.wide(back), self.wide(value)
        away = self.compare("fcmp ogt", self.call("fabs", wide), self.call("fabs", given))
        step = self.convert("zext", away, bits)
        number = Reg(bits, nearest.lanes, nearest.text, nearest.level)
        if element not in BYTE_FLOATS:
            number = self.bitcast(nearest, bits, nearest.lanes)
        lower = self.op("sub", number, step)
        if element in BYTE_FLOATS:
            return Reg(element, lower.lanes, lower.text, lower.level)
        return self.bitcast(lower, element, lower.lanes)

    def _to_odd(self, value: Reg) -> Reg:
        """Return an f64 as f32, rounded to odd, so that rounding it again to a narrow type rounds once."""
        single = self.convert("fptrunc", value, "f32")
        back = self.convert("fpext", single, "f64")
        bits = self.bitcast(single, "i32", value.lanes)
        inexact = self.compare("fcmp one", back, value)
        away = self.compare("fcmp ogt", self.call("fabs", back), self.call("fabs", value))
        lower = self.select(away, self.op("sub", bits, self.constant("i32", 1)), bits)
        odd = self.op("or", lower, self.constant("i32", 1))
        return self.bitcast(self.select(inexact, odd, bits), "f32", value.lanes)

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
        """Return exponent and mantissa bits of a smaller float type for a number that is not negative."""
        drop = 23 - mantissa
        raw = self.bitcast(value, "i32", value.lanes)
        tie = self.op("and", self.op("lshr", raw, self.constant("i32", drop)), self.constant("i32", 1))
        rounded = self.op("add", raw, self.op("add", tie, self.constant("i32", (1 << (drop - 1)) - 1)))
        normal = self.op("sub", self.op("lshr", rounded, self.constant("i32", drop)),
                         self.constant("i32", bias_gap << mantissa))  # fmt: skip
        # Below the smallest normal number the sum with a large one rounds, once, to whole smallest steps.
        least = 2.0 ** (bias_gap - 126)
        step = self.constant("f32", least * 2.0**drop)
        whole = self.bitcast(self.op("fadd", value, step), "i32", value.lanes)
        small = self.op("sub", whole, self.bitcast(step, "i32", 0))
        return self.select(self.compare("fcmp olt", value, self.constant("f32", least)), small, normal)

    def _from_byte(self, value: Reg) -> Reg:
        kind = BYTE_FLOATS[value.element]
        if value.element == "f8e5m2":
            wide = self.convert("zext", value, "i16")
            bits = self.op("shl", wide, self.constant("i16", 8))
            return self.cast_float(self.bitcast(bits, "f16", value.lanes), "f32")
        wide = self.convert("zext", value, "i32")
        magnitude = self.op("and", wide, self.constant("i32", 0x7F))
        sign = self.op("shl", self.op("and", wide, self.constant("i32", 0x80)), self.constant("i32", 24))
        shifted = self.op("shl", magnitude, self.constant("i32", 23 - kind.mantissa))
        # Same exponent field, other bias: the product also makes normal numbers of subnormal ones.
        number = self.bitcast(shifted, "f32", value.lanes)
        scaled = self.op("fmul", number, self.constant("f32", 2.0 ** (127 - kind.bias)))
        tested = wide if kind.nan == 0x80 else magnitude  # the sign bit alone
        is_nan = self.compare("icmp eq", tested, self.constant("i32", kind.nan))
        bits = self.op("or", self.bitcast(scaled, "i32", value.lanes), sign)
        bits = self.select(is_nan, self.constant("i32", 0x7FC00000), bits)
        return self.bitcast(bits, "f32", value.lanes)

    def _to_byte(self, value: Reg, element: str) -> Reg:
        # Saturating, as Triton's conversions are: beyond the largest finite number is that number.
        kind = BYTE_FLOATS[element]
        bits = self.bitcast(value, "i32", value.lanes)
        sign = self.op("and", self.op("lshr", bits, self.constant("i32", 24)), self.constant("i32", 0x80))
        is_nan = self.compare("fcmp uno", value, value)
        clipped = self.call("minnum", self.call("fabs", value), self.constant("f32", kind.largest))
        small = self._rounded_field(clipped, 127 - kind.bias, kind.mantissa)
        if kind.nan == 0x80:  # the sign bit alone
            is_zero = self.compare("icmp eq", small, self.constant("i32", 0))
            sign = self.select(is_zero, self.constant("i32", 0), sign)
        number = self.op("or", small, sign)
        # A NaN keeps its sign where there is a place for it.
        nan = self.constant("i32", kind.nan)
        number = self.select(is_nan, nan if kind.nan == 0x80 else self.op("or", nan, sign), number)
        narrow = self.convert("trunc", number, "i8")
        return Reg(element, value.lanes, narrow.text, narrow.level)
