"""Elementwise ops of Triton IR, on scalars and vectors alike."""

from collections.abc import Callable

from kernelwright.compiler.codegen import integers, libdevice, maths
from kernelwright.compiler.codegen.floats import BYTE_FLOATS, NARROW_FLOATS, Floats
from kernelwright.compiler.codegen.rounding import float_to_integer, int_to_float, with_flag
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg
from kernelwright.compiler.ir import Op
from kernelwright.core.errors import UnsupportedOpError

INTEGER_OPS = {
    "arith.addi": "add", "arith.subi": "sub", "arith.muli": "mul", "arith.andi": "and", "arith.ori": "or",
    "arith.xori": "xor",
}  # fmt: skip
SHIFTS = {"arith.shli": "shl", "arith.shrsi": "ashr", "arith.shrui": "lshr"}
DIVISIONS = {"arith.divsi": "sdiv", "arith.divui": "udiv", "arith.remsi": "srem", "arith.remui": "urem"}
INTEGER_MINMAX = {"arith.maxsi": "smax", "arith.minsi": "smin", "arith.maxui": "umax", "arith.minui": "umin"}
# `contract` lets LLVM fuse a multiply into an add, as Triton allows by default.
FLOAT_OPS = {
    "arith.addf": "fadd contract", "arith.subf": "fsub contract", "arith.mulf": "fmul contract",
    "arith.divf": "fdiv", "arith.remf": "frem", "tt.precise_divf": "fdiv",
    "tt.approx_divf": "fdiv",
}  # fmt: skip
FLOAT_MINMAX = {
    "arith.maxnumf": "maxnum", "arith.minnumf": "minnum", "arith.maximumf": "maximum", "arith.minimumf": "minimum",
}  # fmt: skip
INTRINSICS = {
    "math.sqrt": "sqrt", "tt.precise_sqrt": "sqrt", "math.absf": "fabs", "math.floor": "floor", "math.ceil": "ceil",
    "math.fma": "fma", "math.round": "round", "math.roundeven": "roundeven", "math.trunc": "trunc",
    "math.copysign": "copysign",
}  # fmt: skip
LIBRARY = {
    "math.exp": "exp", "math.exp2": "exp2",
    "math.log": "log", "math.log2": "log2", "math.sin": "sin", "math.cos": "cos", "math.tan": "tan",
    "math.tanh": "tanh", "math.erf": "erf", "math.log1p": "log1p", "math.expm1": "expm1", "math.log10": "log10",
    "math.atan": "atan", "math.atan2": "atan2", "math.powf": "pow", "math.sinh": "sinh", "math.cosh": "cosh",
    "math.asin": "asin", "math.acos": "acos", "math.cbrt": "cbrt", "math.asinh": "asinh", "math.acosh": "acosh",
    "math.atanh": "atanh", "math.erfc": "erfc",
}  # fmt: skip
CASTS = {
    "arith.extsi": "sext", "arith.extui": "zext", "arith.trunci": "trunc", "arith.sitofp": "sitofp",
    "arith.uitofp": "uitofp", "arith.fptosi": "fptosi", "arith.fptoui": "fptoui",
}  # fmt: skip
FLOAT_CASTS = ("arith.extf", "arith.truncf", "tt.fp_to_fp")
INTEGER_COMPARES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
HEAVY = {
    "math.exp", "math.exp2", "arith.divf", "tt.precise_divf", "tt.approx_divf", "arith.remf", "math.sqrt",
    "tt.precise_sqrt", "math.rsqrt", "tt.extern_elementwise", *LIBRARY, *DIVISIONS,
}  # fmt: skip
OTHERS = {
    "arith.cmpi", "arith.cmpf", "arith.select", "arith.negf", "arith.bitcast", "tt.bitcast", "arith.index_cast",
    "math.exp", "math.exp2", "math.rsqrt", "math.absi", "tt.clampf", "tt.mulhiui", "tt.extern_elementwise",
    "tt.ptr_to_int", "tt.int_to_ptr", "math.ctpop", "math.ctlz", "math.cttz",
}  # fmt: skip
NAMES = {
    *INTEGER_OPS, *SHIFTS, *DIVISIONS, *INTEGER_MINMAX, *FLOAT_OPS, *FLOAT_MINMAX, *INTRINSICS, *LIBRARY, *CASTS,
    *FLOAT_CASTS, *OTHERS,
}  # fmt: skip


