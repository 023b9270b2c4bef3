"""How many blocks of a tile program one unit holds, and what a launch is refused for."""

import math
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import Occupancy
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.core.errors import OverLimitError


@dataclass(frozen=True)
class Residency:
    """How blocks sit on a unit.

    A block is `sets` warp sets that can slip against each other, each on `share` of the unit's engines; `groups` blocks
    of fewer warps than engines run side by side. `registers` are those a thread gets, `spilled` those it lacks.
    """

    blocks_per_unit: int
    limiter: str
    sets: int
    share: float
    groups: int
    registers: int
    spilled: int

    def occupancy(self, machine: Machine, blocks: int) -> Occupancy:
        """Return the record of a launch of `blocks` blocks; a grid that leaves room is its own limit."""
        units = machine.usable_units
        if blocks <= units * (self.blocks_per_unit - 1):
            return Occupancy(math.ceil(blocks / units), "grid", blocks / (units * self.blocks_per_unit))
        return Occupancy(self.blocks_per_unit, self.limiter, blocks / (units * self.blocks_per_unit))


def register_limit(machine: Machine, warps: int) -> int:
    """Return the most registers a thread of a block of `warps` warps can have.

    An engine's share of the register file over its warps of one block: 512 / ceil(warps / 8), at most 256, where a
    unit has 8 engines and 131,072 registers.
    """
    of_engine = machine.registers // (machine.engines * machine.warp_lanes)
    return min(machine.registers_per_thread, of_engine // math.ceil(warps / machine.engines))


def find_residency(machine: Machine, program: TileProgram) -> Residency:
    """Return how blocks of `program` sit on one unit.

    Raises:
        OverLimitError: one block has more warps or on-chip memory than the chip gives a block.
    """
    _require_fit(machine, program)
    warps = program.warps
    limit = register_limit(machine, warps)
    registers = min(program.registers_per_thread, limit)
    grain = machine.registers_granularity
    of_warp = math.ceil(max(1, registers) * machine.warp_lanes / grain) * grain
    limits = {
        "blocks": machine.max_blocks,
        "warps": machine.max_warps // warps,
        "registers": machine.registers // (of_warp * warps),
    }
    if program.shared_bytes > 0:
        limits["shared memory"] = machine.shared_bytes // program.shared_bytes
    limiter = min(limits, key=lambda name: limits[name])
    engines = machine.engines
    return Residency(
        blocks_per_unit=max(1, limits[limiter]),
        limiter=limiter,
        sets=math.ceil(warps / engines),
        share=min(warps, engines) / engines,
        groups=max(1, engines // warps),
        registers=registers,
        spilled=max(0, program.registers_per_thread - limit),
    )


def _require_fit(machine: Machine, program: TileProgram) -> None:
    needs, has = program.shared_bytes, machine.shared_block_bytes
    if needs > has:
        raise OverLimitError(
            f"tile needs {needs} bytes of on-chip memory, {machine.name} has {has}. "
            f"Reduce the tile's sizes or num_stages ({program.stages}).",
            {"needs_bytes": needs, "has_bytes": has, "stages": program.stages, "kernel": program.name},
        )
    if program.warps > machine.max_warps_per_block:
        raise OverLimitError(
            f"block has {program.warps} warps, {machine.name} takes {machine.max_warps_per_block}. Reduce num_warps.",
            {"warps": program.warps, "most_warps": machine.max_warps_per_block, "kernel": program.name},
        )
