"""How a measuring process of ours takes its place: on its cores, a thread on each, before ordinary ones."""

import os

import torch

from kernelwright.chips.cpu.disturbance import favour_process
from kernelwright.chips.cpu.host import parse_cores, stay_on
from kernelwright.compiler.threads import pin_threads


def settle_on(core_list: str) -> tuple[int, ...]:
    """Keep this process on the cores of a `core_list`, kernels and torch with a thread for each; return the cores."""
    cores = parse_cores(core_list)
    stay_on(cores)
    if hasattr(os, "sched_setaffinity"):
        pin_threads(cores)
    favour_process()
    torch.set_num_threads(len(cores))
    return cores
