"""What the rest of the program may know of an emulated chip: its public facts, and the limits of its roofline."""

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.fact import Value
from kernelwright.chips.emulated.profiles.fields import FIELDS
from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.core.protocols import ChipSpec
from kernelwright.core.work import Peaks

# The dtype at whose rate the matrix pipe multiplies inputs of a type that plans know. By default Triton multiplies f32
# as tf32, so a bound on the time must allow it.
_DOT_DTYPES = {
    "f64": ("f64",), "f32": ("f32", "tf32"), "f16": ("f16",), "bf16": ("bf16",),
    "f8e4m3fn": ("f8",), "f8e5m2": ("f8",), "i8": ("i8",), "u8": ("i8",),
}  # fmt: skip


def chip_spec(profile: Profile) -> ChipSpec:
    """Return the chip's name, a title that says emulated, and the facts that the profile marks public, no other."""
    facts = tuple(
        (name, _format(value, FIELDS[name].unit), profile.facts[name].standing)
        for name, value in profile.public_values().items()
    )
    return ChipSpec(profile.name, f"{profile.title}, emulated", True, 1, facts)


def machine_peaks(machine: Machine) -> Peaks:
    """Return the limits that no launch passes: sustained memory rate, full dot and exponential rate of usable units."""
    cycles = machine.usable_units * machine.clock_hz
    rates = {
        dtype: max(machine.dot_flops[name] for name in names if name in machine.dot_flops) * cycles
        for dtype, names in _DOT_DTYPES.items()
        if any(name in machine.dot_flops for name in names)
    }
    return Peaks(
        machine.memory_bytes_per_s * machine.memory_efficiency,
        rates,
        machine.special_per_cycle["exp"] * cycles,
        float(machine.launch_floor_ns),
        f"emulated, profile {machine.name}",
    )


def _format(value: Value, unit: str) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{text} {unit}".strip()
