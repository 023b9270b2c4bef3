"""Elementwise ops of Triton IR, on scalars and vectors alike."""

from collections.abc import Callable

from kernelwright.compiler.codegen.floats import BYTE_FLOATS, FLOATS, NARROW_FLOATS, Floats
from kernelwright.compiler.codegen.maths import Maths
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg
from kernelwright.compiler.ir import Op
from kernelwright.core.errors import UnsupportedOpError

INTEGER_OPS = {
    "arith.addi": "add", "arith.subi": "sub", "arith.muli": "mul", "arith.andi": "and", "arith.ori": "or",
    "arith.xori": "xor", "arith.shli": "shl", "arith.shrsi": "ashr", "arith.shrui": "lshr",
}  # fmt: skip
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
    "math.log": "log", "math.log2": "log2", "math.sin": "sin", "math.cos": "cos", "math.tan": "tan",
    "math.tanh": "tanh", "math.erf": "erf", "math.log1p": "log1p", "math.expm1": "expm1", "math.log10": "log10",
    "math.atan": "atan", "math.atan2": "atan2", "math.powf": "pow", "math.sinh": "sinh", "math.cosh": "cosh",
    "math.asin": "asin", "math.acos": "acos", "math.cbrt": "cbrt",
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
    *INTEGER_OPS, *DIVISIONS, *INTEGER_MINMAX, *FLOAT_OPS, *FLOAT_MINMAX, *INTRINSICS, *LIBRARY, *CASTS,
    *FLOAT_CASTS, *OTHERS,
}  # fmt: skip

# libdevice symbols (as triton.language.extra.libdevice emits them) to the C library's names.
LIBDEVICE = {
    f"__nv_{name}": name
    for name in (
        "tanh", "exp", "exp2", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan",
        "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc", "pow", "cbrt", "fmod", "hypot", "tgamma",
        "lgamma", "rint", "nearbyint", "trunc", "floor", "ceil", "sqrt", "fabs", "round", "fdim", "remainder",
        "copysign", "nextafter", "fmax", "fmin", "exp10",
    )
}  # fmt: skip


