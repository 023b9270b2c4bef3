"""What an undocumented chip may be: hidden quirks and the values that they can take, beside a family's ranges.

Every quirk is one parameter that engineers do not see. `reveals` names the microbenchmark whose time moves with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kernelwright.chips.emulated.profiles.fact import Value


@dataclass(frozen=True)
class Quirk:
    """One hidden parameter; `choices` are its values, none where something else says them; `text` is what it does."""

    field: str
    reveals: str
    text: str
    choices: tuple[Value, ...] = ()


QUIRKS: Mapping[str, Quirk] = {
    quirk.field: quirk
    for quirk in (
        Quirk("fused_off", "persistent-grid", "which unit is off: its neighbours share an L2 among fewer"),
        Quirk("die_hash_bits", "die-stride", "how many address bits choose a die", (0, 2, 4, 6)),
        Quirk("bulk_depth", "bulk-copies", "bulk copies that a unit keeps in flight", (4, 8, 16, 32)),
        Quirk("bulk_setup_cycles", "small-bulk-copies", "what starting a bulk copy costs", (20, 60, 120, 200)),
        Quirk("register_cliff", "register-cliff", "registers a thread above which lanes slow down", (0, 96, 128, 168)),
        Quirk("register_cliff_cost", "register-cliff", "how much they slow down", (1.25, 1.5, 2.0)),
        Quirk("spill_cost", "spills", "what spilled registers cost", (1.0, 2.0, 4.0)),
        Quirk("special_per_cycle.exp", "exponentials", "exponentials a cycle", (16.0, 24.0, 32.0, 48.0, 64.0)),
        Quirk("lane_cost.int", "integers", "cost of an integer operation", (1.0, 1.5, 2.0)),
        Quirk("lane_cost.wide", "wide-integers", "cost of a 64-bit integer operation", (2.0, 4.0, 6.0)),
        Quirk("atomic_cycles", "atomics", "cost of atomic additions", (2.0, 4.0, 8.0, 16.0)),
        Quirk("stream_evicts_first", "eviction", "whether evict-first is honoured", (True, False)),
        Quirk("launch_floor_ns", "empty", "the least that a launch takes", (5000, 5500, 6000, 6500, 7000)),
        Quirk(
            "channel_stride_bytes", "channel-stride", "stride that camps on few channels", (4096, 8192, 16384, 32768)
        ),
        Quirk("channel_camping", "channel-stride", "share of channels lost there", (0.25, 0.5, 0.75)),
        Quirk("tdp_w", "long-dots", "power above which the clock droops", (150.0, 200.0, 300.0, 500.0, 800.0)),
        Quirk("droop_floor", "long-dots", "lowest clock under droop", (0.7, 0.8, 0.9, 1.0)),
        Quirk("noise", "repeats", "spread of a launch's time", (0.0, 0.002, 0.005, 0.01)),
        Quirk("noise_seed", "repeats", "seed of that spread"),
        Quirk("f8_accumulate_bits", "f8-dots", "bits of the accumulator of fp8 products", (22, 26, 32)),
    )
}

# Where only such values make sense: powers of two, or multiples of a step.
POWERS_OF_TWO = frozenset({"sector_bytes", "llc_slices", "shared_bytes_per_cycle"})
STEPS: Mapping[str, float] = {
    "memory_channels": 16, "copy_bytes_per_cycle": 16, "bulk_bytes_per_cycle": 16, "dot_flops.f16": 1024,
}  # fmt: skip
# Latencies grow together, else a near cache could answer later than a far one.
TOGETHER: Mapping[str, str] = dict.fromkeys(("l2_latency", "llc_latency", "memory_latency"), "latency")
# Rates of products hang together: (of which dtype, times what).
DOT_RATIOS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "dot_flops.bf16": ("dot_flops.f16", (1.0,)),
    "dot_flops.tf32": ("dot_flops.f16", (0.25, 0.5)),
    "dot_flops.i8": ("dot_flops.f16", (1.0, 2.0)),
    "dot_flops.f8": ("dot_flops.f16", (1.0, 2.0)),
    "dot_flops.f4": ("dot_flops.f8", (1.0, 2.0)),
}
