"""Vector mathematics in f32, and the scalar library for what is rare.

exp2 on [0, 1) is a degree-6 minimax polynomial (largest relative error 1.9e-9 before rounding),
coefficients from a Remez iteration of ours.
"""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.text import Reg, llvm_type

# 2**f on [0, 1], constant term first; the constant is 1 so that exp2 of a whole number is exact.
EXP2_COEFFICIENTS = (
    1.0,
    0.6931469838404387,
    0.24022983627589423,
    0.05548334197771016,
    0.009678841007043672,
    0.0012439687747148747,
    0.00021702255680520308,
)
LOG2_E = 1.4426950408889634
LOG2_E_HIGH = 1.44269502162933349609375
LOG2_E_LOW = 1.925963033500011e-08


class Maths:
    """Writes mathematical functions on scalars and vectors."""

    def __init__(self, lanes: Floats) -> None:
        self.k = lanes

    def exp2(self, x: Reg) -> Reg:
        """Return 2**x; -inf gives 0, overflow gives inf, NaN stays NaN."""
        if x.element != "f32":
            return self.scalar_call("exp2", x)
        if self._has_scalef(x):
            fraction = self._reduce_floor(x)
            return self._scalef(self._exp2_fraction(fraction), x)
        x = self._clamp(x, -150.0, 129.0)
        whole = self.k.call("floor", x)
        return self._scale_exact(self._exp2_fraction(self.k.op("fsub", x, whole)), whole)

    def exp(self, x: Reg) -> Reg:
        """Return e**x, with the argument reduced in two parts so that large x keep their digits."""
        if x.element != "f32":
            return self.scalar_call("exp", x)
        x = self._clamp(x, -105.0, 90.0)
        whole = self.k.call("floor", self.k.op("fmul", x, self.k.constant("f32", LOG2_E)))
        minus = self.k.op("fneg", whole)
        fraction = self._fma(x, self.k.constant("f32", LOG2_E_HIGH), minus)
        fraction = self._fma(x, self.k.constant("f32", LOG2_E_LOW), fraction)
        power = self._exp2_fraction(fraction)
        return self._scalef(power, whole) if self._has_scalef(x) else self._scale_exact(power, whole)

    def _exp2_fraction(self, fraction: Reg) -> Reg:
        *lower, last = EXP2_COEFFICIENTS
        value = self.k.constant("f32", last)
        for coefficient in reversed(lower):
            value = self._fma(value, fraction, self.k.constant("f32", coefficient))
        return value

    def _fma(self, a: Reg, b: Reg, c: Reg) -> Reg:
        return self.k.call("fma", *self.k.together(a, b, c))

    def _clamp(self, x: Reg, low: float, high: float) -> Reg:
        # Ordered compares keep NaN: a NaN fails both and passes through.
        floor, ceiling = self.k.constant("f32", low), self.k.constant("f32", high)
        x = self.k.select(self.k.compare("fcmp olt", x, floor), floor, x)
        return self.k.select(self.k.compare("fcmp ogt", x, ceiling), ceiling, x)

    def _scale_exact(self, value: Reg, whole: Reg) -> Reg:
        # Two steps, so that results below the smallest normal number round once, not to zero.
        number = self.k.convert("fptosi", whole, "i32")
        half = self.k.op("ashr", number, self.k.constant("i32", 1))
        rest = self.k.op("sub", number, half)
        return self.k.op("fmul", self.k.op("fmul", value, self._power(half)), self._power(rest))

    def _power(self, exponent: Reg) -> Reg:
        biased = self.k.op("add", exponent, self.k.constant("i32", 127))
        return self.k.bitcast(self.k.op("shl", biased, self.k.constant("i32", 23)), "f32", exponent.lanes)

    def _has_scalef(self, x: Reg) -> bool:
        return self.k.features.has_avx512 and x.lanes in (4, 8, 16)

    def _x86_call(self, name: str, lanes: int, signature: str, arguments: str, level: int) -> Reg:
        full = f"llvm.x86.avx512.mask.{name}.ps.{lanes * 32}"
        vector = llvm_type("f32", lanes)
        self.k.f.declare(full, f"declare {vector} @{full}({signature})")
        return self.k.f.emit("f32", lanes, f"call {vector} @{full}({arguments})", level)

    def _mask(self, lanes: int) -> tuple[str, str]:
        return ("i16", "-1") if lanes == 16 else ("i8", "-1")

    def _reduce_floor(self, x: Reg) -> Reg:
        mask_type, ones = self._mask(x.lanes)
        tail_type, tail = (", i32", ", i32 8") if x.lanes == 16 else ("", "")
        # Immediate 9: subtract the floor, no exception; infinity gives 0, so exp2 needs no clamp.
        return self._x86_call(
            "reduce",
            x.lanes,
            f"{x.type}, i32, {x.type}, {mask_type}{tail_type}",
            f"{x.typed}, i32 9, {x.type} poison, {mask_type} {ones}{tail}",
            x.level,
        )

    def _scalef(self, value: Reg, exponent: Reg) -> Reg:
        value, exponent = self.k.together(value, exponent)
        mask_type, ones = self._mask(value.lanes)
        tail_type, tail = (", i32", ", i32 4") if value.lanes == 16 else ("", "")
        return self._x86_call(
            "scalef",
            value.lanes,
            f"{value.type}, {value.type}, {value.type}, {mask_type}{tail_type}",
            f"{value.typed}, {exponent.typed}, {value.type} poison, {mask_type} {ones}{tail}",
            max(value.level, exponent.level),
        )

    def scalar_call(self, name: str, *values: Reg) -> Reg:
        """Return the C library's function, lane by lane; f32 uses the name with an f."""
        values = tuple(self.k.together(*values))
        first = values[0]
        symbol = name + ("f" if first.element == "f32" else "")
        kind = llvm_type(first.element, 0)
        self.k.f.declare(symbol, f"declare {kind} @{symbol}({', '.join([kind] * len(values))})")
        if not first.lanes:
            return self.k.call_exact(symbol, first.element, 0, *values)
        out = Reg(first.element, first.lanes, "poison")
        for lane in range(first.lanes):
            one = self.k.call_exact(symbol, first.element, 0, *(self.k.extract(v, lane) for v in values))
            out = self.k.insert(out, one, lane)
        return out
