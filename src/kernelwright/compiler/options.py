"""How a kernel is to be compiled."""

from dataclasses import dataclass

from kernelwright.compiler.features import HostFeatures
from kernelwright.core.errors import RequestError


@dataclass(frozen=True)
class CompileOptions:
    """How to compile.

    `checked` bounds-checks every access, `noalias` promises disjoint written tensors, `heard` keeps what kernels
    tell their user: prints go to the process's standard output, failed assertions raise. With `races`, which needs
    `checked`, launches can be traced: see `NativeKernel.launch` and its `shadow`. `streaming` promises that written
    tensors start at cache lines, and says that caches will not hold them: they are written past the caches.
    """

    checked: bool = False
    noalias: bool = False
    heard: bool = False
    features: HostFeatures | None = None
    races: bool = False
    streaming: bool = False

    def __post_init__(self) -> None:
        if self.races and not self.checked:
            raise RequestError("races=True must come with checked=True: what is out of bounds cannot be traced")
