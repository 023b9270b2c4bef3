"""The rooms of one run, wired together."""

from collections.abc import Callable
from dataclasses import replace

from kernelwright.chips.catalogue import chip_sha256, load_chip
from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.profiles.true_rates import true_rates
from kernelwright.cli.counting import PublicCounters
from kernelwright.compiler.language_documents import language_documents
from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import canonical_json
from kernelwright.core.errors import RequestError
from kernelwright.core.final import FinalFigures, Regret, Setup, TunedBaseline
from kernelwright.core.problem import Brief
from kernelwright.core.protocols import Engineer, Recorder, Tools
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Direct, Verdict
from kernelwright.engineers.catalogue import load_engineer
from kernelwright.judge import CandidateJudge, EmulatedJudge, executed_suite, make_judge
from kernelwright.judge.baseline_tuning import tune_reference
from kernelwright.judge.comparison import judge_final
from kernelwright.judge.optimum import find_optimum, regret_of
from kernelwright.ledger import home
from kernelwright.problems import load_problem, problem_sha256
from kernelwright.problems.contract import LoadedProblem
from kernelwright.sandbox import CaptureService, choose_sandbox
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.probing import Prober
from kernelwright.workshop.workbench import Workbench

Progress = Callable[[str], None]

# What `check` runs on: public workloads only, small enough to be free of budget.
CHECK_SUITE = "smoke"
CHIP_CHANGED = "the profile of the emulated chip must be that of the run, its numbers have changed; open a new run"
FOLDER_CHANGED = "the problem's folder must hold the files that the run opened with, they have changed"

_TWO_SUITES = """## This chip is emulated

Times are emulated, exact, and of the workloads of suite {suite}. Answers are judged on workloads of the same regimes at
sizes that a CPU can execute, suite {executed}, public and hidden. A kernel that is timed must be executed too: choose
tiles and other constants so that a workload of suite {executed} launches it as well. Else it is executed at full size,
which is slow, and refused where that is too much. Before a kernel becomes the best, one full-size workload of each
regime is executed. Public workloads of suite {executed}:

{listed}
"""


