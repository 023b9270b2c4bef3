"""A machine, a pipelined kernel and its time, written by hand: what profile and traces are tested on."""

from dataclasses import replace

from kernelwright.chips.emulated.counters import TimedLaunch
from kernelwright.chips.emulated.machine import Atom, Machine
from kernelwright.chips.emulated.result import LaunchTime, Occupancy, Slice
from kernelwright.chips.emulated.tile_program import Access, DotShape, Kind, Segment, TileOp, TileProgram

MACHINE = Machine(
    name="sample", title="Sample, not a real chip", family="sample", projected=False, capability=89, clock_hz=1e9,
    units=8, dies=1, engines=8, lanes=128, warp_lanes=32, registers=131072, registers_granularity=64,
    registers_per_thread=256, max_warps=64, max_blocks=64, max_warps_per_block=32,
    dot_flops={"bf16": 4096.0, "f8": 8192.0}, atoms={"bf16": Atom(16, 16, 16), "f8": Atom(16, 16, 32)},
    dot_latency=32,
    lane_cost={"f32": 1.0}, lane_latency=4, special_per_cycle={"exp": 32.0}, special_latency=16, barrier_cycles=20,
    shared_bytes=256 * 1024, shared_block_bytes=256 * 1024, shared_bytes_per_cycle=128, shared_banks=32,
    shared_latency=24,
    copy_bytes_per_cycle=64.0, copy_request_cycles=1.0, bulk_bits=(16,), bulk_bytes_per_cycle=64.0,
    bulk_setup_cycles=50,
    bulk_depth=4, bulk_align=32, bulk_rows=16, bulk_inner_bytes=32, line_bytes=128, sector_bytes=32, l2_units=4,
    l2_bytes=1 << 20, l2_bytes_per_cycle=256.0, l2_latency=200, llc_bytes=64 << 20, llc_slices=8,
    llc_bytes_per_cycle=2048.0,
    llc_latency=300, die_link_bytes_per_cycle=0.0, die_link_latency=0, memory_bytes=1 << 34, memory_bytes_per_s=1e12,
    memory_channels=16, memory_latency=500, atomic_cycles=4.0, launch_floor_ns=5000, dispatch_cycles=10.0, tdp_w=400.0,
    idle_w=80.0, droop_floor=0.8,
)  # fmt: skip

_TILE = Access(False, (128, 128), 2, (1, 0), 16, 256)
PROGRAM = TileProgram(
    name="attend",
    segments=(
        Segment("prologue", (TileOp(Kind.COPY, "load q", access=0), TileOp(Kind.COMMIT, "commit"))),
        Segment(
            "for 41 body",
            (
                TileOp(Kind.WAIT, "async_wait", count=1),
                TileOp(Kind.COPY, "load k", access=0, line=41),
                TileOp(Kind.COPY, "load v", access=0, line=42),
                TileOp(Kind.COMMIT, "commit"),
                TileOp(Kind.SHARED_READ, "read k", amounts={"bytes": 100.0, "wavefront_bytes": 200.0}, line=43),
                TileOp(Kind.DOT, "dot", dot=DotShape(128, 128, 128, 8, 1, "bf16"), line=44),
                TileOp(Kind.SPECIAL, "exp", amounts={"exp": 16384.0}, line=45),
            ),
        ),
    ),
    accesses=(_TILE,),
    slots=8,
    warps=8,
    stages=2,
    shared_bytes=96 * 1024,
    registers_per_thread=128,
    capability=89,
)

SLICES = (
    Slice("matrix", "dot 44", 0.0, 40.0, 0, 0),
    Slice("matrix", "dot 44", 40.0, 80.5, 1, 0),
    Slice("blocks", "block", 0.0, 100.0, 0, 0),
    Slice("blocks", "block", 10.0, 90.0, 1, 0),
    Slice("blocks", "block", 100.0, 150.0, 2, 0),
    Slice("matrix", "dot 44", 5.0, 45.0, 3, 7),
    Slice("memory", "load k", 3.0, 33.3, 0, -1),
)

TIME = LaunchTime(
    time_ns=15000,
    cycles=10000.0,
    occupancy=Occupancy(2, "shared memory", 1.25),
    busy={"matrix": 0.3, "special": 0.2, "lanes": 0.1, "shared": 0.1, "memory": 0.25, "l2": 0.2, "dispatch": 0.01},
    waits={"copies": 0.62, "dependency": 0.1, "barrier": 0.01},
    bytes={"l2": 4e6, "llc": 2e6, "memory": 1e6, "l2_hits": 2e6, "llc_hits": 1e6},
    energy_pj={"matrix": 1.0},
    bound="copies",
    clock_hz=1e9,
    events=100,
    slices=SLICES,
)

LAUNCH = TimedLaunch("attend", (20, 1, 1), PROGRAM, TIME)


def launch_with(**changes: object) -> TimedLaunch:
    """Return the sample launch with other fields of its time."""
    return replace(LAUNCH, time=replace(TIME, **changes))  # type: ignore[arg-type]
