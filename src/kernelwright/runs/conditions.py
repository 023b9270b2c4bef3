"""What a run is given: its bench, which does the work, and its ledger."""

from collections.abc import Callable, Sequence
from typing import Protocol

from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import ControlRequest
from kernelwright.core.final import FinalFigures, TunedBaseline
from kernelwright.core.protocols import Engineer, Ledger, Recorder, Tools
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Direct, Verdict

Progress = Callable[[str], None]


class Bench(Protocol):
    """The rooms that work for one run, bound to its problem, suite, chip and secret."""

    @property
    def engineer(self) -> Engineer:
        """Return who tries."""

    def reference_architecture(self, progress: Progress) -> str:
        """Return the architecture fingerprint of the reference, the start of every run."""

    def judge(self, candidate: Candidate, seed: int, progress: Progress) -> Verdict:
        """Return the verdict against the reference."""

    def against_best(self, best: Candidate, seed: int, progress: Progress) -> Direct | None:
        """Return how the candidate judged last, an accepted one, does in turn with `best`; None if that fails."""

    def confirm(self, seed: int, progress: Progress) -> Verdict | None:
        """Return why the candidate judged last must not become the best after all, a verdict; None when it may."""

    def tune_baseline(self, evaluations: int, seed: int, progress: Progress) -> TunedBaseline | None:
        """Return the reference tuned with at most that many evaluations, None if it has no knobs."""

    def judge_final(
        self, candidate: Candidate, tuned: TunedBaseline | None, seed: int, progress: Progress
    ) -> FinalFigures:
        """Return fresh figures of the final kernel on all workloads."""

    def true_rates(self) -> tuple[TrueRate, ...]:
        """Return what is true of an emulated chip, for the entry that closes the run; nothing of a real one."""

    def tools(self, recorder: Recorder) -> Tools:
        """Return the workshop's tools over `recorder`."""

    def close(self) -> None:
        """End worker processes; safe to call twice."""


class RunLedger(Ledger, Protocol):
    """The ledger as a run needs it."""

    def take(self, run: str) -> None:
        """Take the run's writer lock; raises RequestError when another process has it."""

    def requests(self, run: str, after: int = 0) -> Sequence[ControlRequest]:
        """Return what people asked of the run since request `after`."""

    def seal(self, run: str, secret: str) -> None:
        """Keep a secret outside the entries."""

    def sealed(self, run: str) -> str | None:
        """Return the run's secret."""