class Elementwise:
    """Writes one elementwise op on evaluated operands."""

    def __init__(self, lanes: Floats) -> None:
        self.k = lanes

    def write(self, op: Op, args: list[Reg], element: str) -> Reg:
        """Return the result of `op`; `element` is the element type of its result."""
        name = op.name
        k = self.k
        if name in INTEGER_OPS:
            return k.op(INTEGER_OPS[name], *args)
        if name == "arith.divf" and element == "f32" and args[0].lanes and not args[1].lanes:
            return self._divide_by_one(args[0], args[1])
        if name in FLOAT_OPS:
            return self._float(lambda *wide: k.op(FLOAT_OPS[name], *wide), args, element)
        if name in CASTS:
            return self._cast(CASTS[name], args[0], element)
        if name in FLOAT_CASTS:
            return self._float_cast(op, args[0], element)
        if name in FLOAT_MINMAX:
            return self._float(lambda *wide: k.call(FLOAT_MINMAX[name], *wide), args, element)
        if name in INTEGER_MINMAX:
            return k.call(INTEGER_MINMAX[name], *args)
        if name in DIVISIONS:
            return integers.divide(k, DIVISIONS[name], args[0], args[1])
        if name in SHIFTS:
            return integers.shift(k, SHIFTS[name], args[0], args[1])
        if name in INTRINSICS:
            return self._float(lambda *wide: k.call(INTRINSICS[name], *wide), args, element)
        if name in LIBRARY:
            return self._float(lambda *wide: maths.function(k, LIBRARY[name], *wide), args, element)
        return self._other(op, args, element)

    def _float(self, write: Callable[..., Reg], args: list[Reg], element: str) -> Reg:
        if element not in NARROW_FLOATS:
            return write(*args)
        return self.k.cast_float(write(*(self.k.wide(arg) for arg in args)), element)

    def _other(self, op: Op, args: list[Reg], element: str) -> Reg:
        k, name = self.k, op.name
        match name:
            case "arith.cmpi":
                return k.compare(f"icmp {op.attrs['predicate']}", args[0], args[1])
            case "arith.cmpf":
                return k.compare(f"fcmp {op.attrs['predicate']}", k.wide(args[0]), k.wide(args[1]))
            case "arith.select":
                return k.select(*args)
            case "arith.negf":
                return k.op("fneg", args[0]) if element not in BYTE_FLOATS else self._float(self._neg, args, element)
            case "math.rsqrt":
                return self._float(self._rsqrt, args, element)
            case "math.absi":
                return with_flag(k, "abs", args[0])
            case "math.ctpop":
                return k.call("ctpop", args[0])
            case "math.ctlz" | "math.cttz":
                return with_flag(k, name.removeprefix("math."), args[0])
            case "tt.clampf":
                return self._float(lambda *wide: self._clamp(op, *wide), args, element)
            case "tt.mulhiui":
                return integers.multiply_high(k, args[0], args[1])
            case "arith.index_cast":
                return self._resize(args[0], element)
            case "arith.bitcast" | "tt.bitcast":
                return k.bitcast(args[0], element, args[0].lanes)
            case "tt.ptr_to_int":
                return k.convert("ptrtoint", args[0], element)
            case "tt.extern_elementwise":
                return self._extern(op, args, element)
        raise UnsupportedOpError(
            f"line {op.location.line}: op {name} is not covered by the CPU compiler",
            {"op": name, "line": op.location.line},
        )

    def _divide_by_one(self, value: Reg, divisor: Reg) -> Reg:
        """Return a vector over a scalar, within the two ulps that Triton's `/` has: by a reciprocal.

        Divisors far from 1 are brought nearer first, so that their reciprocal is a normal number.
        """
        k = self.k
        size = k.call("fabs", divisor)
        is_large = k.compare("fcmp ogt", size, k.constant("f32", 2.0**64))
        is_small = k.compare("fcmp olt", size, k.constant("f32", 2.0**-64))
        scale = k.select(is_small, k.constant("f32", 2.0**64), k.constant("f32", 1.0))
        scale = k.select(is_large, k.constant("f32", 2.0**-64), scale)
        reciprocal = k.op("fdiv", k.constant("f32", 1.0), k.op("fmul", divisor, scale))
        return k.op("fmul", k.op("fmul", value, scale), reciprocal)

    def _neg(self, value: Reg) -> Reg:
        return self.k.op("fneg", value)

    def _rsqrt(self, value: Reg) -> Reg:
        return self.k.op("fdiv", self.k.constant(value.element, 1.0), self.k.call("sqrt", value))

    def _clamp(self, op: Op, value: Reg, low: Reg, high: Reg) -> Reg:
        suffix = "imum" if op.attrs.get("propagateNan") == "all" else "num"
        return self.k.call(f"min{suffix}", self.k.call(f"max{suffix}", value, low), high)

    def _extern(self, op: Op, args: list[Reg], element: str) -> Reg:
        symbol = str(op.attrs.get("symbol", ""))
        value = libdevice.write_symbol(self.k, symbol, args, element)
        if value is None:
            raise UnsupportedOpError(
                f"line {op.location.line}: external function {symbol} is not covered by the CPU compiler",
                {"symbol": symbol, "line": op.location.line},
            )
        return value

    def _cast(self, text: str, value: Reg, element: str) -> Reg:
        if text.startswith("fpto"):
            return float_to_integer(self.k, self.k.wide(value), element, text == "fptosi")
        if element in NARROW_FLOATS:
            # Rounded to odd, f32 keeps what rounding it again needs.
            single = int_to_float("f32", text == "sitofp", "odd")(self.k, value)
            return self.k.cast_float(single, element)
        return self.k.convert(text, value, element)

    def _resize(self, value: Reg, element: str) -> Reg:
        if value.element == element:
            return value
        wider = ELEMENT_BITS[element] > ELEMENT_BITS[value.element]
        return self.k.convert("sext" if wider else "trunc", value, element)

    def _float_cast(self, op: Op, value: Reg, element: str) -> Reg:
        if op.attrs.get("rounding") == "rtz":
            return self.k.toward_zero(value, element)
        return self.k.cast_float(value, element, flushes=all(use.name == "tt.dot" for use in op.result.uses))
