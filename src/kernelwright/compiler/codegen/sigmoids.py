"""tanh and erf in f32, on scalars and vectors: odd functions that level off at 1.

Near 0 both are x times a polynomial in x**2 (relative errors tanh 3.9e-10, erf 3.4e-11 for |x| <= 1), beyond it 1
less an exponential: 2 / (exp(2x) + 1), and 2**P(x) with P of degree 7 for erfc. Coefficients from a Remez
iteration of ours.
Largest errors seen: tanh 1.15 ulp, erf 1.24.
"""

from kernelwright.compiler.codegen.exponentials import clamp, exp, exp2
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import fma, horner, magnitude, number, with_sign
from kernelwright.compiler.codegen.text import Reg

# (tanh(x) - x) / x**3
_TANH = (
    -0.333333283662796, 0.1333319991827011, -0.05395309999585152, 0.02178473025560379, -0.008595113642513752,
    0.0030785934068262577, -0.0008411367889493704, 0.00012147064990131184,
)  # fmt: skip
# erf(x) / x - 1
_ERF = (
    0.12837916612625122, -0.37612637877464294, 0.11283782124519348, -0.0268654003739357, 0.005220945458859205,
    -0.0008482829434797168, 0.00011256950529059395, -9.641524229664356e-06,
)  # fmt: skip
# log2(erfc(x)) on [1, 4]
_ERFC = (
    0.00027190192486159503, -1.6296398639678955, -0.9135381579399109, -0.1564200222492218, 0.03637083247303963,
    -0.0060669430531561375, 0.0006369103211909533, -3.1303035939345136e-05,
)  # fmt: skip


def tanh(k: Floats, x: Reg) -> Reg:
    """Return the hyperbolic tangent."""
    size = magnitude(k, x)
    square = k.op("fmul", x, x)
    near = fma(k, k.op("fmul", square, size), horner(k, square, _TANH), size)
    one = number(k, x, 1.0)
    growth = k.op("fadd", exp(k, k.op("fadd", size, size)), one)
    far = k.op("fsub", one, k.op("fdiv", number(k, x, 2.0), growth))
    return with_sign(k, k.select(k.compare("fcmp olt", size, one), near, far), x)


def erf(k: Floats, x: Reg) -> Reg:
    """Return the error function."""
    size = magnitude(k, x)
    near = fma(k, size, horner(k, k.op("fmul", x, x), _ERF), size)
    one = number(k, x, 1.0)
    # At 4 the result is 1.
    far = k.op("fsub", one, exp2(k, horner(k, clamp(k, size, 0.0, 4.0), _ERFC)))
    return with_sign(k, k.select(k.compare("fcmp olt", size, one), near, far), x)
