"""Emulated chips as commands see them."""

from kernelwright.chips.catalogue import chip_names, load_chip
from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.machine import Machine
from kernelwright.core.errors import RequestError
from kernelwright.report.roofline import Roof


def load_emulated(name: str) -> Machine:
    """Return the machine of an emulated chip; raises RequestError for a real one, UnknownNameError for none."""
    chip = load_chip(name)
    if not isinstance(chip, EmulatedChip):
        emulated = [known for known in chip_names() if isinstance(load_chip(known), EmulatedChip)]
        raise RequestError(f"chip {name} must be an emulated one: {', '.join(emulated)}, or a TOML file")
    return chip.machine


def roofs_of(machine: Machine) -> tuple[Roof, ...]:
    """Return the roofs of a chip: dot rates of usable units by dtype, memory as sustained, the last-level cache."""
    cycles = machine.usable_units * machine.clock_hz
    flat = [
        Roof(name, machine.dot_flops[name] * cycles, False) for name in ("bf16", "f8", "tf32") if _has(machine, name)
    ]
    slopes = [Roof("memory", machine.memory_bytes_per_s * machine.memory_efficiency, True)]
    if machine.llc_bytes:
        slopes.append(Roof("last-level cache", machine.llc_bytes_per_cycle * machine.clock_hz, True))
    return (*flat, *slopes)


def _has(machine: Machine, dtype: str) -> bool:
    return machine.dot_flops.get(dtype, 0.0) > 0.0
