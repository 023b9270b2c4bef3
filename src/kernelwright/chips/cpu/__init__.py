"""The host processor as a chip: real time, one worker process pinned to its cores."""

from kernelwright.chips.cpu.chip import CpuChip

__all__ = ["CpuChip"]
