"""What one element of an op takes: operations of a thread by class, and results of the special unit.

Assumed, as nobody publishes what a chip's compiler makes of an op: one operation for each arithmetic op; a pointer or
64-bit integer is one `wide` operation; exponentials, logarithms, square roots and sines take one special result and
what scales their argument; library functions take the special results and the multiply-adds of a usual implementation.
"""

from dataclasses import dataclass, field

from kernelwright.chips.emulated.lowering.ttgir import Op
from kernelwright.chips.emulated.lowering.ttgir_types import TensorType, Type, element_bits
from kernelwright.compiler.ir import Pointer
from kernelwright.core.errors import UnsupportedOpError


@dataclass(frozen=True)
class ElementCost:
    """Operations of one element by class of lanes, and special results by class."""

    lanes: dict[str, float] = field(default_factory=dict)
    special: dict[str, float] = field(default_factory=dict)


FREE = ElementCost()
# Ops that rename registers or are worked out while compiling.
FREE_OPS = frozenset(
    """arith.constant ub.poison tt.make_range tt.splat tt.unsplat tt.expand_dims tt.broadcast tt.reshape tt.trans
    tt.join tt.split
    tt.cat tt.bitcast arith.bitcast tt.int_to_ptr tt.ptr_to_int tt.get_program_id tt.get_num_programs llvm.intr.assume
    ttg.memdesc_index ttg.memdesc_subslice ttg.memdesc_subview ttg.memdesc_trans ttg.memdesc_reshape
    ttg.memdesc_reinterpret ttg.local_dealloc tt.assert scf.yield scf.condition tt.return cf.br tt.reduce.return
    tt.scan.return tt.map_elementwise.return arith.index_cast ub.unreachable""".split()  # noqa: SIM905 - a table of names
)
_INTEGER = frozenset(
    """arith.addi arith.subi arith.muli arith.andi arith.ori arith.xori arith.shli arith.shrsi arith.shrui arith.minsi
    arith.maxsi arith.minui arith.maxui arith.extsi arith.extui arith.trunci arith.cmpi tt.addptr
    tt.mulhiui math.absi math.ctpop math.ctlz math.cttz arith.addui_extended arith.mulsi_extended
    arith.mului_extended""".split()  # noqa: SIM905 - a table of names
)
_FLOAT = frozenset(
    """arith.addf arith.subf arith.mulf arith.negf arith.maxnumf arith.minnumf arith.maximumf arith.minimumf arith.cmpf
    math.absf math.fma math.copysign math.isnan math.isinf math.isfinite""".split()  # noqa: SIM905 - a table of names
)
_DIVIDE = frozenset("arith.divsi arith.divui arith.remsi arith.remui arith.ceildivsi arith.floordivsi".split())  # noqa: SIM905
_CONVERT = frozenset(
    """arith.extf arith.truncf arith.sitofp arith.uitofp arith.fptosi arith.fptoui tt.fp_to_fp ttg.fp4_to_fp math.floor
    math.ceil math.round math.roundeven math.trunc""".split()  # noqa: SIM905 - a table of names
)
_OTHER: dict[str, ElementCost] = {
    "arith.select": ElementCost({"select": 1.0}),
    "tt.clampf": ElementCost({"f32": 2.0}),
    "tt.approx_divf": ElementCost({"divide": 1.0}),
    "arith.divf": ElementCost({"divide": 1.0}),
    "arith.remf": ElementCost({"divide": 1.0, "f32": 3.0}),
    "tt.precise_divf": ElementCost({"divide": 1.0, "f32": 8.0}),
    "tt.precise_sqrt": ElementCost({"f32": 8.0}, {"rsqrt": 1.0}),
    "math.exp": ElementCost({"f32": 1.0}, {"exp": 1.0}),
    "math.exp2": ElementCost({}, {"exp": 1.0}),
    "math.log": ElementCost({"f32": 1.0}, {"log": 1.0}),
    "math.log2": ElementCost({}, {"log": 1.0}),
    "math.sqrt": ElementCost({}, {"rsqrt": 1.0}),
    "math.rsqrt": ElementCost({}, {"rsqrt": 1.0}),
    "math.sin": ElementCost({"f32": 1.0}, {"sincos": 1.0}),
    "math.cos": ElementCost({"f32": 1.0}, {"sincos": 1.0}),
    "math.erf": ElementCost({"f32": 20.0, "select": 2.0}, {"exp": 1.0}),
    "math.tanh": ElementCost({"f32": 6.0, "select": 1.0}, {"exp": 1.0, "other": 1.0}),
}
# Library functions by name behind "__nv_", without the f of single precision.
_LIBRARY: dict[str, ElementCost] = {
    "exp": ElementCost({"f32": 4.0}, {"exp": 1.0}),
    "exp2": ElementCost({"f32": 2.0}, {"exp": 1.0}),
    "exp10": ElementCost({"f32": 4.0}, {"exp": 1.0}),
    "expm1": ElementCost({"f32": 12.0, "select": 2.0}, {"exp": 1.0}),
    "log": ElementCost({"f32": 14.0, "int": 4.0}),
    "log2": ElementCost({"f32": 12.0, "int": 4.0}),
    "log10": ElementCost({"f32": 14.0, "int": 4.0}),
    "log1p": ElementCost({"f32": 16.0, "int": 4.0}),
    "sqrt": ElementCost({"f32": 6.0}, {"rsqrt": 1.0}),
    "rsqrt": ElementCost({}, {"rsqrt": 1.0}),
    "tanh": ElementCost({"f32": 8.0, "select": 2.0}, {"exp": 1.0, "other": 1.0}),
    "erf": ElementCost({"f32": 20.0, "select": 2.0}, {"exp": 1.0}),
    "erfc": ElementCost({"f32": 24.0, "select": 2.0}, {"exp": 1.0}),
    "sin": ElementCost({"f32": 16.0, "int": 6.0, "select": 2.0}),
    "cos": ElementCost({"f32": 16.0, "int": 6.0, "select": 2.0}),
    "tan": ElementCost({"f32": 24.0, "int": 6.0, "divide": 1.0}),
    "pow": ElementCost({"f32": 40.0, "select": 6.0}, {"exp": 1.0, "other": 1.0}),
    "fabs": ElementCost({"f32": 1.0}),
    "floor": ElementCost({"convert": 1.0}),
    "ceil": ElementCost({"convert": 1.0}),
    "trunc": ElementCost({"convert": 1.0}),
    "rint": ElementCost({"convert": 1.0}),
    "nearbyint": ElementCost({"convert": 1.0}),
    "round": ElementCost({"convert": 1.0, "f32": 3.0}),
    "fmod": ElementCost({"divide": 1.0, "f32": 6.0}),
    "fma": ElementCost({"f32": 1.0}),
    "fmax": ElementCost({"f32": 1.0}),
    "fmin": ElementCost({"f32": 1.0}),
    "copysign": ElementCost({"int": 2.0}),
    "isnan": ElementCost({"f32": 1.0}),
    "isinf": ElementCost({"f32": 1.0}),
    "div_rn": ElementCost({"divide": 1.0, "f32": 8.0}),
    "fast_exp": ElementCost({"f32": 1.0}, {"exp": 1.0}),
    "fast_log": ElementCost({"f32": 1.0}, {"log": 1.0}),
    "fast_sin": ElementCost({"f32": 1.0}, {"sincos": 1.0}),
    "fast_cos": ElementCost({"f32": 1.0}, {"sincos": 1.0}),
    "fast_divide": ElementCost({"divide": 1.0}),
}


