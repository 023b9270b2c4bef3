"""The last word on an emulated chip: everything executed afresh, the tuned reference beside it, all times exact."""

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError
from kernelwright.core.final import Comparison, FinalFigures, TunedBaseline
from kernelwright.core.plan import LaunchPlan
from kernelwright.judge import stages
from kernelwright.judge.cases import CaseMaker
from kernelwright.judge.course import put_cases
from kernelwright.judge.emulated_course import BothPlans, Known
from kernelwright.judge.emulated_judge import EmulatedJudge, EmulatedJudged
from kernelwright.judge.exact import exact_comparison
from kernelwright.judge.judgement import Progress
from kernelwright.judge.seeds import derive_seed
from kernelwright.judge.verdict_form import failed_verdict
from kernelwright.problems.contract import LoadedProblem


def judge_emulated_final(
    judge: EmulatedJudge,
    problem: LoadedProblem,
    candidate: Candidate,
    tuned: TunedBaseline | None,
    seed: int,
    progress: Progress,
) -> FinalFigures:
    """Return a fresh verdict on `candidate`, all regimes confirmed at full size, and the tuned reference beside it.

    There is no comparison with the library, which does not run on an emulated chip.
    """
    judged = judge.judged(candidate, seed, progress, timed=True, fresh=True)
    if not isinstance(judged, EmulatedJudged):
        return FinalFigures(judged.verdict)
    try:
        judge.confirm_plans(judged.timed, derive_seed(seed, "final"), progress, Known())
    except stages.FirstFailure as failure:
        return FinalFigures(failed_verdict(failure.fault, failure.workload))
    return FinalFigures(
        judged.verdict, None if tuned is None else compare_tuned(judge, problem, tuned, judged, seed, progress)
    )


def compare_tuned(
    judge: EmulatedJudge,
    problem: LoadedProblem,
    tuned: TunedBaseline,
    judged: EmulatedJudged,
    seed: int,
    progress: Progress,
) -> Comparison:
    """Return the accepted candidate against the tuned reference, which must be right; raises HarnessError."""
    progress("against the tuned reference")
    plans = judge.both_plans_of(tuned.source)
    try:
        _require_right(judge, problem, plans, seed)
        chosen = [stages.require(plan) for plan in judge.chosen(plans.timed)]
        times = [stages.require(time) for time in judge.times_of(chosen)]
    except stages.FirstFailure as failure:
        place = failure.workload.name if failure.workload else "every workload"
        raise HarnessError(f"the tuned reference must pass on {place}: {failure.fault.reason}") from None
    workloads = [case.workload for case in judge.timing.cases]
    return exact_comparison("tuned reference", workloads, times, judged.times_ns)


def _require_right(judge: EmulatedJudge, problem: LoadedProblem, plans: BothPlans, seed: int) -> None:
    station = judge.station()
    first = [_first_options(plan) for plan in plans.executed]
    stages.compile_plans(station, first, judge.workloads)
    maker = CaseMaker(problem, judge.workloads, seed, seed)
    try:
        cases = maker.cases()
        put_cases(station.session, cases)
        for plan, case in zip(first, cases, strict=True):
            stages.check_answers(station, plan, case, problem, None)
            station.session.drop(case.key)
    finally:
        maker.close()


def _first_options(plan: LaunchPlan) -> LaunchPlan:
    return plan.choose((0,) * len(plan.launches))
