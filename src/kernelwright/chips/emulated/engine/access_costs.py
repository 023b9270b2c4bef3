"""What one access of a block asks of the memory path: bytes in sectors, requests, lines, eligibility for bulk copy."""

import math
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.tile_program import Access
from kernelwright.chips.emulated.trace import AccessFacts

PRIORITIES = {"stream": 0, "normal": 1, "keep": 2}


@dataclass(frozen=True)
class AccessCost:
    """One access of a whole block, every element active.

    `moved_bytes` whole sectors; `lines` that its requests touch; `requests` of one warp; `port_cycles` on the unit's
    load-and-store path, or on the bulk engine where `bulk`; `camping` how many times longer memory takes for it;
    `priority` 0 stream, 1 normal, 2 keep.
    """

    elements: int
    moved_bytes: float
    lines: float
    requests: float
    port_cycles: float
    bulk: bool
    camping: float
    priority: int


def cost_access(machine: Machine, access: Access, facts: AccessFacts, is_copy: bool) -> AccessCost:
    """Return what one pass of `access` costs on `machine`; `is_copy` if it goes to on-chip memory asynchronously."""
    elements = math.prod(access.shape)
    moved, lines = _sectors_and_lines(machine, access, facts)
    per_request = max(1, access.vector_bytes) * machine.warp_lanes
    requests = max(math.ceil(elements * access.element_bytes / per_request), access.threads / machine.warp_lanes)
    bulk = is_copy and is_bulk(machine, access, facts)
    if bulk:
        cycles = max(float(machine.bulk_setup_cycles), moved / machine.bulk_bytes_per_cycle)
    else:
        issue = requests * machine.copy_request_cycles
        cycles = max(issue, lines, float(requests), moved / machine.copy_bytes_per_cycle)
    return AccessCost(
        elements=elements,
        moved_bytes=moved,
        lines=lines,
        requests=1.0 if bulk else float(requests),
        port_cycles=cycles,
        bulk=bulk,
        camping=_camping(machine, access, facts),
        priority=PRIORITIES[access.priority],
    )


def is_bulk(machine: Machine, access: Access, facts: AccessFacts) -> bool:
    """Return whether the aligned tensor copy takes `access`; otherwise a plain asynchronous copy does it."""
    if access.is_write or access.element_bytes * 8 not in machine.bulk_bits or None in facts.strides:
        return False
    inner = access.order[0]
    inner_bytes = access.shape[inner] * access.element_bytes
    rows = math.prod(access.shape) // access.shape[inner]
    return (
        facts.strides[inner] == 1
        and facts.align_bytes >= machine.bulk_align
        and rows % machine.bulk_rows == 0
        and inner_bytes % machine.bulk_inner_bytes == 0
    )


def _sectors_and_lines(machine: Machine, access: Access, facts: AccessFacts) -> tuple[float, float]:
    """Return the bytes of all sectors that one pass touches, and how often a request touches a line."""
    width, sector, line = access.element_bytes, machine.sector_bytes, machine.line_bytes
    # Along stride 0 every element is the same.
    elements = math.prod(n for n, stride in zip(access.shape, facts.strides, strict=True) if stride != 0)
    run = max(1, min(facts.run_elements, elements))
    runs, run_bytes = elements / run, run * width
    if run == 1 and width < sector:
        near = _nearest_stride(access, facts)
        sectors = max(1.0, math.ceil(elements * min(1.0, near * width / sector)))
        return sectors * sector, max(1.0, elements * min(1.0, near * width / line))
    slack = sector - min(sector, _row_align(access, facts))
    sectors = max(1.0, runs * math.ceil((slack + run_bytes) / sector))
    return sectors * sector, max(1.0, runs * math.ceil(run_bytes / line))


def _row_align(access: Access, facts: AccessFacts) -> int:
    """Return the largest power of two that divides the address of every row seen."""
    align = facts.align_bytes
    for dim, (stride, extent) in enumerate(zip(facts.strides, access.shape, strict=True)):
        if dim != access.order[0] and extent > 1 and stride:
            distance = abs(stride) * access.element_bytes
            align = min(align, distance & -distance)
    return align


def _nearest_stride(access: Access, facts: AccessFacts) -> float:
    """Return the smallest distance, in elements, between neighbours along any dimension; infinite where gathered."""
    known = [
        math.inf if stride is None else float(abs(stride))
        for stride, extent in zip(facts.strides, access.shape, strict=True)
        if extent > 1 and stride != 0
    ]
    return min(known, default=math.inf)


def _camping(machine: Machine, access: Access, facts: AccessFacts) -> float:
    """Return how many times longer memory takes where rows lie at the stride that camps on few channels."""
    if machine.channel_stride_bytes <= 0 or machine.channel_camping <= 0.0:
        return 1.0
    for stride, extent in zip(facts.strides, access.shape, strict=True):
        distance = 0 if stride is None else abs(stride) * access.element_bytes
        if extent > 1 and distance > machine.line_bytes and distance % machine.channel_stride_bytes == 0:
            return 1.0 / (1.0 - min(0.95, machine.channel_camping))
    return 1.0
