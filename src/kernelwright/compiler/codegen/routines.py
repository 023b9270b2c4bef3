"""Functions of our own in generated code, and the C library's, called on scalars and vectors.

A function that is more than a few instructions is written once for each number of lanes, as an
internal LLVM function, and called from everywhere: kernels stay small and LLVM compiles it once.
"""

from collections.abc import Callable, Sequence

from kernelwright.compiler.codegen.floats import FLOATS, Floats
from kernelwright.compiler.codegen.text import ELEMENT_BITS, FunctionText, Reg, llvm_type

Writer = Callable[..., Reg]
"""Writes the instructions of a function: takes the place where to write and the arguments, returns the result."""


def routine(k: Floats, name: str, write: Writer, *args: Reg, result: str = "", attributes: str = "") -> Reg:
    """Return a call of the internal function `name` that `write` writes; `result` is its element type.

    Arguments are brought to one shape; vectors longer than a register are computed register by register.
    """
    values = k.together(*args)
    result = result or values[0].element
    lanes = values[0].lanes
    most = k.features.vector_bytes * 8 // max(ELEMENT_BITS[value.element] for value in values)
    if lanes > most:
        half = lanes // 2
        low, high = (
            routine(k, name, write, *(k.part(v, at, half) for v in values), result=result, attributes=attributes)
            for at in (0, half)
        )
        return k.concat(low, high)
    symbol = f"kw_{name}_{'_'.join(value.element for value in values)}_{lanes}"
    if symbol not in k.f.declares:
        parameters = [Reg(value.element, lanes, f"%a{number}") for number, value in enumerate(values)]
        signature = ", ".join(parameter.typed for parameter in parameters)
        head = f"define internal {llvm_type(result, lanes)} @{symbol}({signature}) {attributes}"
        text = FunctionText(head.rstrip())
        value = write(Floats(text, k.features), *parameters)
        text.places[-1].end = f"ret {Reg(result, lanes, value.text).typed}"
        for callee, declaration in text.declares.items():
            k.f.declare(callee, declaration)
        k.f.declare(symbol, text.render())
    return k.call_exact(symbol, result, lanes, *values)


def library(k: Floats, name: str, *args: Reg, result: str = "") -> Reg:
    """Return the C library's function, lane by lane; its f32 form has the name with an f."""
    kind = next(arg.element for arg in args if arg.element in FLOATS)
    symbol = name + ("f" if kind == "f32" else "")
    result = result or kind
    parameters = ", ".join(llvm_type(arg.element, 0) for arg in args)

    def write(k: Floats, *values: Reg) -> Reg:
        k.f.declare(symbol, f"declare {llvm_type(result, 0)} @{symbol}({parameters})")
        lanes = values[0].lanes
        if not lanes:
            return k.call_exact(symbol, result, 0, *values)
        out = Reg(result, lanes, "poison")
        for lane in range(lanes):
            one = k.call_exact(symbol, result, 0, *(k.extract(value, lane) for value in values))
            out = k.insert(out, one, lane)
        return out

    scalar = all(not arg.lanes for arg in args)
    return write(k, *args) if scalar else routine(k, f"each_{symbol}", write, *args, result=result)


def in_double(write: Writer) -> Writer:
    """Return `write` computed in f64 and rounded once when its arguments are f32."""

    def wide(k: Floats, *args: Reg) -> Reg:
        if all(arg.element != "f32" for arg in args):
            return write(k, *args)
        return k.cast_float(write(k, *(k.cast_float(a, "f64") if a.element == "f32" else a for a in args)), "f32")

    return wide


def fma(k: Floats, a: Reg, b: Reg | float, c: Reg | float) -> Reg:
    """Return a * b + c, rounded once; numbers are of a's type."""
    return k.call("fma", *k.together(a, *(number(k, a, value) for value in (b, c))))


def horner(k: Floats, x: Reg, coefficients: Sequence[float]) -> Reg:
    """Return the polynomial with these coefficients, constant term first."""
    *lower, last = coefficients
    value = number(k, x, last)
    for coefficient in reversed(lower):
        value = fma(k, x, value, coefficient)
    return value


def number(k: Floats, like: Reg, value: Reg | float) -> Reg:
    """Return a literal of the type of `like`; a register passes through."""
    return value if isinstance(value, Reg) else k.constant(like.element, value)


def magnitude(k: Floats, x: Reg) -> Reg:
    """Return |x|."""
    return k.call("fabs", x)


def with_sign(k: Floats, value: Reg, sign: Reg) -> Reg:
    """Return |value| with the sign of `sign`."""
    return k.call("copysign", value, sign)
