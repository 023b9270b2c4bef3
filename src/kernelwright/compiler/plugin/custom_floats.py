"""Conversions of fp8e4b15, which has no type in Triton IR: a sign, four exponent bits of bias 15, three of mantissa.

Its exponent has fp16's bias, so it is the upper part of an fp16 without the top exponent bit.
"""

from typing import Any

from triton.language import core

_LARGEST_AS_HALF = 0x3F80
_DROPPED_BITS = 7


@core.builtin  # type: ignore[untyped-decorator]  # triton ships no types
def convert_custom_types(arg: Any, dst_ty: Any, fp_downcast_rounding: Any = None, _semantic: Any = None) -> Any:
    """Return `arg` as `dst_ty`; one of the two is fp8e4b15.

    To fp8e4b15 magnitudes are rounded to nearest, ties away from zero, and the largest number stands for all above.
    """
    if arg.type.scalar.is_fp8e4b15():
        half = _to_half(arg, _semantic)
        return half if dst_ty.scalar.is_fp16() else half.to(dst_ty.scalar, _semantic=_semantic)
    if not arg.type.scalar.is_fp16():
        arg = arg.to(core.float32, _semantic=_semantic)
        arg = arg.to(core.float16, fp_downcast_rounding="rtz", _semantic=_semantic)
    return _from_half(arg, _semantic)


def _to_half(arg: Any, semantic: Any) -> Any:
    bits = arg.to(core.uint8, bitcast=True, _semantic=semantic).to(core.uint16, _semantic=semantic)
    sign = bits.__and__(0x80, _semantic=semantic).__lshift__(8, _semantic=semantic)
    magnitude = bits.__and__(0x7F, _semantic=semantic).__lshift__(_DROPPED_BITS, _semantic=semantic)
    return sign.__or__(magnitude, _semantic=semantic).to(core.float16, bitcast=True, _semantic=semantic)


def _from_half(arg: Any, semantic: Any) -> Any:
    bits = arg.to(core.uint16, bitcast=True, _semantic=semantic)
    sign = bits.__rshift__(8, _semantic=semantic).__and__(0x80, _semantic=semantic)
    magnitude = core.minimum(bits.__and__(0x7FFF, _semantic=semantic), _LARGEST_AS_HALF, _semantic=semantic)
    rounded = magnitude.__add__(1 << (_DROPPED_BITS - 1), _semantic=semantic)
    small = rounded.__rshift__(_DROPPED_BITS, _semantic=semantic)
    number = sign.__or__(small, _semantic=semantic).to(core.uint8, _semantic=semantic)
    return number.to(core.float8e4b15, bitcast=True, _semantic=semantic)
