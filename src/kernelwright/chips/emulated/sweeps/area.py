"""How large a design is, as a proxy: a sum over what it holds. Every coefficient is assumed, none is the vendor's.

They were set so that a unit of a published 5 nm part comes out near its 3.5 mm2 and its caches near theirs. Only
ratios of areas mean anything, as far as the coefficients hold: halve or double them before trusting a decision.
"""

from kernelwright.chips.emulated.machine import Machine

STANDING = "assumed"
AREA_LABEL = "area proxy (mm2 of an assumed 5 nm process)"
# mm2 each, all assumed.
_LANE = 0.005
_DOT_FLOP = 0.0002
_EXP_RESULT = 0.008
_UNIT_FIXED = 0.8
_REGISTER_MIB = 0.9
_SHARED_MIB = 0.6
_SHARED_BYTE_PER_CYCLE = 0.001
_CACHE_MIB = 0.5
_CACHE_BYTE_PER_CYCLE = 0.002
_LINK_BYTE_PER_CYCLE = 0.004
_MEMORY_TB_PER_S = 20.0
_CHIP_FIXED = 100.0
_MIB = 1 << 20


def area_parts(machine: Machine) -> dict[str, float]:
    """Return the proxy by part, in mm2 of the assumed process; units that are fused off take area too."""
    units = machine.units
    clusters = -(-units // machine.l2_units)
    vector = machine.lanes * _LANE + machine.special_per_cycle.get("exp", 0.0) * _EXP_RESULT + _UNIT_FIXED
    registers = machine.registers * 4 / _MIB * _REGISTER_MIB
    shared = machine.shared_bytes / _MIB * _SHARED_MIB + machine.shared_bytes_per_cycle * _SHARED_BYTE_PER_CYCLE
    l2 = machine.l2_bytes / _MIB * _CACHE_MIB + machine.l2_bytes_per_cycle * _CACHE_BYTE_PER_CYCLE
    llc = machine.llc_bytes / _MIB * _CACHE_MIB + machine.llc_bytes_per_cycle * _CACHE_BYTE_PER_CYCLE
    return {
        "matrix": units * machine.dot_flops.get("bf16", 0.0) * _DOT_FLOP,
        "vector": units * vector,
        "registers": units * registers,
        "shared memory": units * shared,
        "L2": clusters * l2,
        "last-level cache": llc if machine.llc_bytes else 0.0,
        "die link": machine.die_link_bytes_per_cycle * _LINK_BYTE_PER_CYCLE if machine.dies > 1 else 0.0,
        "memory interface": machine.memory_bytes_per_s / 1e12 * _MEMORY_TB_PER_S,
        "fixed": _CHIP_FIXED,
    }


def area_proxy(machine: Machine) -> float:
    """Return the whole proxy, in mm2 of the assumed process. The clock and the launch floor cost nothing in it."""
    return sum(area_parts(machine).values())