class WiredBench:
    """A `runs.Bench` over the real rooms; `quiet` gets the many small steps of a judgement.

    `engineer` is one that was made already, else it is loaded by its name and options.
    """

    def __init__(
        self, run: str, setup: Setup, secret: int, quiet: Progress, engineer: Engineer | None = None
    ) -> None:  # fmt: skip
        self._run, self._secret, self._quiet = run, secret, quiet
        self._problem = load_problem(setup.problem)
        if setup.problem_sha256 not in ("", problem_sha256(self._problem)):
            raise RequestError(f"{FOLDER_CHANGED}; open a new run, or bring back the files")
        self._chip = load_chip(setup.chip)
        if setup.chip_sha256 not in ("", chip_sha256(self._chip)):
            raise RequestError(CHIP_CHANGED)
        self._wants_regret, self._suite = setup.regret, setup.suite
        executed = executed_suite(self._problem, setup.suite) if self._chip.spec.emulated else setup.suite
        self._brief = _brief_of(self._problem, setup.suite, executed)
        public = [w.name for name in (executed, CHECK_SUITE) for w in self._problem.suite(name, 0).public]
        self._also_public = tuple(dict.fromkeys(public))
        self._engineer = engineer or load_engineer(setup.engineer, setup.options)
        self._capture = CaptureService(choose_sandbox(setup.unsafe), cores=self._chip.spec.threads)
        self._recorder: Recorder | None = None
        self._judge = self._make_judge(setup.suite, with_hidden=True)
        self._check_judge = self._make_judge(CHECK_SUITE, with_hidden=False)

    @property
    def engineer(self) -> Engineer:
        """See `runs.Bench`."""
        return self._engineer

    def reference_architecture(self, progress: Progress) -> str:
        """See `runs.Bench`."""
        progress("compiling and checking the reference")
        return self._judge.reference_architecture()

    def judge(self, candidate: Candidate, seed: int, progress: Progress) -> Verdict:
        """See `runs.Bench`."""
        return self._judge(candidate, seed, self._quiet, self._recognise)

    def against_best(self, best: Candidate, seed: int, progress: Progress) -> Direct | None:
        """See `runs.Bench`."""
        return self._judge.against(best, seed, self._quiet)

    def confirm(self, seed: int, progress: Progress) -> Verdict | None:
        """See `runs.Bench`."""
        return self._judge.confirm(seed, self._quiet) if isinstance(self._judge, EmulatedJudge) else None

    def tune_baseline(self, evaluations: int, seed: int, progress: Progress) -> TunedBaseline | None:
        """See `runs.Bench`."""
        return tune_reference(self._judge, self._problem, self._secret, evaluations, seed, self._quiet)

    def judge_final(
        self, candidate: Candidate, tuned: TunedBaseline | None, seed: int, progress: Progress
    ) -> FinalFigures:
        """See `runs.Bench`."""
        library = not self._chip.spec.emulated
        figures = judge_final(self._judge, self._problem, candidate, tuned, seed, self._quiet, library)
        if not self._wants_regret or not figures.verdict.is_accepted:
            return figures
        return replace(figures, regret=self._regret(figures.verdict, progress))

    def _regret(self, verdict: Verdict, progress: Progress) -> Regret:
        from kernelwright.engineers.search.playbook import playbook  # noqa: PLC0415  # most runs do without it

        assert isinstance(self._judge, EmulatedJudge)
        assert isinstance(self._chip, EmulatedChip)
        sources = tuple(playbook(self._brief).candidates())
        progress(f"regret: the optimum over {len(sources)} candidates of the playbook, kept for the next run")
        optimum = find_optimum(self._judge, self._chip, sources, home() / "cache", self._quiet)
        return regret_of(verdict, optimum)

    def true_rates(self) -> tuple[TrueRate, ...]:
        """See `runs.Bench`."""
        return true_rates(self._chip.profile) if isinstance(self._chip, EmulatedChip) else ()

    def tools(self, recorder: Recorder) -> Tools:
        """See `runs.Bench`."""
        self._recorder = recorder
        bench = Workbench(
            brief=self._brief,
            chip=self._chip.spec,
            recorder=recorder,
            check=self._check,
            probe=Prober(self._capture, self._chip.open),
            folder=home() / "runs" / self._run / "files",
            also_public=self._also_public,
            counters=self._counters(),
            language=language_documents,
        )
        return Workshop(bench)

    def close(self) -> None:
        """See `runs.Bench`."""
        self._judge.close()
        self._check_judge.close()
        self._capture.close()

    def _recognise(self, plan_sha256: str) -> Verdict | None:
        """Return the verdict that the run has on a candidate with the same normalised IR and launches."""
        known = self._recorder.evaluations() if self._recorder is not None else ()
        return next((e.verdict for e in known if e.verdict.plan_sha256 == plan_sha256), None)

    def _counters(self) -> PublicCounters | None:
        if not isinstance(self._chip, EmulatedChip):
            return None
        return PublicCounters(self._problem, self._suite, self._chip, self._capture, self._quiet)

    def _check(self, candidate: Candidate) -> Verdict:
        return self._check_judge.check(candidate, 0, self._quiet)

    def _make_judge(self, suite_name: str, with_hidden: bool) -> CandidateJudge:
        secret = self._secret
        return make_judge(self._problem, suite_name, self._chip, self._capture, secret, secret, with_hidden)


def _brief_of(problem: LoadedProblem, suite: str, executed: str) -> Brief:
    """Return the brief; where another suite is executed than timed it says so, and lists that one's workloads."""
    brief = problem.brief(suite)
    if executed == suite:
        return brief
    listed = "\n".join(
        f"- {w.name} ({w.regime}): {canonical_json(w.params)}" for w in problem.suite(executed, 0).public
    )
    text = _TWO_SUITES.format(suite=suite, executed=executed, listed=listed)
    return replace(brief, text=brief.text.rstrip() + "\n\n" + text)