def element_cost(op: Op) -> ElementCost | None:
    """Return what one element of an op takes, None where an op is not one that works element by element.

    Raises UnsupportedOpError for a library function without a known cost.
    """
    if op.name in FREE_OPS:
        return FREE
    known = _OTHER.get(op.name)
    if known is not None:
        return known
    kind = (op.results or op.operands)[0].type if op.name != "arith.cmpi" else op.operands[0].type
    if op.name in _INTEGER:
        return ElementCost({"wide" if _bits(kind) > 32 else "int": 1.0})
    if op.name in _FLOAT:
        return ElementCost({"wide" if _bits(op.operands[0].type) > 32 else "f32": 1.0})
    if op.name in _DIVIDE:
        return ElementCost({"divide": 2.0 if _bits(kind) > 32 else 1.0})
    if op.name in _CONVERT:
        return ElementCost({"convert": 1.0})
    if op.name == "tt.extern_elementwise":
        return _library(op)
    if op.name == "tt.elementwise_inline_asm":
        lines = [line for line in str(op.attrs.get("message", "")).replace("\n", ";").split(";") if line.strip(" \t{}")]
        packed = op.attrs.get("packed_element", 1)
        return ElementCost({"int": len(lines) / (packed if isinstance(packed, int) else 1)})
    return None


def _library(op: Op) -> ElementCost:
    symbol = str(op.attrs.get("symbol", ""))
    name = symbol.removeprefix("__nv_")
    for key in (name, name.removesuffix("f")):
        known = _LIBRARY.get(key)
        if known is not None:
            return known
    raise UnsupportedOpError(f"line {op.line}: library function {symbol} has no known cost on an emulated chip")


def _bits(kind: Type) -> int:
    element = kind.element if isinstance(kind, TensorType) else kind
    if not isinstance(element, str | Pointer) or (isinstance(element, str) and element.startswith("!")):
        return 32
    return element_bits(element)
