"""The judge that fits a chip: one that measures, or one that executes one suite and emulates the times of another."""

from dataclasses import replace

from kernelwright.core.problem import Suite
from kernelwright.core.protocols import Capture, Chip
from kernelwright.judge.emulated_judge import EmulatedJudge
from kernelwright.judge.judgement import CandidateJudge
from kernelwright.judge.stages import Limits
from kernelwright.problems.contract import LoadedProblem

# What a CPU can execute; on emulated chips every larger suite is timed without being executed.
EXECUTED_SUITE = "cpu"
_SMALL_SUITES = ("smoke", EXECUTED_SUITE)


def make_judge(  # noqa: PLR0913, PLR0917  # what a judge is bound to
    problem: LoadedProblem,
    suite: str,
    chip: Chip,
    capture: Capture,
    suite_secret: int,
    secret: int,
    with_hidden: bool = True,
    limits: Limits | None = None,
) -> CandidateJudge:
    """Return the judge of `suite` on `chip`.

    Lengths of hidden workloads, and their timing inputs, follow from `suite_secret`, other inputs from `secret`.
    """
    timed = _suite(problem, suite, suite_secret, with_hidden)
    if not chip.spec.emulated:
        return CandidateJudge(problem, timed, chip, capture, secret, limits)
    executed = _suite(problem, executed_suite(problem, suite), suite_secret, with_hidden)
    return EmulatedJudge(problem, (executed, timed), chip, capture, (suite_secret, secret), limits)


def executed_suite(problem: LoadedProblem, suite: str) -> str:
    """Return the name of the suite that is executed where `suite` is timed on an emulated chip."""
    return EXECUTED_SUITE if suite not in _SMALL_SUITES and EXECUTED_SUITE in problem.suites else suite


def _suite(problem: LoadedProblem, name: str, secret: int, with_hidden: bool) -> Suite:
    suite = problem.suite(name, secret)
    return suite if with_hidden else replace(suite, workloads=suite.public)