class Elementwise:
    """Writes one elementwise op on evaluated operands."""

    def __init__(self, lanes: Floats) -> None:
        self.k = lanes
        self.maths = Maths(lanes)

    def write(self, op: Op, args: list[Reg], element: str) -> Reg:
        """Return the result of `op`; `element` is the element type of its result."""
        name = op.name
        k = self.k
        if name in INTEGER_OPS:
            return k.op(INTEGER_OPS[name], *args)
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
            return self._divide(DIVISIONS[name], args[0], args[1])
        if name in INTRINSICS:
            return self._float(lambda *wide: k.call(INTRINSICS[name], *wide), args, element)
        if name in LIBRARY:
            return self._float(lambda *wide: self.maths.scalar_call(LIBRARY[name], *wide), args, element)
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
            case "math.exp":
                return self._float(self.maths.exp, args, element)
            case "math.exp2":
                return self._float(self.maths.exp2, args, element)
            case "math.rsqrt":
                return self._float(self._rsqrt, args, element)
            case "math.absi":
                return self._with_flag("abs", args[0], element)
            case "math.ctpop":
                return k.call("ctpop", args[0])
            case "math.ctlz" | "math.cttz":
                return self._with_flag(name.removeprefix("math."), args[0], element)
            case "tt.clampf":
                return self._float(lambda *wide: self._clamp(op, *wide), args, element)
            case "tt.mulhiui":
                return self._multiply_high(args[0], args[1])
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

    def _neg(self, value: Reg) -> Reg:
        return self.k.op("fneg", value)

    def _rsqrt(self, value: Reg) -> Reg:
        return self.k.op("fdiv", self.k.constant(value.element, 1.0), self.k.call("sqrt", value))

    def _clamp(self, op: Op, value: Reg, low: Reg, high: Reg) -> Reg:
        suffix = "imum" if op.attrs.get("propagateNan") == "all" else "num"
        return self.k.call(f"min{suffix}", self.k.call(f"max{suffix}", value, low), high)

    def _with_flag(self, name: str, value: Reg, element: str) -> Reg:
        suffix = f"v{value.lanes}{element}" if value.lanes else element
        full = f"llvm.{name}.{suffix}"
        self.k.f.declare(full, f"declare {value.type} @{full}({value.type}, i1)")
        return self.k.call_exact(full, element, value.lanes, value, Reg("i1", 0, "false"))

    def _multiply_high(self, a: Reg, b: Reg) -> Reg:
        a, b = self.k.together(a, b)
        bits = ELEMENT_BITS[a.element]
        if bits == 32:
            wide = self.k.op("mul", self.k.convert("zext", a, "i64"), self.k.convert("zext", b, "i64"))
            return self.k.convert("trunc", self.k.op("lshr", wide, self.k.constant("i64", 32)), a.element)
        low = self.k.constant("i64", 0xFFFFFFFF)
        half = self.k.constant("i64", 32)
        a_low, a_high = self.k.op("and", a, low), self.k.op("lshr", a, half)
        b_low, b_high = self.k.op("and", b, low), self.k.op("lshr", b, half)
        first = self.k.op("lshr", self.k.op("mul", a_low, b_low), half)
        cross = self.k.op("add", self.k.op("mul", a_high, b_low), first)
        other = self.k.op("add", self.k.op("mul", a_low, b_high), self.k.op("and", cross, low))
        top = self.k.op("add", self.k.op("mul", a_high, b_high), self.k.op("lshr", cross, half))
        return self.k.op("add", top, self.k.op("lshr", other, half))

    def _extern(self, op: Op, args: list[Reg], element: str) -> Reg:
        symbol = str(op.attrs.get("symbol", ""))
        name = LIBDEVICE.get(symbol) or LIBDEVICE.get(symbol.removesuffix("f"))
        if name is None or element not in FLOATS:
            raise UnsupportedOpError(
                f"line {op.location.line}: external function {symbol} is not covered by the CPU compiler",
                {"symbol": symbol, "line": op.location.line},
            )
        if name in ("exp", "exp2"):
            return self.maths.exp(args[0]) if name == "exp" else self.maths.exp2(args[0])
        return self._float(lambda *wide: self.maths.scalar_call(name, *wide), args, element)

    def _cast(self, text: str, value: Reg, element: str) -> Reg:
        if element in NARROW_FLOATS:
            return self.k.cast_float(self.k.convert(text, value, "f32"), element)
        if value.element in NARROW_FLOATS:
            value = self.k.wide(value)
        if text == "fptosi" and element in ("i1", "i8", "i16"):
            return self.k.convert("trunc", self.k.convert(text, value, "i32"), element)
        return self.k.convert(text, value, element)

    def _resize(self, value: Reg, element: str) -> Reg:
        if value.element == element:
            return value
        wider = ELEMENT_BITS[element] > ELEMENT_BITS[value.element]
        return self.k.convert("sext" if wider else "trunc", value, element)

    def _float_cast(self, op: Op, value: Reg, element: str) -> Reg:
        if op.attrs.get("rounding") == "rtz":
            return self.k.toward_zero(value, element)
        return self.k.cast_float(value, element)

    def _divide(self, text: str, a: Reg, b: Reg) -> Reg:
        if b.constant not in (None, 0, -1):
            return self.k.op(text, a, b)
        # A GPU gives some number for x / 0 and INT_MIN / -1, this processor ends the process.
        k, element = self.k, b.element
        zero, one, minus = k.constant(element, 0), k.constant(element, 1), k.constant(element, -1)
        safe = k.select(k.compare("icmp eq", b, zero), one, b)
        if text in ("udiv", "urem"):
            return self._fast_quotient(text, a, safe)
        is_minus = k.compare("icmp eq", safe, minus)
        result = self._fast_quotient(text, a, k.select(is_minus, one, safe))
        special = k.op("sub", zero, a) if text == "sdiv" else zero
        return k.select(is_minus, special, result)

    def _fast_quotient(self, text: str, a: Reg, b: Reg) -> Reg:
        a, b = self.k.together(a, b)
        if not a.lanes or a.element != "i32":
            return self.k.op(text, a, b)
        # No vector division exists; the quotient of 32-bit integers in f64, truncated, is exact.
        kind = "si" if text[0] == "s" else "ui"
        wide = self.k.op("fdiv", self.k.convert(f"{kind}tofp", a, "f64"), self.k.convert(f"{kind}tofp", b, "f64"))
        quotient = self.k.convert(f"fpto{kind}", wide, "i32")
        if text.endswith("div"):
            return quotient
        return self.k.op("sub", a, self.k.op("mul", quotient, b))
