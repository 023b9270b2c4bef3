"""The analytic tier agrees with the event engine, within stated bounds, and moves the same way."""

from dataclasses import replace

import numpy as np

from kernelwright.chips.emulated.engine.events import time_launch
from kernelwright.chips.emulated.engine.summary import summarise_trace
from kernelwright.chips.emulated.engine.wave import wave_launch
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import Trace
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

GEMMS = (
    Gemm(),
    Gemm(m=3456, block_m=256, block_n=256, warps=16, stages=4, registers=200),
    Gemm(block_m=64, block_n=64, warps=4),
    Gemm(stages=2),
    Gemm(stages=5),
    Gemm(align_bytes=16),
    Gemm(conflicts=4.0),
    Gemm(m=128, block_m=64, block_n=64, warps=4),
    Gemm(m=16, block_m=16, block_n=64, warps=4),
    Gemm(dtype="f8"),
    Gemm(m=640, n=640, k=8192),
    Gemm(registers=255, warps=16),
    Gemm(m=2048, n=2048, group=1),
)
STREAMS = (
    Stream(),
    Stream(block=1024, elements=1 << 24),
    Stream(block=1024, steps=16),
    Stream(stride=8, elements=1 << 23),
    Stream(special=(("exp", 4.0),)),
    Stream(elements=1 << 20),
    Stream(block=8192, lanes=(("divide", 8.0),), elements=1 << 24),
    Stream(atomic=True, elements=1 << 20, atomic_targets=4),
)
ATTENTIONS = (
    Attention(),
    Attention(causal=True),
    Attention(warps=4, block_m=64),
    Attention(block_m=64, warps=4, stages=3),
    Attention(sharing=8, causal=True, heads=32),
    Attention(warps=16, block_m=256, registers=200),
    Attention(heads=4, queries=1024, keys=1024, causal=True),
)


def ragged() -> tuple[TileProgram, Trace]:
    stream = Stream(block=1024, warps=8)
    steps = np.random.default_rng(0).integers(1, 60, 1000).tolist()
    return stream_program(stream), stream_trace(stream, steps)


def launches() -> list[tuple[TileProgram, Trace]]:
    found = [(gemm_program(gemm), gemm_trace(gemm)) for gemm in GEMMS]
    found += [(stream_program(stream), stream_trace(stream)) for stream in STREAMS]
    found += [(attention_program(attention), attention_trace(attention)) for attention in ATTENTIONS]
    return [*found, ragged()]


def test_the_wave_tier_agrees_with_events() -> None:
    """Median error at most 10 %, 95th percentile at most 30 %, in cycles, so without the launch floor."""
    errors = []
    for program, trace in launches():
        events = time_launch(MACHINE, program, trace)
        wave = wave_launch(MACHINE, program, summarise_trace(program, trace))
        errors.append(abs(wave.cycles / events.cycles - 1.0))
    assert np.median(errors) <= 0.10
    assert np.percentile(errors, 95) <= 0.30


def both(program: TileProgram, trace: Trace) -> tuple[LaunchTime, LaunchTime]:
    return time_launch(MACHINE, program, trace), wave_launch(MACHINE, program, summarise_trace(program, trace))


def test_both_tiers_count_the_same_work() -> None:
    events, wave = both(gemm_program(Gemm()), gemm_trace(Gemm()))
    assert wave.energy_pj["matrix"] == events.energy_pj["matrix"]
    assert wave.bytes["l2"] == events.bytes["l2"]
    assert wave.occupancy == events.occupancy
    assert wave.bound == events.bound
    assert wave.events == 0 < events.events


def test_the_wave_tier_ranks_tiles_as_events_do() -> None:
    tiles = [(64, 64, 4), (128, 64, 4), (128, 128, 8), (256, 128, 8), (32, 32, 4)]
    gemms = [Gemm(block_m=m, block_n=n, warps=warps, registers=160) for m, n, warps in tiles]
    times = [both(gemm_program(gemm), gemm_trace(gemm)) for gemm in gemms]
    order = sorted(range(len(times)), key=lambda index: times[index][0].cycles)
    assert order == sorted(range(len(times)), key=lambda index: times[index][1].cycles)


def test_the_wave_tier_answers_equal_requests_equally() -> None:
    program, trace = ragged()
    summary = summarise_trace(program, trace)
    assert wave_launch(MACHINE, program, summary) == wave_launch(MACHINE, program, summarise_trace(program, trace))


def test_one_summary_serves_every_machine() -> None:
    program, trace = gemm_program(Gemm()), gemm_trace(Gemm())
    summary = summarise_trace(program, trace)
    slow = replace(MACHINE, units=20, fused_off=(), dies=1)
    assert wave_launch(slow, program, summary).cycles > 1.7 * wave_launch(MACHINE, program, summary).cycles


def test_distances_between_uses_are_those_of_blocks() -> None:
    gemm = Gemm(m=1024, n=1024, k=128, group=8)
    program, trace = gemm_program(gemm), gemm_trace(gemm)
    summary = summarise_trace(program, trace)
    # 8 x 8 blocks of 2 steps: each tile of A comes first once, each of B too, then again 8 or 1 blocks later.
    assert summary.passes.tolist() == [128.0, 128.0, 64.0]
    assert summary.reuse[:, -1].tolist() == [16.0, 16.0, 64.0]
    assert summary.reuse[0, 8] == 112.0
    assert summary.reuse[1, 1] == 112.0
