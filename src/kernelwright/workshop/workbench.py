"""What the tools work on: the run, the judge's small check, the chip's clock and the run's folder."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kernelwright.core.candidate import Candidate
from kernelwright.core.document import Document
from kernelwright.core.problem import Brief
from kernelwright.core.protocols import ChipSpec, Recorder
from kernelwright.core.verdict import Verdict
from kernelwright.workshop.files import Workspace

Check = Callable[[Candidate], Verdict]
Probe = Callable[[str], Mapping[str, object]]
Counters = Callable[[Candidate, Sequence[str]], Mapping[str, Mapping[str, object]]]


@dataclass(frozen=True)
class Workbench:
    """One engineer's place of work.

    `check` judges on small workloads without timing; `probe` times the functions of a probe file
    (see `workshop.probing`); `pages` are further documents by name. Calls may come from several threads; those that
    use the chip wait for each other on `chip_in_use`, or they would spoil each other's times. `counters` tells, by name
    of public workload, what a profiler shows of a candidate's launches, without anything that the chip hides; None
    where the chip has no counters. `language` gives the documents of Triton's language, worked out when asked for.
    """

    brief: Brief
    chip: ChipSpec
    recorder: Recorder
    check: Check
    probe: Probe
    folder: Path
    pages: Mapping[str, str] = field(default_factory=dict)
    also_public: tuple[str, ...] = ()
    counters: Counters | None = None
    language: Callable[[], Sequence[Document]] = tuple
    chip_in_use: threading.Lock = field(default_factory=threading.Lock)

    @property
    def files(self) -> Workspace:
        """Return the run's folder of files."""
        return Workspace(self.folder)
