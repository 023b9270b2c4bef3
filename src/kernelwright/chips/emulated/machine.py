"""The numbers of one emulated chip, as the engine reads them. Where they come from stands in `profile`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Atom:
    """The smallest matrix product that the matrix pipe does: m x n x k elements."""

    m: int
    n: int
    k: int


@dataclass(frozen=True)
class Machine:
    """One emulated chip. Cycles are of `clock_hz`; a unit is what others call SM or compute unit.

    A unit has `engines` warp engines, each with its own share of lanes and of the matrix pipe; the warps of a block go
    to engines in turn. `dot_flops` are floating-point (or integer) operations per unit and cycle at full rate by dtype
    (f32, tf32, f16, bf16, f8, f4, i8, f64); a dtype without an entry cannot be multiplied. `special_per_cycle` are
    results per unit and cycle, by class (exp, log, rsqrt, sincos, other), `lane_cost` cycles of one lane by class of
    operation (f32, int, wide, convert, divide, select, move; 1.0 is full rate).

    `units` are those on the silicon, `fused_off` the ones among them (0-based, dies one after the other) that cannot be
    used. `memory_bytes_per_s` is the peak of the pins, of which `memory_efficiency` can be sustained by streaming.
    `atomic_cycles` a slice of the last cache needs for the atomic operations of a warp on one line. `energy_pj` is by
    event: lane (an operation of one lane), special (a result), dot_f16 and so on (a floating-point operation of that
    dtype), shared_byte, l2_byte, llc_byte, memory_byte, link_byte.
    """

    name: str
    title: str
    family: str
    projected: bool
    capability: int
    clock_hz: float
    # Compute.
    units: int
    dies: int
    engines: int
    lanes: int
    warp_lanes: int
    registers: int
    registers_granularity: int
    registers_per_thread: int
    max_warps: int
    max_blocks: int
    max_warps_per_block: int
    dot_flops: Mapping[str, float]
    atoms: Mapping[str, Atom]
    dot_latency: int
    lane_cost: Mapping[str, float]
    lane_latency: int
    special_per_cycle: Mapping[str, float]
    special_latency: int
    barrier_cycles: int
    # Shared memory.
    shared_bytes: int
    shared_block_bytes: int
    shared_bytes_per_cycle: int
    shared_banks: int
    shared_latency: int
    # Asynchronous copies: bulk is the aligned tensor copy (AIU), 0 bits where there is none.
    copy_bytes_per_cycle: float
    copy_request_cycles: float
    bulk_bits: tuple[int, ...]
    bulk_bytes_per_cycle: float
    bulk_setup_cycles: int
    bulk_depth: int
    bulk_align: int
    bulk_rows: int
    bulk_inner_bytes: int
    # Caches and memory. `l2_units` units share one L2; the last-level cache is one, cut in `llc_slices`; 0 bytes: none.
    line_bytes: int
    sector_bytes: int
    l2_units: int
    l2_bytes: int
    l2_bytes_per_cycle: float
    l2_latency: int
    llc_bytes: int
    llc_slices: int
    llc_bytes_per_cycle: float
    llc_latency: int
    die_link_bytes_per_cycle: float
    die_link_latency: int
    memory_bytes: int
    memory_bytes_per_s: float
    memory_efficiency: float
    memory_channels: int
    memory_latency: int
    atomic_cycles: float
    # Launches.
    launch_floor_ns: int
    dispatch_cycles: float
    # Power: energies in pJ are relative only, the droop begins above `tdp_w`.
    tdp_w: float
    idle_w: float
    droop_floor: float
    energy_pj: Mapping[str, float] = field(default_factory=dict)
    # What one L2 takes of what it lacks, in bytes a cycle; 0: as fast as what lies behind it gives.
    l2_fill_bytes_per_cycle: float = 0.0
    # Hidden quirks of drawn instances; every one is off at its default.
    fused_off: tuple[int, ...] = ()
    die_hash_bits: int = 0
    channel_stride_bytes: int = 0
    channel_camping: float = 0.0
    stream_evicts_first: bool = True
    register_cliff: int = 0
    register_cliff_cost: float = 1.0
    spill_cost: float = 1.0
    noise: float = 0.0
    noise_seed: int = 0
    f8_accumulate_bits: int = 32

    @property
    def usable_units(self) -> int:
        """Return how many units can run blocks."""
        return self.units - len(self.fused_off)
