"""sin, cos and tan in f32, on scalars and vectors.

The argument less the nearest multiple of pi/2 is computed in f64 with pi/2 in two parts, which is exact to far more
than f32 for |x| <= 2**30. Larger arguments, infinities and NaN go to the C library, in the rare case that a vector
has one.
Polynomials on [-pi/4, pi/4] are minimax, from a Remez iteration of ours: relative errors sin 4.9e-12, cos 1.2e-10,
tan 1.5e-9. Largest errors seen: sin 1.49 ulp, cos 1.49, tan 2.41.
"""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import fma, horner, library, magnitude, number
from kernelwright.compiler.codegen.text import Reg

_SIN = (-0.1666666716337204, 0.008333329111337662, -0.0001983933470910415, 2.71831163445313e-06)
_COS = (0.04166664555668831, -0.0013887316454201937, 2.44331567955669e-05)
_TAN = (
    0.3333335220813751, 0.13332609832286835, 0.0540655255317688, 0.02125503309071064, 0.01090222131460905,
    9.68080075836042e-06, 0.0044138082303106785,
)  # fmt: skip
_FAR = 2.0**30
_TWO_OVER_PI = 0.6366197723675814
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)


def sin(k: Floats, x: Reg) -> Reg:
    """Return sin(x)."""
    quadrant, r = _reduce(k, x)
    value = _sine_or_cosine(k, quadrant, r)
    zero = k.compare("fcmp oeq", x, number(k, x, 0.0))
    return _with_far(k, "sin", x, k.select(zero, x, value))


def cos(k: Floats, x: Reg) -> Reg:
    """Return cos(x)."""
    quadrant, r = _reduce(k, x)
    return _with_far(k, "cos", x, _sine_or_cosine(k, k.op("add", quadrant, k.constant("i32", 1)), r))


def tan(k: Floats, x: Reg) -> Reg:
    """Return tan(x)."""
    quadrant, r = _reduce(k, x)
    square = k.op("fmul", r, r)
    near = fma(k, k.op("fmul", r, square), horner(k, square, _TAN), r)
    turned = k.op("fdiv", number(k, x, -1.0), near)
    value = k.select(_has_bit(k, quadrant, 1), turned, near)
    zero = k.compare("fcmp oeq", x, number(k, x, 0.0))
    return _with_far(k, "tan", x, k.select(zero, x, value))


def _reduce(k: Floats, x: Reg) -> tuple[Reg, Reg]:
    """Return (n, x - n * pi/2) with n the nearest whole number, as i32 and f32."""
    wide = k.cast_float(x, "f64")
    count = k.call("rint", k.op("fmul", wide, number(k, wide, _TWO_OVER_PI)))
    minus = k.op("fneg", count)
    rest = fma(k, minus, _HALF_PI[1], fma(k, minus, _HALF_PI[0], wide))
    return k.convert("fptosi", count, "i32"), k.cast_float(rest, "f32")


def _sine_or_cosine(k: Floats, quadrant: Reg, r: Reg) -> Reg:
    """Return the sine of `quadrant` right angles plus r."""
    square = k.op("fmul", r, r)
    sine = fma(k, k.op("fmul", r, square), horner(k, square, _SIN), r)
    half = fma(k, square, -0.5, 1.0)
    # What rounding 1 - r**2 / 2 left, then the rest of the series.
    lost = fma(k, square, -0.5, k.op("fsub", number(k, r, 1.0), half))
    cosine = k.op("fadd", half, fma(k, k.op("fmul", square, square), horner(k, square, _COS), lost))
    value = k.select(_has_bit(k, quadrant, 1), cosine, sine)
    return k.select(_has_bit(k, quadrant, 2), k.op("fneg", value), value)


def _has_bit(k: Floats, value: Reg, bit: int) -> Reg:
    return k.compare("icmp ne", k.op("and", value, k.constant("i32", bit)), k.constant("i32", 0))


def _with_far(k: Floats, name: str, x: Reg, near: Reg) -> Reg:
    """Return `near`, and the C library's function in lanes that are out of reach, by a branch seldom taken."""
    is_far = k.compare("fcmp ugt", magnitude(k, x), number(k, x, _FAR))
    any_far = is_far
    if x.lanes:
        reduction = f"llvm.vector.reduce.or.v{x.lanes}i1"
        k.f.declare(reduction, f"declare i1 @{reduction}({is_far.type})")
        any_far = k.call_exact(reduction, "i1", 0, is_far)
    slot = k.f.alloca(near.type, "angle")
    k.f.line(f"store {near.typed}, ptr {slot}")
    beyond, done = k.f.new_block("far"), k.f.new_block("done")
    k.f.branch(any_far, beyond, done)
    k.f.places[-1] = beyond
    value = k.select(is_far, library(k, name, x), near)
    k.f.line(f"store {value.typed}, ptr {slot}")
    k.f.jump(done)
    return k.f.emit(near.element, near.lanes, f"load {near.type}, ptr {slot}", 0)
