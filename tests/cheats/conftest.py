from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.problem import Suite
from kernelwright.core.verdict import Verdict
from kernelwright.judge import CandidateJudge
from kernelwright.judge.stages import Limits
from kernelwright.problems import load_problem
from kernelwright.sandbox import CaptureService
from kernelwright.sandbox import Limits as HostLimits

SECRET = 20260522
# Long enough for honest code on a machine that is busy otherwise.
HOST_S, LAUNCH_S = 20.0, 12.0


class Judges:
    """Judges of suite smoke, or of some of its workloads; only the one used last stays open."""

    def __init__(self, capture: CaptureService) -> None:
        self._capture = capture
        self._names: tuple[str, ...] | None = None
        self._judge: CandidateJudge | None = None
        self._seed = 0

    def __call__(self, source: str, workloads: tuple[str, ...] = (), timed: bool = False) -> Verdict:
        """Return the verdict on `source`, with figures when `timed`."""
        judge = self._of(workloads)
        self._seed += 1
        candidate = Candidate(source)
        return (judge if timed else judge.check)(candidate, self._seed, lambda _line: None)

    def close(self) -> None:
        if self._judge is not None:
            self._judge.close()
        self._judge = None

    def _of(self, names: tuple[str, ...]) -> CandidateJudge:
        if self._judge is None or self._names != names:
            self.close()
            problem = load_problem("extend-attention")
            whole = problem.suite("smoke", SECRET)
            kept = tuple(w for w in whole.workloads if not names or w.name in names)
            assert len(kept) == (len(names) or len(whole.workloads))
            suite = Suite("smoke", kept)
            self._names = names
            limits = Limits(launch_s=LAUNCH_S)
            self._judge = CandidateJudge(problem, suite, load_chip("cpu"), self._capture, SECRET, limits)
        return self._judge


@pytest.fixture(scope="package")
def judged() -> Iterator[Judges]:
    """Return a judge of suite smoke with limits short enough for tests."""
    with CaptureService(limits=HostLimits(call_s=HOST_S)) as capture:
        judges = Judges(capture)
        yield judges
        judges.close()
