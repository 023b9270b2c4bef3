"""Numbers as Triton IR prints them: decimals, hexadecimal bit patterns, dense lists and dense bytes."""

import re
import struct

from kernelwright.compiler.ir import TensorType, Type
from kernelwright.core.errors import CompileError
from kernelwright.core.plan import ELEMENT_BYTES

Number = bool | int | float

_INTEGERS = {"i1", "i8", "i16", "i32", "i64"}
# Mantissa bits, exponent bias and the bits of a NaN; f8e5m2 is the upper half of an f16.
_BYTE_FLOATS = {"f8e4m3fn": (3, 7, 0x7F), "f8e4m3fnuz": (3, 8, 0x80), "f8e5m2fnuz": (2, 16, 0x80)}
_LIST_ITEM = re.compile(r"[^\s,\[\]]+")


def parse_constant(text: str, kind: Type) -> Number | tuple[Number, ...]:
    """Return the value of a constant of type `kind`: one number for scalars and splats, else a flat tuple.

    Raises CompileError for a type that has no numbers.
    """
    if not isinstance(kind, TensorType):
        return parse_number(text, _element_name(kind))
    element = _element_name(kind)
    inside = text[len("dense<") : -1]
    if inside.startswith('"'):
        return decode_bytes(bytes.fromhex(inside[3:-1]), element, kind.size)
    if not inside.startswith("["):
        return parse_number(inside, element)
    return tuple(parse_number(item, element) for item in _LIST_ITEM.findall(inside))


def parse_number(text: str, element: str) -> Number:
    """Return the number that `text` writes for element type `element`; hexadecimal is its bit pattern."""
    if element == "i1":
        return text in ("true", "1", "-1")
    if element in _INTEGERS:
        return int(text, 0)
    if text.startswith("0x"):
        return float_of_bits(int(text, 16), element)
    return float(text)


def decode_bytes(data: bytes, element: str, count: int) -> Number | tuple[Number, ...]:
    """Return the numbers of a dense constant's raw little-endian bytes; one of them alone when it is a splat."""
    if element == "i1":
        # One byte an element since LLVM 22, packed bits before.
        bits = [bool(byte) for byte in data] if len(data) == count else _unpacked_bits(data, count)
        return bits[0] if len(bits) == 1 else tuple(bits)
    size = ELEMENT_BYTES[element]
    words = [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
    if element in _INTEGERS:
        top = 1 << (8 * size - 1)
        numbers: list[Number] = [(word ^ top) - top for word in words]
    else:
        numbers = [float_of_bits(word, element) for word in words]
    return numbers[0] if len(numbers) == 1 and count != 1 else tuple(numbers)


def float_of_bits(bits: int, element: str) -> float:
    """Return the value of a floating-point bit pattern of type `element`."""
    if element == "f64":
        return float(struct.unpack("<d", struct.pack("<Q", bits))[0])
    if element == "f32":
        return float(struct.unpack("<f", struct.pack("<I", bits))[0])
    if element == "bf16":
        return float(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    if element == "f16":
        return float(struct.unpack("<e", struct.pack("<H", bits))[0])
    if element == "f8e5m2":
        return float(struct.unpack("<e", struct.pack("<H", bits << 8))[0])
    if element in _BYTE_FLOATS:
        return _float_of_byte(bits, *_BYTE_FLOATS[element])
    raise CompileError(f"a constant must be of a known element type, got {element}")


def _float_of_byte(bits: int, mantissa: int, bias: int, nan: int) -> float:
    if nan in (bits, bits & 0x7F):
        return float("nan")
    sign = -1.0 if bits & 0x80 else 1.0
    exponent, fraction = (bits & 0x7F) >> mantissa, bits & ((1 << mantissa) - 1)
    if exponent == 0:
        return sign * fraction * 2.0 ** (1 - bias - mantissa)
    return sign * (1 + fraction / (1 << mantissa)) * 2.0 ** (exponent - bias)


def _unpacked_bits(data: bytes, count: int) -> list[bool]:
    if len(data) == 1 and data[0] in (0, 0xFF):
        return [data[0] != 0]
    return [bool(data[i // 8] >> (i % 8) & 1) for i in range(count)]


def _element_name(kind: Type) -> str:
    element = kind.element if isinstance(kind, TensorType) else kind
    if not isinstance(element, str):
        raise CompileError(f"a constant must be a number, got a pointer to {element.pointee}")
    return element
