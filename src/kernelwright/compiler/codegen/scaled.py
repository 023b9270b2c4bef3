"""Scaled dots (`tt.dot_scaled`): rewritten to a plain dot of operands that are decoded and scaled first.

A block of 32 values along k shares one scale, a power of two (e8m0, NaN at 255). Four-bit values (e2m1) lie two to a
byte, along k or along the other dimension. A value times its scale is exact in bf16, so the dot is one of bf16.
"""

from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.lowering import Lowering
from kernelwright.compiler.codegen.nests import Nest, Offsets, PlainRoot, write_nest
from kernelwright.compiler.codegen.text import Reg, literal
from kernelwright.compiler.codegen.values import Buffer, Index, Lane
from kernelwright.compiler.ir import Function, Op, TensorType, Value, walk

SCALE_BLOCK = 32
SCALED_DOT = "tt.dot_scaled"
UNSCALE = "kw.unscale"
BYTE_FORMATS = {"e4m3": "f8e4m3fn", "e5m2": "f8e5m2"}


def rewrite_scaled_dots(function: Function) -> None:
    """Replace every `tt.dot_scaled` by two `kw.unscale` ops and a `tt.dot`, in place."""
    for op in list(walk(function.body)):
        if op.name == SCALED_DOT:
            _rewrite(op)


def _rewrite(op: Op) -> None:
    left, right, start, *scales = op.operands
    left_scale = scales.pop(0) if op.attrs["lhs_scale"] else None
    right_scale = scales.pop(0) if op.attrs["rhs_scale"] else None
    for value in set(op.operands):
        value.uses[:] = [use for use in value.uses if use is not op]
    kinds = [str(op.attrs["lhs"]), str(op.attrs["rhs"])]
    element = "f32" if "fp16" in kinds else "bf16"
    sides = [
        _unscaled(op, left, left_scale, 0, element, kinds[0]),
        _unscaled(op, right, right_scale, 1, element, kinds[1]),
    ]
    op.name, op.operands = "tt.dot", [*(side.result for side in sides), start]
    op.attrs = {"inputPrecision": "ieee", "maxNumImpreciseAcc": 0}
    for value in op.operands:
        value.uses.append(op)
    block = op.block
    assert block is not None
    block.ops[block.ops.index(op) : block.ops.index(op)] = sides


def _unscaled(dot: Op, value: Value, scale: Value | None, side: int, element: str, kind: str) -> Op:
    """Return the op that decodes one side; `packed` is the dimension that holds two values a byte, -1 for none."""
    rank = len(value.shape)
    k = rank - 1 - side
    is_along_k = bool(dot.attrs.get("lhs_k_pack" if side == 0 else "rhs_k_pack", True))
    packed = -1 if kind != "e2m1" else k if is_along_k else 2 * rank - 3 - k
    shape = tuple(size * 2 if dim == packed else size for dim, size in enumerate(value.shape))
    result = Value(-1 - 2 * dot.result.number - side, TensorType(shape, element), f"{value.name}.unscaled")
    operands = [value] if scale is None else [value, scale]
    attrs: dict[str, object] = {"kind": kind, "packed": packed, "k": k}
    op = Op(UNSCALE, operands, [result], attrs, [], dot.location, block=dot.block)
    result.op = op
    for operand in operands:
        operand.uses.append(op)
    return op


@dataclass(eq=False)
class Unscale(PlainRoot):
    """Decodes one side of a scaled dot into a buffer."""

    op: Op
    result: Buffer

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Decode one chunk of stored values."""
        packed = cast(int, self.op.attrs["packed"])
        value = e.reg(self.op.operands[0], index)
        if packed < 0:
            self._store(e, index, self._decoded(e, value))
            return
        halves = [_four_bits(e, value), _four_bits(e, e.k.op("lshr", value, e.k.constant("i8", 4)))]
        place = index[packed]
        if isinstance(place, Lane):
            pairs = [pick for lane in range(place.lanes) for pick in (lane, place.lanes + lane)]
            whole = Lane(e.times(place.base, 2), 2 * place.lanes)
            self._store(e, (*index[:packed], whole, *index[packed + 1 :]), e.k.shuffle(halves[0], halves[1], pairs))
            return
        first = e.times(place, 2)
        for number, half in enumerate(halves):
            at = e.plus(first, literal("i64", number))
            self._store(e, (*index[:packed], at, *index[packed + 1 :]), half)

    def _decoded(self, e: Evaluator, value: Reg) -> Reg:
        kind = str(self.op.attrs["kind"])
        if kind in BYTE_FORMATS:
            value = Reg(BYTE_FORMATS[kind], value.lanes, value.text, value.level)
        return e.k.cast_float(value, "f32")

    def _store(self, e: Evaluator, index: tuple[Index, ...], value: Reg) -> None:
        if len(self.op.operands) > 1:
            value = e.k.op("fmul", value, self._scale(e, index))
        e.memory.buffer_store(self.result, index, e.k.cast_float(value, self.result.element))

    def _scale(self, e: Evaluator, index: tuple[Index, ...]) -> Reg:
        """Return the scale of a chunk: stored by the side's other dimension and block of k."""
        k = cast(int, self.op.attrs["k"])
        rank = len(index)
        place = index[k]
        base = place.base if isinstance(place, Lane) else place
        block = e.k.op("lshr", base, literal("i64", SCALE_BLOCK.bit_length() - 1))
        bits = e.reg(self.op.operands[1], (*index[: rank - 2], index[2 * rank - 3 - k], block))
        wide = e.k.convert("zext", bits, "i32")
        power = e.k.op("shl", wide, e.k.constant("i32", 23))
        # 2**-127 is below the smallest normal number.
        power = e.k.select(e.k.compare("icmp eq", wide, e.k.constant("i32", 0)), e.k.constant("i32", 1 << 22), power)
        is_nan = e.k.compare("icmp eq", wide, e.k.constant("i32", 255))
        power = e.k.select(is_nan, e.k.constant("i32", 0x7FC00000), power)
        return e.k.bitcast(power, "f32", power.lanes)


def _four_bits(e: Evaluator, value: Reg) -> Reg:
    """Return the e2m1 numbers in the low four bits of bytes, as f32."""
    wide = e.k.convert("zext", value, "i32")
    magnitude = e.k.op("shl", e.k.op("and", wide, e.k.constant("i32", 7)), e.k.constant("i32", 22))
    sign = e.k.op("shl", e.k.op("and", wide, e.k.constant("i32", 8)), e.k.constant("i32", 28))
    number = e.k.op("fmul", e.k.bitcast(magnitude, "f32", value.lanes), e.k.constant("f32", 2.0**126))
    return e.k.bitcast(e.k.op("or", e.k.bitcast(number, "i32", value.lanes), sign), "f32", value.lanes)


def add_unscale(lowering: Lowering) -> None:
    """Teach `lowering` the op that decodes a side of a scaled dot."""

    def write(op: Op) -> None:
        for operand in op.operands:
            lowering.require(operand)
        shape = op.operands[0].shape
        last = len(shape) - 1
        result = lowering.scratch.buffer(op.result.shape, element_name(op.result), last)
        # Half a block of scales, so that a chunk of bytes with two values each has one scale.
        lanes = min(shape[last], SCALE_BLOCK // 2)
        write_nest(lowering.e, Nest(shape, last, lanes, tuple(range(len(shape)))), [Unscale(op, result)])
        lowering.e.buffers[-1][op.result] = result

    lowering.handlers[UNSCALE] = write
