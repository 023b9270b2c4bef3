"""Mathematical functions of generated code: our vector code where there is some, else the C library."""

from kernelwright.compiler.codegen import exponentials
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import Writer, library
from kernelwright.compiler.codegen.text import Reg

# Short enough to stand where they are used; the others are internal functions.
INLINE: dict[str, Writer] = {"exp": exponentials.exp, "exp2": exponentials.exp2}


def function(k: Floats, name: str, *args: Reg) -> Reg:
    """Return function `name` of the C library's mathematics on f32 or f64.

    exp and exp2 of f32 are ours.
    """
    args = k.together(*args)
    if args[0].element == "f32" and name in INLINE:
        return INLINE[name](k, *args)
    return library(k, name, *args)
