"""Mathematical functions of generated code: our vector code where there is some, else the C library."""

from kernelwright.compiler.codegen import exponentials, logarithms, powers, sigmoids, trigonometry
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import Writer, library, routine
from kernelwright.compiler.codegen.text import Reg

# Short enough to stand where they are used; the others are internal functions.
INLINE: dict[str, Writer] = {"exp": exponentials.exp, "exp2": exponentials.exp2}
OURS: dict[str, Writer] = {
    "expm1": exponentials.expm1, "log": logarithms.log, "log2": logarithms.log2, "log10": logarithms.log10,
    "log1p": logarithms.log1p, "sin": trigonometry.sin, "cos": trigonometry.cos, "tan": trigonometry.tan,
    "tanh": sigmoids.tanh, "erf": sigmoids.erf, "pow": powers.power,
}  # fmt: skip


def function(k: Floats, name: str, *args: Reg) -> Reg:
    """Return function `name` of the C library's mathematics on f32 or f64.

    f32 is computed by code of ours where `INLINE` or `OURS` has it, the same on scalars and vectors. That needs fused
    multiply-add; on processors without it, and for f64, the C library is called lane by lane.
    """
    if args[0].element == "f32" and _has_fma(k):
        if name in INLINE:
            return INLINE[name](k, *args)
        if name in OURS:
            return routine(k, name, OURS[name], *args)
    return library(k, name, *k.together(*args))


def _has_fma(k: Floats) -> bool:
    return k.features.arch == "aarch64" or "+fma" in k.features.features.split(",")
