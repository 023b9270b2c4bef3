"""What a profile may say: every field with its section, kind, unit, bounds and meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

FieldKind = Literal["int", "float", "bool", "ints", "atom"]

DTYPES = ("f32", "tf32", "f16", "bf16", "f8", "f4", "i8", "f64")
SPECIALS = ("exp", "log", "rsqrt", "sincos", "other")
LANE_CLASSES = ("f32", "int", "wide", "convert", "divide", "select", "move")
ENERGIES = (
    "lane", "special", *(f"dot_{dtype}" for dtype in DTYPES),
    "shared_byte", "l2_byte", "llc_byte", "memory_byte", "link_byte",
)  # fmt: skip


@dataclass(frozen=True)
class FieldSpec:
    """One number of a machine: bounds are inclusive and hold for every value; `public` if engineers see it by default.

    A field of the machine that maps names to numbers is one entry a name here, called "field.name". `optional` fields
    keep the machine's default, or have no entry in its mapping, when a profile leaves them out.
    """

    name: str
    section: str
    kind: FieldKind
    unit: str
    low: float
    high: float
    text: str
    public: bool = False
    optional: bool = False


def _each(spec: FieldSpec, names: tuple[str, ...]) -> tuple[FieldSpec, ...]:
    return tuple(replace(spec, name=f"{spec.name}.{name}", text=spec.text.format(name)) for name in names)


def _quirk(name: str, kind: FieldKind, unit: str, low: float, high: float, text: str) -> FieldSpec:
    return FieldSpec(name, "quirks", kind, unit, low, high, text, optional=True)


_COMPUTE = (
    FieldSpec("capability", "compute", "int", "", 80, 89, "compute capability that kernels are lowered for"),
    FieldSpec("clock_hz", "compute", "float", "Hz", 1e8, 1e10, "clock of units and caches under load"),
    FieldSpec("units", "compute", "int", "", 1, 1024, "units on the silicon, unusable ones included"),
    FieldSpec("dies", "compute", "int", "", 1, 16, "dies, units spread evenly over them"),
    FieldSpec("engines", "compute", "int", "per unit", 1, 32, "warp engines of a unit"),
    FieldSpec("lanes", "compute", "int", "per unit", 16, 1024, "f32 operations a unit starts each cycle"),
    FieldSpec("warp_lanes", "compute", "int", "threads", 32, 32, "threads of a warp", public=True),
    FieldSpec("registers", "compute", "int", "x 32 bit", 1024, 1 << 20, "registers of a unit"),
    FieldSpec("registers_granularity", "compute", "int", "", 1, 1024, "registers are given to a warp in multiples"),
    FieldSpec("registers_per_thread", "compute", "int", "", 32, 1024, "most registers of a thread", public=True),
    FieldSpec("max_warps", "compute", "int", "per unit", 1, 256, "warps that a unit holds at once"),
    FieldSpec("max_blocks", "compute", "int", "per unit", 1, 256, "blocks that a unit holds at once"),
    FieldSpec("max_warps_per_block", "compute", "int", "warps", 1, 64, "warps of the largest block", public=True),
    *_each(
        FieldSpec(
            "dot_flops", "compute", "float", "FLOP/cycle/unit", 1, 1 << 20, "dense dot rate of {}", optional=True
        ),
        DTYPES,
    ),
    *_each(FieldSpec("atoms", "compute", "atom", "m x n x k", 1, 512, "smallest product of {}", optional=True), DTYPES),
    FieldSpec("dot_latency", "compute", "int", "cycles", 1, 1000, "from a matrix atom's start to its result"),
    *_each(
        FieldSpec("lane_cost", "compute", "float", "lane cycles", 0.1, 256, "an operation of class {}"), LANE_CLASSES
    ),
    FieldSpec("lane_latency", "compute", "int", "cycles", 1, 100, "from an arithmetic operation to its result"),
    *_each(FieldSpec("special_per_cycle", "compute", "float", "/cycle/unit", 0.1, 1024, "results of {}"), SPECIALS),
    FieldSpec("special_latency", "compute", "int", "cycles", 1, 500, "from a special function to its result"),
    FieldSpec("barrier_cycles", "compute", "int", "cycles", 0, 1000, "joining the warps of a block"),
)
_SHARED = (
    FieldSpec("shared_bytes", "shared", "int", "B/unit", 1024, 1 << 24, "shared memory of a unit"),
    FieldSpec("shared_block_bytes", "shared", "int", "B", 1024, 1 << 24, "most that a block can have", public=True),
    FieldSpec("shared_bytes_per_cycle", "shared", "int", "B/cycle/unit", 4, 4096, "rate of the port"),
    FieldSpec("shared_banks", "shared", "int", "x 4 B", 1, 256, "banks"),
    FieldSpec("shared_latency", "shared", "int", "cycles", 1, 1000, "from a read's start to its value"),
)
_COPIES = (
    FieldSpec("copy_bytes_per_cycle", "copies", "float", "B/cycle/unit", 1, 4096, "plain asynchronous copies"),
    FieldSpec("copy_request_cycles", "copies", "float", "cycles", 0, 64, "issuing one warp's request of a plain copy"),
    FieldSpec(
        "bulk_bits", "copies", "ints", "bits", 4, 64, "element widths that the bulk copy takes; none: no bulk copy"
    ),
    FieldSpec("bulk_bytes_per_cycle", "copies", "float", "B/cycle/unit", 1, 4096, "bulk copies"),
    FieldSpec("bulk_setup_cycles", "copies", "int", "cycles", 0, 10000, "starting one bulk copy"),
    FieldSpec("bulk_depth", "copies", "int", "", 0, 1024, "bulk copies in flight in a unit"),
    FieldSpec("bulk_align", "copies", "int", "B", 1, 4096, "alignment of the base"),
    FieldSpec("bulk_rows", "copies", "int", "", 1, 4096, "rows come in multiples of this"),
    FieldSpec("bulk_inner_bytes", "copies", "int", "B", 1, 4096, "bytes of a row come in multiples of this"),
)
_CACHES = (
    FieldSpec("line_bytes", "caches", "int", "B", 32, 1024, "cache line"),
    FieldSpec("sector_bytes", "caches", "int", "B", 16, 1024, "least that memory moves"),
    FieldSpec("l2_units", "caches", "int", "units", 1, 1024, "units that share one L2"),
    FieldSpec("l2_bytes", "caches", "int", "B", 0, 1 << 30, "one L2; 0: none"),
    FieldSpec("l2_bytes_per_cycle", "caches", "float", "B/cycle", 1, 65536, "rate of one L2"),
    FieldSpec(
        "l2_fill_bytes_per_cycle",
        "caches",
        "float",
        "B/cycle",
        0,
        65536,
        "what one L2 takes of what it lacks; 0: as fast as what lies behind it gives",
        optional=True,
    ),
    FieldSpec("l2_latency", "caches", "int", "cycles", 1, 5000, "from a load to its value on a hit in L2"),
    FieldSpec("llc_bytes", "caches", "int", "B", 0, 1 << 32, "last-level cache; 0: none"),
    FieldSpec("llc_slices", "caches", "int", "", 1, 256, "slices of the last-level cache"),
    FieldSpec("llc_bytes_per_cycle", "caches", "float", "B/cycle", 1, 1 << 20, "rate of the whole last-level cache"),
    FieldSpec("llc_latency", "caches", "int", "cycles", 1, 5000, "from a load to its value on a hit there"),
    FieldSpec("die_link_bytes_per_cycle", "caches", "float", "B/cycle", 1, 1 << 20, "between dies, one direction"),
    FieldSpec("die_link_latency", "caches", "int", "cycles", 0, 5000, "added when data lies on another die"),
)
_MEMORY = (
    FieldSpec("memory_bytes", "memory", "int", "B", 1 << 20, 1 << 50, "memory", public=True),
    FieldSpec("memory_bytes_per_s", "memory", "float", "B/s", 1e9, 1e15, "peak of the memory's pins"),
    FieldSpec("memory_efficiency", "memory", "float", "of peak", 0.1, 1.0, "share that streaming sustains"),
    FieldSpec("memory_channels", "memory", "int", "", 1, 1024, "channels that addresses are spread over"),
    FieldSpec("memory_latency", "memory", "int", "cycles", 1, 10000, "from a load to its value from memory"),
    FieldSpec(
        "atomic_cycles", "memory", "float", "cycles", 0.01, 1000, "a slice's time for atomics of a warp on one line"
    ),
)
_LAUNCH = (
    FieldSpec("launch_floor_ns", "launch", "int", "ns", 0, 1_000_000, "the least that a launch takes"),
    FieldSpec("dispatch_cycles", "launch", "float", "cycles", 0, 10000, "starting one block"),
)
_POWER = (
    FieldSpec("tdp_w", "power", "float", "W", 1, 10000, "power above which the clock droops"),
    FieldSpec("idle_w", "power", "float", "W", 0, 10000, "power of a chip at rest"),
    FieldSpec("droop_floor", "power", "float", "of clock", 0.1, 1.0, "lowest clock under droop"),
    *_each(
        FieldSpec("energy_pj", "power", "float", "pJ", 0, 1e6, "energy, relative only: {}", optional=True), ENERGIES
    ),
)
_QUIRKS = (
    FieldSpec("fused_off", "quirks", "ints", "", 0, 1023, "units that cannot be used", optional=True),
    _quirk("die_hash_bits", "int", "", 0, 16, "address bits folded into the choice of a die; 0: alternate lines"),
    _quirk("channel_stride_bytes", "int", "B", 0, 1 << 24, "stride at which addresses camp on few channels"),
    _quirk("channel_camping", "float", "", 0, 1, "share of channels lost at the camping stride"),
    _quirk("stream_evicts_first", "bool", "", 0, 1, "lines marked evict-first do leave first"),
    _quirk("register_cliff", "int", "registers", 0, 1024, "registers a thread above which lane work slows; 0: none"),
    _quirk("register_cliff_cost", "float", "times", 1, 16, "lane work above the cliff"),
    _quirk("spill_cost", "float", "times", 1, 64, "spilled registers against their plain traffic"),
    _quirk("noise", "float", "", 0, 0.2, "standard deviation of a launch's time, seeded"),
    _quirk("noise_seed", "int", "", 0, 1 << 62, "seed of that noise"),
    _quirk("f8_accumulate_bits", "int", "bits", 8, 32, "mantissa and exponent of the accumulator of fp8 products"),
)

FIELDS: Mapping[str, FieldSpec] = {
    spec.name: spec for spec in _COMPUTE + _SHARED + _COPIES + _CACHES + _MEMORY + _LAUNCH + _POWER + _QUIRKS
}
SECTIONS: tuple[str, ...] = tuple(dict.fromkeys(spec.section for spec in FIELDS.values()))
