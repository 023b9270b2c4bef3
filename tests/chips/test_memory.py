import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.chips.cpu.memory import GUARD_BYTES, Region, Store, poison
from kernelwright.chips.cpu.program import PlanRefused, element_bytes, pack_integers
from kernelwright.chips.cpu.rotation import copies_to_rotate
from kernelwright.core.plan import Buffer

SIZES = st.lists(st.tuples(st.integers(0, 5000), st.sampled_from([1, 2, 4, 8, 16, 32, 64])), min_size=1, max_size=6)


@given(SIZES, st.integers(0, 2**32))
def test_buffers_do_not_touch_and_keep_their_alignment_class(rows: list[tuple[int, int]], seed: int) -> None:
    sizes, aligns = [r[0] for r in rows], [r[1] for r in rows]
    region = Region(Store(0), sizes, aligns, np.random.default_rng(seed))
    end = 0
    for address, size, align in zip(region.addresses, sizes, aligns, strict=True):
        assert address % align == 0
        assert align == 64 or address % (2 * align) != 0
        assert address - end >= 2 * GUARD_BYTES or end == 0
        end = address + size
    for index in range(len(sizes)):
        poison(region.view(index), index)
    assert region.damaged() is None


@given(SIZES, st.data())
def test_a_write_next_to_a_buffer_is_seen(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    region = Region(Store(0), [r[0] for r in rows], [r[1] for r in rows], np.random.default_rng(0))
    index = data.draw(st.integers(0, len(rows) - 1))
    before = data.draw(st.booleans())
    distance = data.draw(st.integers(0, GUARD_BYTES - 1))
    offset = -1 - distance if before else rows[index][0] + distance
    at = region.addresses[index] + offset - region._block.address
    region._block.view[at] ^= 1
    assert region.damaged() == (index, offset)


@given(SIZES, st.data())
def test_no_byte_between_two_buffers_can_be_written_unseen(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    region = Region(Store(0), [r[0] for r in rows], [r[1] for r in rows], np.random.default_rng(0))
    at = data.draw(st.integers(0, region.addresses[-1] - region._block.address - 1))
    region._block.view[at] ^= 1
    address = region._block.address + at
    inside = any(a <= address < a + size for a, (size, _) in zip(region.addresses, rows, strict=True))
    assert (region.damaged() is None) == inside


def test_addresses_differ_from_run_to_run() -> None:
    store = Store(1 << 30)
    seen = set()
    for seed in range(20):
        region = Region(store, [1000], [64], np.random.default_rng(seed))
        seen.add(region.addresses)
        region.release()
    assert len(seen) > 10


def test_poison_is_nan_or_garbage_of_its_seed() -> None:
    first, second, third = (np.zeros(3000, np.uint8) for _ in range(3))
    poison(first, 0)
    assert (first == 255).all()
    poison(second, 1)
    poison(third, 3)
    assert len(set(second.tolist())) > 200
    assert not np.array_equal(second, third)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("f32", -np.inf, np.array(-np.inf, "<f4").tobytes()),
        ("f16", 1.5, np.array(1.5, "<f2").tobytes()),
        ("bf16", 1.0, b"\x80\x3f"),
        ("bf16", -np.inf, b"\x80\xff"),
        ("bf16", 1.00390625, b"\x80\x3f"),
        ("bf16", -0.0, b"\x00\x80"),
        ("i32", -1, b"\xff\xff\xff\xff"),
        ("i64", 2**40, (2**40).to_bytes(8, "little")),
        ("f8e4m3fn", 0.0, b"\x00"),
    ],
)
def test_fills_have_the_bytes_of_their_type(dtype: str, value: float, expected: bytes) -> None:
    assert element_bytes(dtype, value) == expected


def test_a_fill_without_exact_bytes_is_refused() -> None:
    with pytest.raises(PlanRefused):
        element_bytes("f8e4m3fn", 0.5)


def test_constants_are_packed_by_type() -> None:
    assert pack_integers(Buffer("t", "constant", "i32", 8, data=(1, -1))) == b"\x01\0\0\0\xff\xff\xff\xff"
    with pytest.raises(PlanRefused):
        pack_integers(Buffer("t", "constant", "i32", 12, data=(1, -1)))
    with pytest.raises(PlanRefused):
        pack_integers(Buffer("t", "constant", "i8", 1, data=(300,)))


@given(st.integers(0, 1 << 33))
def test_copies_pass_the_cache_or_are_the_most_that_are_made(size: int) -> None:
    llc = 32 << 20
    count = copies_to_rotate(size, llc)
    assert 1 <= count <= 64
    assert count >= 2 or size == 0
    assert (count - 1) * size >= 2 * llc or count == 64 or size == 0
