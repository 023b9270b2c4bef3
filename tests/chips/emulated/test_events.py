"""The event engine on hand-written kernels: sanity, roofs, conservation, determinism."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.chips.emulated.engine import jit
from kernelwright.chips.emulated.engine.event_loop import run_simulation
from kernelwright.chips.emulated.engine.events import CacheState, time_launch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.trace import Trace
from kernelwright.core.errors import OverLimitError, UnsupportedOpError
from tests.chips.emulated.hand_written import (
    MACHINE,
    Attention,
    Gemm,
    Stream,
    attention_program,
    attention_trace,
    gemm_program,
    gemm_trace,
    stream_program,
    stream_trace,
)


def time_gemm(gemm: Gemm, machine: Machine = MACHINE) -> LaunchTime:
    return time_launch(machine, gemm_program(gemm), gemm_trace(gemm))


def time_stream(stream: Stream, machine: Machine = MACHINE) -> LaunchTime:
    return time_launch(machine, stream_program(stream), stream_trace(stream))


def time_attention(attention: Attention, machine: Machine = MACHINE) -> LaunchTime:
    return time_launch(machine, attention_program(attention), attention_trace(attention))


def matrix_share(time: LaunchTime, flops: float, machine: Machine = MACHINE, dtype: str = "f16") -> float:
    """Return the share of the matrix peak that useful operations reach, without the launch floor."""
    return flops / (time.cycles * machine.usable_units * machine.dot_flops[dtype])


def memory_share(time: LaunchTime, moved: float, machine: Machine = MACHINE) -> float:
    return moved / (time.cycles / machine.clock_hz) / machine.memory_bytes_per_s


def test_a_well_pipelined_product_with_two_ports_nears_the_matrix_peak() -> None:
    # 39 x 4 tiles: whole waves, so that only the inside of a wave is looked at.
    gemm = Gemm(m=256 * 39, n=1024, block_m=256, block_n=256, warps=16, stages=4, registers=200)
    time = time_gemm(gemm, replace(MACHINE, shared_bytes_per_cycle=512))
    assert 0.83 < matrix_share(time, gemm.flops) < 0.97
    assert time.bound == "matrix"


def test_a_streaming_copy_reaches_what_memory_sustains() -> None:
    stream = Stream()
    time = time_stream(stream)
    assert 0.9 < memory_share(time, stream.elements * 8) <= MACHINE.memory_efficiency
    assert time.bound == "memory"


def test_two_resident_attention_blocks_overlap_softmax_with_products() -> None:
    machine = replace(MACHINE, shared_bytes_per_cycle=1024)
    one = time_attention(Attention(registers=250), replace(machine, max_blocks=1))
    two = time_attention(Attention(registers=224), machine)
    assert two.occupancy.blocks_per_unit == 2
    assert two.cycles < 0.8 * one.cycles


def test_sets_of_one_block_overlap_softmax_with_products() -> None:
    machine = replace(MACHINE, shared_bytes_per_cycle=2048, max_blocks=1)
    flops = 4.0 * 16 * 4096 * 4096 * 128
    one_set = time_attention(Attention(block_m=128, warps=8, registers=200), machine)
    two_sets = time_attention(Attention(block_m=256, warps=16, registers=200), machine)
    assert matrix_share(two_sets, flops, machine) > 1.15 * matrix_share(one_set, flops, machine)


GEMMS = st.builds(
    Gemm,
    m=st.sampled_from([256, 1024, 2304]),
    n=st.sampled_from([256, 1024]),
    k=st.sampled_from([256, 1024]),
    block_m=st.sampled_from([16, 64, 128]),
    block_n=st.sampled_from([32, 128, 256]),
    block_k=st.sampled_from([32, 64]),
    warps=st.sampled_from([1, 2, 4, 8, 16]),
    stages=st.sampled_from([1, 2, 3, 4]),
    dtype=st.sampled_from(["f16", "f8", "tf32"]),
    registers=st.sampled_from([64, 128, 255]),
).filter(lambda gemm: gemm_program(gemm).shared_bytes <= MACHINE.shared_block_bytes)


@settings(max_examples=25, deadline=None)
@given(GEMMS)
def test_no_launch_beats_the_roofline(gemm: Gemm) -> None:
    time = time_gemm(gemm)
    compute_s = gemm.flops / (MACHINE.usable_units * MACHINE.dot_flops[gemm.dtype] * MACHINE.clock_hz)
    memory_s = gemm.compulsory_bytes / MACHINE.memory_bytes_per_s
    assert time.time_ns >= max(compute_s, memory_s) * 1e9
    assert time.bytes["memory"] >= gemm.compulsory_bytes * 0.999
    assert all(share <= 1.0 + 1e-9 for share in time.busy.values())


@settings(max_examples=25, deadline=None)
@given(GEMMS, st.sampled_from(["m", "n", "k"]))
def test_more_work_never_takes_much_less_time(gemm: Gemm, grown: str) -> None:
    """Order matters to caches and places, so a larger launch may win a little; design note 012 says how much."""
    larger = replace(gemm, **{grown: 2 * getattr(gemm, grown)})
    assert time_gemm(larger).cycles >= 0.97 * time_gemm(gemm).cycles


@settings(max_examples=8, deadline=None)
@given(GEMMS)
def test_equal_launches_take_equal_nanoseconds_whatever_the_threads(gemm: Gemm) -> None:
    program, trace = gemm_program(gemm), gemm_trace(gemm)
    alone = time_launch(MACHINE, program, trace)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda _: time_launch(MACHINE, program, trace), range(3)))
    assert together == [alone] * 3


def test_tiles_on_their_way_are_not_fetched_twice() -> None:
    attention = Attention(heads=8, sharing=8, queries=512, keys=1024)
    time = time_attention(attention)
    keys = 2 * attention.keys * attention.width * 2
    queries = 2 * attention.heads * attention.queries * attention.width * 2
    assert time.bytes["memory"] == pytest.approx(keys + queries, rel=0.01)


def test_caches_that_are_passed_on_spare_memory_reads() -> None:
    stream = Stream(elements=1 << 21, writes=False)
    program, trace = stream_program(stream), stream_trace(stream)
    state = CacheState.cold(MACHINE)
    cold = time_launch(MACHINE, program, trace, state)
    warm = time_launch(MACHINE, program, trace, state)
    assert cold.bytes["memory"] == stream.elements * 4
    assert warm.bytes["memory"] == 0
    assert warm.cycles < cold.cycles


def test_a_tile_that_does_not_fit_is_refused_in_one_line() -> None:
    gemm = Gemm(block_m=512, block_n=512, block_k=64, stages=4)
    with pytest.raises(OverLimitError) as caught:
        time_gemm(gemm)
    assert str(caught.value) == (
        "tile needs 393216 bytes of on-chip memory, m890 has 262144. Reduce the tile's sizes or num_stages (4)."
    )
    assert caught.value.facts["needs_bytes"] == 393216


def test_too_many_warps_are_refused() -> None:
    with pytest.raises(OverLimitError, match=r"block has 64 warps, m890 takes 32\. Reduce num_warps\."):
        time_gemm(Gemm(warps=64))


def test_a_dtype_without_a_rate_is_an_error_naming_op_and_line() -> None:
    with pytest.raises(UnsupportedOpError, match="dot at line 7: m890 has no rate for products of f4"):
        time_gemm(Gemm(dtype="f4"))


def test_a_launch_without_blocks_takes_the_floor() -> None:
    stream = Stream()
    empty = Trace(
        np.zeros(1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(1, np.int64),
        np.zeros(0, np.int64),
        np.zeros(0, np.int32),
        stream_trace(stream).facts,
    )
    assert time_launch(MACHINE, stream_program(stream), empty).time_ns == MACHINE.launch_floor_ns


def test_a_timeline_names_ops_on_resources_in_order() -> None:
    gemm = Gemm(m=512, n=512, k=512)
    time = time_launch(MACHINE, gemm_program(gemm), gemm_trace(gemm), timeline=True)
    assert {"dot", "copy a", "store"} <= {piece.name for piece in time.slices}
    assert all(0.0 <= piece.begin <= piece.end <= time.cycles + 1e-6 for piece in time.slices)
    dots = [piece for piece in time.slices if piece.track == "unit 0 matrix"]
    assert all(before.end <= after.begin + 1e-6 for before, after in itertools.pairwise(dots))


def test_waits_are_shares_of_block_time() -> None:
    time = time_gemm(Gemm())
    assert 0.0 < sum(time.waits.values()) <= 1.0
    assert set(time.waits) <= {"dependency", "copies", "barrier", *TRACKS}


TRACKS = ("matrix", "lanes", "special", "shared", "copy", "bulk")


def test_code_kept_on_disk_is_known_by_every_file_compiled_into_it() -> None:
    folder = Path(jit.__file__).parent.parent
    found = [path for path in folder.rglob("*.py") if re.search(r"^@(inlined|compiled)", path.read_text(), re.M)]
    compiled = {path.relative_to(folder).with_suffix("").as_posix() for path in found}
    assert compiled <= set(jit.SOURCES)
    assert run_simulation._cache._cache_file._source_stamp == jit.sources_stamp()  # type: ignore[attr-defined]
