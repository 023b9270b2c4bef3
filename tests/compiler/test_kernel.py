"""Argument blocks hold what was passed; faults name line, program and buffer."""

import ctypes
import math
import struct

import numpy as np
import pytest

from kernelwright.compiler.ir import Location
from kernelwright.compiler.kernel import MemoryFault, MemoryRange, NativeKernel
from kernelwright.core.errors import RequestError
from tests.compiler.bodies import COPY_BLOCK, FAULT, linked


def packed(types: tuple[str, ...], values: tuple[float, ...], grid: tuple[int, int, int] = (1, 1, 1)) -> bytes:
    """Return the slots behind the first pointer, as the body saw them."""
    size = 8 * (4 + len(types))
    kernel = NativeKernel("k", ("ptr", *types), 0, "", linked(COPY_BLOCK.format(size=size)))
    seen = (ctypes.c_char * size)()
    kernel.launch(grid, (ctypes.addressof(seen), *values), threads=1)
    assert struct.unpack_from("<qqq", seen.raw) == grid
    return seen.raw[32:]


def test_the_block_starts_with_the_grid() -> None:
    assert packed((), (), (3, 2, 5)) == b""


@pytest.mark.parametrize(
    ("kind", "value", "slot"),
    [
        ("i1", True, 1),
        ("i8", -3, -3),
        ("i8", 200, -56),
        ("i32", 2**32 - 1, -1),
        ("i64", 2**63 + 1, -(2**63) + 1),
        ("i64", -5, -5),
    ],
)
def test_integers_are_sign_extended(kind: str, value: int, slot: int) -> None:
    assert struct.unpack("<q", packed((kind,), (value,))) == (slot,)


@pytest.mark.parametrize(
    ("kind", "code", "value", "held"),
    [
        ("f64", "d", 0.1, 0.1),
        ("f32", "f4x", 0.1, float(np.float32(0.1))),
        ("f32", "f4x", 1e300, math.inf),
        ("f32", "f4x", 3, 3.0),
        ("f16", "e6x", 0.1, float(np.float16(0.1))),
        ("f16", "e6x", -1e6, -math.inf),
        ("f16", "e6x", 65519.0, 65504.0),
    ],
)
def test_floats_are_rounded_to_their_type(kind: str, code: str, value: float, held: float) -> None:
    assert struct.unpack(f"<{code}", packed((kind,), (value,))) == (held,)


@pytest.mark.parametrize(
    ("value", "bits"),
    [(1.0, 0x3F80), (1.00390625, 0x3F80), (1.01171875, 0x3F82), (-2.5, 0xC020), (math.inf, 0x7F80), (1e300, 0x7F80)],
)
def test_brain_floats_round_to_even(value: float, bits: int) -> None:
    assert struct.unpack("<H6x", packed(("bf16",), (value,))) == (bits,)


def test_nan_stays_nan_as_a_brain_float() -> None:
    (bits,) = struct.unpack("<H6x", packed(("bf16",), (math.nan,)))
    assert bits & 0x7F80 == 0x7F80 and bits & 0x7F


def test_arguments_that_do_not_fit_are_refused() -> None:
    kernel = NativeKernel("k", ("ptr", "i32"), 0, "", linked(COPY_BLOCK.format(size=40)))
    with pytest.raises(RequestError, match="kernel k must get 2 arguments, got 1"):
        kernel.launch((1, 1, 1), (0,))
    with pytest.raises(RequestError, match="i32 takes integers"):
        kernel.launch((1, 1, 1), (0, 1.5))
    with pytest.raises(RequestError, match="must fit their types"):
        kernel.launch((1, 1, 1), (-1, 1))
    with pytest.raises(RequestError, match="a grid must be three numbers"):
        kernel.launch((1, -1, 1), (0, 1))
    with pytest.raises(RequestError, match="must be pointers or numbers, got tensordesc"):
        NativeKernel("k", ("tensordesc",), 0, "", linked(COPY_BLOCK.format(size=40))).launch((1, 1, 1), (0,))


def test_an_empty_grid_runs_nothing() -> None:
    NativeKernel("k", ("ptr",), 0, "", linked(COPY_BLOCK.format(size=32))).launch((4, 0, 1), (0,))


def checked_kernel() -> NativeKernel:
    lines = {3: Location("k.py", 17)}
    return NativeKernel("k", ("ptr", "i64", "i64"), 0, "", linked(FAULT), lines, checked=True)


def fault(kind: int, offset: int, writable: bool = False) -> MemoryFault:
    memory = np.zeros(100, np.int32)
    ranges = [MemoryRange(memory.ctypes.data, 400, writable, "x")]
    with pytest.raises(MemoryFault) as caught:
        checked_kernel().launch((3, 2, 2), (memory.ctypes.data, kind, offset), 2, ranges)
    return caught.value


def test_a_checked_kernel_without_a_fault_returns() -> None:
    checked_kernel().launch((3, 2, 2), (0, 0, 0))


def test_a_read_behind_a_buffer_names_line_program_and_distance() -> None:
    found = fault(1, 400)
    assert str(found) == (
        "line 17 of k must stay inside x: program (1, 0, 1) reads 4 bytes at byte 400 of x, "
        "which has 400 (allowed: 0 to 399). Mask the access or check its index."
    )
    assert (found.line, found.program, found.buffer, found.offset_bytes, found.is_write) == (
        17,
        (1, 0, 1),
        "x",
        400,
        False,
    )
    assert (found.facts["offset_bytes"], found.facts["buffer_bytes"], found.facts["size_bytes"]) == (400, 400, 4)


def test_a_write_to_an_input_says_so() -> None:
    found = fault(2, 8)
    assert str(found).startswith("line 17 of k must not write to x: program (1, 0, 1) writes 4 bytes at byte 8 of x")
    assert found.is_write


def test_a_write_before_a_buffer_has_a_negative_offset() -> None:
    assert fault(2, -4, writable=True).offset_bytes == -4


def test_a_wild_access_tells_no_offset() -> None:
    found = fault(1, 1 << 40)
    assert found.buffer == ""
    assert "far from all of them" in str(found)
