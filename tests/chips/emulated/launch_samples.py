"""A machine, a pipelined kernel and its time, written by hand: what profile and traces are tested on."""

from dataclasses import replace

from kernelwright.chips.emulated.insight.counters import TimedLaunch
from kernelwright.chips.emulated.machine import Atom
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.result import LaunchTime, Occupancy, Slice
from kernelwright.chips.emulated.tile_program import Access, DotShape, Kind, Segment, TileOp, TileProgram

# Whatever fields a machine has: those that the tests count on are set here.
MACHINE = replace(
    load_profile("m890").machine(),
    name="sample", title="Sample, not a real chip", clock_hz=1e9, units=8, dies=1, engines=8, fused_off=(),
    registers=131072, registers_granularity=64, max_warps=64, max_blocks=64,
    dot_flops={"bf16": 4096.0, "f8": 8192.0}, atoms={"bf16": Atom(16, 16, 16), "f8": Atom(16, 16, 32)},
    shared_bytes=256 * 1024, shared_block_bytes=256 * 1024, memory_bytes_per_s=1e12, launch_floor_ns=5000,
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
