"""Traced launches: ordered programs pass, races, reads of unwritten memory and endless waits are found and told."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

from kernelwright.compiler import (
    CompileOptions,
    EndlessWaitFault,
    MemoryFault,
    MemoryRange,
    NativeKernel,
    RaceFault,
    Shadow,
    UnwrittenFault,
    compile_ttir,
)
from kernelwright.compiler import trace as tracing
from kernelwright.core.errors import OverLimitError, RequestError
from tests.compiler import kernels, race_kernels
from tests.compiler.test_reader import BF16, F32, I32, ttir

N, BLOCK = 1000, 128
GRID = 8


class Bench:
    """A kernel compiled for tensors, and launches of it."""

    def __init__(
        self,
        kernel: Any,
        tensors: Mapping[str, torch.Tensor],
        *numbers: int,
        noalias: bool = False,
        **constants: object,
    ) -> None:
        self.tensors = tensors
        self.numbers = numbers
        text = ttir(kernel, *tensors.values(), *numbers, **constants)
        self.kernel = compile_ttir(text, CompileOptions(checked=True, races=True, noalias=noalias))

    def ranges(self) -> list[MemoryRange]:
        return [MemoryRange(t.data_ptr(), t.nbytes, name != "x", name) for name, t in self.tensors.items()]

    def launch(self, programs: int = GRID, shadow: Shadow | None = None, unwritten: Sequence[str] = ()) -> Shadow:
        ranges = self.ranges()
        shadow = shadow or Shadow([r for r in ranges if r.name in unwritten])
        args = [*(t.data_ptr() for t in self.tensors.values()), *self.numbers]
        self.kernel.launch((programs, 1, 1), args, 2, ranges, shadow)
        return shadow

    def fault(self, programs: int = GRID, shadow: Shadow | None = None, unwritten: Sequence[str] = ()) -> MemoryFault:
        with pytest.raises(MemoryFault) as caught:
            self.launch(programs, shadow, unwritten)
        return caught.value

    def race(self, programs: int = GRID, shadow: Shadow | None = None) -> RaceFault:
        found = self.fault(programs, shadow)
        assert isinstance(found, RaceFault)
        return found


def floats(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape)


def integers(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=I32)


def source_line(number: int) -> str:
    with open(race_kernels.__file__) as file:
        return file.read().split("\n")[number - 1]


def arriving(sem: str) -> Bench:
    tensors = {"x": torch.randn(N), "partial": floats(GRID), "counter": integers(1), "out": floats(1)}
    return Bench(race_kernels.last_arriver, tensors, N, BLOCK=BLOCK, COUNT=GRID, SEM=sem)


# --- programs that are in order


@pytest.mark.parametrize("backwards", [False, True])
def test_a_last_arriver_may_read_what_the_others_wrote(backwards: bool) -> None:
    bench = arriving("acq_rel")
    assert bench.launch(shadow=Shadow(backwards=backwards)).was_ordered
    torch.testing.assert_close(bench.tensors["out"][0], bench.tensors["x"].sum())


def test_programs_may_share_memory_through_atomics_alone() -> None:
    bench = Bench(race_kernels.split_sum, {"x": torch.randn(N), "out": floats(64)}, N, BLOCK=BLOCK, WIDTH=64)
    assert not bench.launch().was_ordered
    padded = torch.nn.functional.pad(bench.tensors["x"], (0, 1024 - N))
    torch.testing.assert_close(bench.tensors["out"], padded.view(-1, 64).sum(0))


@pytest.mark.parametrize("free", ["release", "acq_rel"])
def test_a_lock_by_compare_and_swap_orders(free: str) -> None:
    tensors = {"x": torch.randn(N), "lock": integers(1), "out": floats(BLOCK)}
    bench = Bench(race_kernels.under_lock, tensors, BLOCK=BLOCK, FREE=free)
    assert bench.launch(7).was_ordered
    torch.testing.assert_close(tensors["out"], tensors["x"][: 7 * BLOCK].view(7, BLOCK).sum(0))


@pytest.mark.parametrize("backwards", [False, True])
def test_locks_of_default_order_and_what_they_guard_pass(backwards: bool) -> None:
    tensors = {"x": torch.randn(N), "lock": integers(1), "out": floats(BLOCK)}
    assert Bench(race_kernels.under_exchanged_lock, tensors, BLOCK=BLOCK).launch(7, Shadow((), backwards)).was_ordered
    tensors = {"x": torch.randn(N), "lock": integers(1), "count": integers(1), "out": floats(BLOCK)}
    assert Bench(race_kernels.first_come, tensors, BLOCK=BLOCK).launch(7, Shadow((), backwards)).was_ordered


def test_a_program_may_wait_for_one_before_it() -> None:
    tensors = {"x": torch.randn(N), "flags": integers(GRID), "out": floats(N)}
    assert Bench(race_kernels.chain, tensors, BLOCK=BLOCK).launch(7).was_ordered


def test_a_load_is_not_moved_behind_the_atomic_that_hands_its_memory_over() -> None:
    tensors = {"data": floats(BLOCK), "flag": integers(1), "out": floats(BLOCK)}
    bench = Bench(race_kernels.hand_over, tensors, noalias=True, BLOCK=BLOCK)
    assert bench.launch(2).was_ordered


def test_programs_with_bytes_of_their_own_pass_whatever_their_width() -> None:
    out = torch.zeros(45, dtype=BF16)
    Bench(race_kernels.narrow, {"out": out}, WIDTH=9, BLOCK=16).launch(5)
    tensors = {"x": torch.randn(N), "out": floats(N)}
    Bench(race_kernels.overlapping_blocks, tensors, N, STEP=BLOCK, BLOCK=BLOCK).launch()
    tensors = {"x": torch.randn(N), "indices": torch.randperm(N).to(I32), "out": floats(N)}
    Bench(race_kernels.scatter, tensors, N, BLOCK=BLOCK).launch()


def test_launches_one_after_the_other_are_in_order() -> None:
    tensors = {"x": torch.randn(N), "out": floats(N)}
    bench = Bench(race_kernels.overlapping_blocks, tensors, N, STEP=BLOCK, BLOCK=BLOCK)
    shadow = bench.launch()
    bench.launch(shadow=shadow)


def test_a_traced_launch_gives_what_an_untraced_one_gives() -> None:
    heads, length, width = 2, 70, 32
    q, k, v = (torch.randn(heads, length, width).bfloat16() for _ in range(3))
    out, plain = torch.zeros_like(q), torch.zeros_like(q)
    text = ttir(kernels.attention, BF16, BF16, BF16, BF16, 0.1, 100, 32, CAUSAL=True, D=32, BM=32, BN=16)
    kernel = compile_ttir(text, CompileOptions(checked=True, races=True))
    for result, shadow in ((out, Shadow()), (plain, None)):
        tensors = (q, k, v, result)
        ranges = [MemoryRange(t.data_ptr(), t.nbytes, True, "t") for t in tensors]
        kernel.launch((3, heads, 1), (*(t.data_ptr() for t in tensors), 0.2, length, width), 2, ranges, shadow)
    assert torch.equal(out, plain)


# --- races


def test_two_programs_that_store_the_same_value_race() -> None:
    found = Bench(race_kernels.all_store, {"out": floats(BLOCK)}, BLOCK=BLOCK).race(2)
    assert str(found) == (
        f"line {found.line} of all_store must not race: program (1, 0, 0) writes 512 bytes at byte 0 of out, which "
        f"program (0, 0, 0) writes at line {found.line}, and nothing orders the two. "
        "Give each program bytes of its own, or use atomics."
    )
    assert "tl.store(out" in source_line(found.line)
    assert (found.program, found.other_program, found.buffer) == ((1, 0, 0), (0, 0, 0), "out")
    assert (found.offset_bytes, found.is_write, found.other_line) == (0, True, found.line)
    assert found.facts["other_program"] == (0, 0, 0)


def test_a_race_is_told_by_the_bytes_that_both_touch() -> None:
    tensors = {"x": torch.randn(N), "out": floats(N)}
    found = Bench(race_kernels.overlapping_blocks, tensors, N, STEP=120, BLOCK=BLOCK).race()
    assert "writes 32 bytes at byte 480 of out" in str(found)


def test_one_doubled_index_among_many_is_found() -> None:
    indices = torch.randperm(N).to(I32)
    indices[900] = indices[3]
    tensors = {"x": torch.randn(N), "indices": indices, "out": floats(N)}
    found = Bench(race_kernels.scatter, tensors, N, BLOCK=BLOCK).race()
    assert (found.program, found.other_program, found.offset_bytes) == ((7, 0, 0), (0, 0, 0), 4 * int(indices[3]))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sem", ["relaxed", "acquire", "release"])
def test_a_last_arriver_needs_both_halves_of_the_order(sem: str, backwards: bool) -> None:
    found = arriving(sem).race(shadow=Shadow(backwards=backwards))
    assert found.buffer == "partial"
    assert {found.program, found.other_program} == {(0, 0, 0), (7, 0, 0)}
    assert "tl.load(partial" in source_line(found.line) and "tl.store(partial" in source_line(found.other_line)


def test_atomics_for_one_program_only_order_no_others() -> None:
    tensors = {"x": torch.randn(N), "partial": floats(GRID), "counter": integers(1), "out": floats(1)}
    found = Bench(race_kernels.last_arriver_of_scope, tensors, N, BLOCK=BLOCK, COUNT=GRID).race()
    assert found.buffer == "partial"


@pytest.mark.parametrize(("free", "buffer"), [("relaxed", "out"), ("plain", "lock")])
def test_a_lock_that_is_freed_without_release_does_not_order(free: str, buffer: str) -> None:
    tensors = {"x": torch.randn(N), "lock": integers(1), "out": floats(BLOCK)}
    assert Bench(race_kernels.under_lock, tensors, BLOCK=BLOCK, FREE=free).race(7).buffer == buffer


def test_a_plain_read_beside_atomics_races() -> None:
    tensors = {"x": torch.randn(N), "out": floats(1), "total": floats(GRID)}
    found = Bench(race_kernels.split_sum_read_back, tensors, N, BLOCK=BLOCK).race()
    assert "updates atomically 4 bytes at byte 0 of out" in str(found) and "Make both atomic." in str(found)


def test_a_plain_write_beside_atomics_races() -> None:
    found = Bench(race_kernels.store_beside_atomic, {"out": floats(1)}).race(2)
    assert "tl.atomic_add" in source_line(found.line) and "tl.store" in source_line(found.other_line)


def test_a_program_that_reads_what_the_next_one_writes_races() -> None:
    found = Bench(race_kernels.neighbours, {"y": floats(N), "out": floats(N)}, N, BLOCK=BLOCK).race()
    assert (found.program, found.other_program, found.offset_bytes) == ((1, 0, 0), (0, 0, 0), 4 * BLOCK)


def test_every_atomic_must_be_ordered_with_a_plain_read_not_only_the_next() -> None:
    tensors = {"data": floats(1), "flag": integers(1), "out": floats(1)}
    found = Bench(race_kernels.early_read, tensors).race(3)
    assert (found.program, found.other_program, found.buffer) == ((2, 0, 0), (0, 0, 0), "data")
    Bench(race_kernels.early_read, tensors).launch(2)


def test_an_order_that_was_luck_shows_when_the_last_program_runs_first() -> None:
    bench = Bench(race_kernels.read_whatever_comes, {"data": floats(1), "flag": integers(1), "out": floats(1)})
    assert bench.launch(2).was_ordered
    assert bench.race(2, Shadow(backwards=True)).buffer == "data"


def test_a_program_that_waits_for_a_later_one_is_stopped() -> None:
    found = Bench(race_kernels.wait_for_next, {"flags": integers(GRID), "out": floats(GRID)}).fault()
    assert isinstance(found, EndlessWaitFault)
    assert (found.program, found.buffer, found.offset_bytes) == ((0, 0, 0), "flags", 4)


# --- memory that nobody has written


def test_reading_scratch_before_anybody_wrote_it_is_found() -> None:
    tensors = {"scratch": floats(4, 64), "out": floats(64)}
    bench = Bench(race_kernels.sum_rows, tensors, ROWS=4, WIDTH=64)
    found = bench.fault(1, unwritten=["scratch", "out"])
    assert isinstance(found, UnwrittenFault)
    assert str(found) == (
        f"line {found.line} of sum_rows must read what was written: program (0, 0, 0) reads 1024 bytes at byte 0 of "
        "scratch, which nothing has written. Write them first, mask the load, or ask for zeros."
    )
    assert not found.is_write and "tl.load(scratch" in source_line(found.line)
    bench.launch(1)


def test_what_an_earlier_launch_wrote_may_be_read_and_no_byte_more() -> None:
    tensors = {"scratch": floats(4, 64), "out": floats(64)}
    reader = Bench(race_kernels.sum_rows, tensors, ROWS=4, WIDTH=64)
    whole, part = (Bench(race_kernels.write_rows, {"scratch": tensors["scratch"]}, n, WIDTH=64) for n in (64, 63))
    unwritten = [r for r in reader.ranges() if r.name == "scratch"]
    reader.launch(1, whole.launch(4, Shadow(unwritten)))
    found = reader.fault(1, part.launch(4, Shadow(unwritten)))
    assert (found.offset_bytes, found.buffer) == (63 * 4, "scratch")
    found = reader.fault(1, whole.launch(3, Shadow(unwritten)))
    assert found.offset_bytes == 3 * 64 * 4
    shadow = whole.launch(3, Shadow(unwritten))
    reader.launch(1, part.launch(4, whole.launch(4, shadow)))


def test_lanes_that_are_masked_off_never_count() -> None:
    tensors = {"scratch": floats(64), "out": floats(1)}
    writer = Bench(race_kernels.write_thirds, {"scratch": tensors["scratch"]}, 2, WIDTH=64)
    unwritten = [MemoryRange(tensors["scratch"].data_ptr(), 256, True, "scratch")]
    Bench(race_kernels.masked_sum, tensors, 2, WIDTH=64).launch(1, writer.launch(1, Shadow(unwritten)))
    found = Bench(race_kernels.masked_sum, tensors, 3, WIDTH=64).fault(1, writer.launch(1, Shadow(unwritten)))
    assert found.offset_bytes == 8 and "reads 4 bytes" in str(found)


def test_an_atomic_reads_what_it_adds_to() -> None:
    bench = Bench(race_kernels.count_from_poison, {"counter": integers(1), "out": floats(4)})
    assert isinstance(bench.fault(4, unwritten=["counter"]), UnwrittenFault)
    bench.launch(4, unwritten=["out"])


# --- what is asked for


def test_out_of_bounds_comes_before_everything_else() -> None:
    tensors = {"x": torch.randn(N), "y": torch.randn(N), "out": floats(N)}
    found = Bench(kernels.add, tensors, N + 5, BLOCK=BLOCK).fault()
    assert type(found) is MemoryFault
    assert (found.buffer, found.program) == ("x", (7, 0, 0))


def test_a_fault_through_one_argument_is_told_by_that_argument_wherever_it_lands() -> None:
    memory = floats(3 * N)
    tensors = {"x": memory[:N], "y": memory[N : 2 * N], "out": memory[2 * N :]}
    bench = Bench(kernels.add, tensors, 2 * N, BLOCK=BLOCK)
    found = bench.fault(16)
    assert (found.buffer, found.program) == ("x", (7, 0, 0))
    assert "which has 4000 (allowed: 0 to 3999)" in str(found)


def test_tracing_must_be_compiled_in_and_needs_checks() -> None:
    text = ttir(kernels.add, F32, F32, F32, N, BLOCK=BLOCK)
    plain: NativeKernel = compile_ttir(text, CompileOptions(checked=True))
    with pytest.raises(RequestError, match="must be compiled with races=True"):
        plain.launch((1, 1, 1), (0, 0, 0, 0), shadow=Shadow())
    with pytest.raises(RequestError, match="must come with checked=True"):
        CompileOptions(races=True)


def test_a_launch_too_large_to_trace_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Shadow):
        def trace(self, programs: int) -> tracing.Trace:
            return tracing.Trace(programs, False, 32)

    tensors = {"x": torch.randn(N), "indices": torch.randperm(N).to(I32), "out": floats(N)}
    with pytest.raises(OverLimitError, match=r"a launch of scatter must access memory .* at most 32 times"):
        Bench(race_kernels.scatter, tensors, N, BLOCK=BLOCK).launch(shadow=Small())
