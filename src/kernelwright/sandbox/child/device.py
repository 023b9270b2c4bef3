"""What host code is told when it asks torch for the device: one, whose multiprocessors are the cores of the chip."""

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch

# What torch.cuda.get_device_capability answers: the rule that the reference's tile sizes follow.
CAPABILITY = (8, 9)
WARP_SIZE = 32
NAME = "kernelwright"


@dataclass(frozen=True)
class DeviceProperties:
    """The properties that host code plans by, under torch's names."""

    multi_processor_count: int
    total_memory: int
    name: str = NAME
    major: int = CAPABILITY[0]
    minor: int = CAPABILITY[1]
    warp_size: int = WARP_SIZE
    max_threads_per_multi_processor: int = 1024
    regs_per_multiprocessor: int = 1 << 16
    shared_memory_per_block: int = 1 << 30
    shared_memory_per_block_optin: int = 1 << 30
    shared_memory_per_multiprocessor: int = 1 << 30


class HostStream:
    """The only stream there is; launches are in order, so waiting for it changes nothing."""

    cuda_stream = 0
    device_index = 0

    def synchronize(self) -> None:
        """Return at once."""

    def wait_stream(self, stream: object) -> None:
        """Return at once."""


class Selected:
    """Stands in for torch.cuda.device and torch.cuda.stream: a context in which nothing is different."""

    def __init__(self, chosen: object = None) -> None:
        self.idx = 0

    def __enter__(self) -> None:
        """Change nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Change nothing."""


def install(cores: int) -> None:
    """Answer questions about the device in this process: `cores` is how many cores kernels run on."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    properties, stream = DeviceProperties(cores, memory_bytes), HostStream()
    answers: dict[str, Any] = {
        "get_device_capability": lambda device=None: CAPABILITY,
        "get_device_properties": lambda device=None: properties,
        "get_device_name": lambda device=None: NAME,
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "set_device": lambda device: None,
        "synchronize": lambda device=None: None,
        "current_stream": lambda device=None: stream,
        "default_stream": lambda device=None: stream,
        "device": Selected,
        "device_of": Selected,
        "stream": Selected,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
