"""Arithmetic and conversions in a rounding mode that is not round to nearest even.

Float arithmetic is done by the processor in that mode, in a function that sets the mode and sets
it back: exact in every case, overflow and subnormal numbers included. Conversions between integers
and floats work on the bits and need no mode.
"""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import Writer, number, routine
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg

# Suffixes of NVIDIA's names, and LLVM's numbers of the modes.
MODES = {"rz": 0, "ru": 2, "rd": 3}
_NEAREST = 1
_ROUNDERS = {"rn": "roundeven", "rz": "trunc", "ru": "ceil", "rd": "floor", "away": "round"}
_MANTISSA_BITS = {"f32": 24, "f64": 53}
_SET_MODE = "llvm.set.rounding"


def directed(op: str, mode: str, result: str = "") -> Writer:
    """Return the writer of a float op (fadd, fsub, fmul, fdiv, sqrt, fma, fptrunc) rounded by `mode`.

    Modes: rn (nearest even), rz (toward zero), ru (up), rd (down).
    """

    def write(k: Floats, *args: Reg) -> Reg:
        if mode == "rn":
            return _nearest(k, op, args, result)
        name = f"{op}_{mode}"
        return routine(k, name, _in_mode(op, mode, result), *args, result=result, attributes="noinline strictfp")

    return write


def reciprocal(mode: str) -> Writer:
    """Return the writer of 1 / x rounded by `mode`."""
    divide = directed("fdiv", mode)
    return lambda k, x: divide(k, *k.together(k.constant(x.element, 1.0), x))


def _nearest(k: Floats, op: str, args: tuple[Reg, ...], result: str) -> Reg:
    if op in ("sqrt", "fma"):
        return k.call(op, *args)
    return k.convert(op, args[0], result) if result else k.op(op, *args)


def _in_mode(op: str, mode: str, result: str) -> Writer:
    def write(k: Floats, *args: Reg) -> Reg:
        k.f.declare(_SET_MODE, f"declare void @{_SET_MODE}(i32)")
        k.f.line(f"call void @{_SET_MODE}(i32 {MODES[mode]})")
        element, lanes = result or args[0].element, args[0].lanes
        kinds = [Reg(result, lanes, "")] * bool(result) + [args[0]]
        suffix = ".".join(f"v{kind.lanes}{kind.element}" if lanes else kind.element for kind in kinds)
        name = f"llvm.experimental.constrained.{op}.{suffix}"
        returned = Reg(element, lanes, "").type
        k.f.declare(name, f"declare {returned} @{name}({', '.join(a.type for a in args)}, metadata, metadata)")
        arguments = ", ".join(a.typed for a in args)
        text = f'call {returned} @{name}({arguments}, metadata !"round.dynamic", metadata !"fpexcept.ignore") strictfp'
        value = k.f.emit(element, lanes, text, 0)
        k.f.line(f"call void @{_SET_MODE}(i32 {_NEAREST})")
        return value

    return write


def float_to_int(element: str, is_signed: bool, mode: str) -> Writer:
    """Return the writer of a conversion to i32 or i64 that rounds by `mode` ("away": halves from zero) and saturates.

    NaN gives 0 for f32 to 32 bits, else the integer with only the top bit, as NVIDIA's `cvt` does.
    """

    def write(k: Floats, x: Reg) -> Reg:
        whole = k.call(_ROUNDERS[mode], x)
        limited = saturated(k, whole, element, is_signed)
        if x.element == "f32" and element == "i32":
            return limited
        top = k.constant(element, -(1 << (ELEMENT_BITS[element] - 1)))
        return k.select(k.compare("fcmp uno", x, x), top, limited)

    return write


def float_to_integer(k: Floats, x: Reg, element: str, is_signed: bool) -> Reg:
    """Return an f32 or f64 truncated to an integer of any width.

    Numbers beyond 32 bits (64 for i64) stop at their limits and NaN gives 0, as on a GPU: a negative number is 0 as an
    unsigned one. Of a narrower integer the low bits of that are kept.
    """
    if ELEMENT_BITS[element] >= 32:
        return saturated(k, x, element, is_signed)
    return k.convert("trunc", saturated(k, x, "i32", is_signed), element)


def saturated(k: Floats, x: Reg, element: str, is_signed: bool) -> Reg:
    """Return a float truncated to an integer, limited to the range of the integer; NaN gives 0."""
    kinds = [f"v{x.lanes}{kind}" if x.lanes else kind for kind in (element, x.element)]
    name = f"llvm.fpto{'s' if is_signed else 'u'}i.sat.{'.'.join(kinds)}"
    k.f.declare(name, f"declare {Reg(element, x.lanes, '').type} @{name}({x.type})")
    return k.call_exact(name, element, x.lanes, x)


def int_to_float(element: str, is_signed: bool, mode: str) -> Writer:
    """Return the writer of a conversion of i32 or i64 to f32 or f64 rounded by `mode`, or to odd ("odd")."""

    def write(k: Floats, x: Reg) -> Reg:
        convert = "sitofp" if is_signed else "uitofp"
        if mode == "rn" or ELEMENT_BITS[x.element] <= _MANTISSA_BITS[element]:
            return k.convert(convert, x, element)
        return _from_leading_bits(k, x, element, is_signed, mode)

    return write


def _from_leading_bits(k: Floats, x: Reg, element: str, is_signed: bool, mode: str) -> Reg:
    """Return x converted by way of its leading bits, which fit the mantissa, and one step outward or none."""
    kind = x.element
    zero = k.constant(kind, 0)
    never = k.constant("i1", 0)
    negative = k.compare("icmp slt", x, zero) if is_signed else never
    size = k.select(negative, k.op("sub", zero, x), x)
    bits, kept = ELEMENT_BITS[kind], _MANTISSA_BITS[element]
    zeros = with_flag(k, "ctlz", size)
    dropped = k.call("smax", k.op("sub", number(k, x, bits - kept), zeros), zero)
    leading = k.op("shl", k.op("lshr", size, dropped), dropped)
    exact = k.bitcast(k.convert("uitofp", leading, element), f"i{ELEMENT_BITS[element]}", x.lanes)
    inexact = k.compare("icmp ne", leading, size)
    if mode == "odd":
        stepped = k.op("or", exact, k.convert("zext", inexact, exact.element))
    else:
        outward = {"rz": never, "ru": k.op("xor", negative, k.constant("i1", 1)), "rd": negative}[mode]
        stepped = k.op("add", exact, k.convert("zext", k.op("and", inexact, outward), exact.element))
    value = k.bitcast(stepped, element, x.lanes)
    return k.select(negative, k.op("fneg", value), value)


def with_flag(k: Floats, name: str, value: Reg) -> Reg:
    """Return `llvm.abs`, `llvm.ctlz` or `llvm.cttz`, defined for every operand."""
    suffix = f"v{value.lanes}{value.element}" if value.lanes else value.element
    full = f"llvm.{name}.{suffix}"
    k.f.declare(full, f"declare {value.type} @{full}({value.type}, i1)")
    return k.call_exact(full, value.element, value.lanes, value, Reg("i1", 0, "false"))
