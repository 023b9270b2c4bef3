"""The final kernel against every baseline, measured in turn with it, on fresh inputs."""

from collections.abc import Sequence

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError
from kernelwright.core.final import ComparedWorkload, Comparison, FinalFigures, TunedBaseline
from kernelwright.core.plan import LaunchPlan
from kernelwright.judge import stages
from kernelwright.judge.cases import Case
from kernelwright.judge.contest import Contest
from kernelwright.judge.course import Progress
from kernelwright.judge.emulated_final import judge_emulated_final
from kernelwright.judge.emulated_judge import EmulatedJudge
from kernelwright.judge.judgement import CandidateJudge, Judged
from kernelwright.judge.library import LibraryProcess
from kernelwright.judge.statistics import Paired, abba_schedule, paired_of_schedule, summarise
from kernelwright.judge.timing import FINAL_BLOCKS
from kernelwright.problems.contract import LoadedProblem


def judge_final(
    judge: CandidateJudge,
    problem: LoadedProblem,
    candidate: Candidate,
    tuned: TunedBaseline | None,
    seed: int,
    progress: Progress,
    with_library: bool = True,
) -> FinalFigures:
    """Return a fresh verdict on `candidate`, and how it compares with the tuned reference and the library.

    Comparisons are None for a candidate that is not accepted, where there is no tuned reference, with
    `with_library` off, and on emulated chips, where the library does not run.
    """
    if isinstance(judge, EmulatedJudge):
        return judge_emulated_final(judge, problem, candidate, tuned, seed, progress)
    progress("peaks: measured again, the larger count")
    judge.measure_peaks()
    judged = judge.judged(candidate, seed, progress, timed=True)
    if not judged.verdict.is_accepted:
        return FinalFigures(judged.verdict)
    against_tuned = None
    if tuned is not None:
        progress("against the tuned reference")
        against_tuned = compare_plans(judge, problem, "tuned reference", judge.plans_of(tuned.source), judged)
    against_library = None
    if with_library and problem.baselines.has_library:
        progress("against the library")
        against_library = compare_library(judge, problem, judged, progress)
    return FinalFigures(judged.verdict, against_tuned, against_library)


def compare_plans(
    judge: CandidateJudge, problem: LoadedProblem, name: str, baselines: Sequence[LaunchPlan], judged: Judged
) -> Comparison:
    """Return the accepted candidate of `judged` against `baselines`, which must be correct too; A B B A.

    Raises HarnessError when a baseline fails.
    """
    station = judge.station()
    try:
        stages.compile_plans(station, baselines, judge.workloads)
        chosen = stages.choose_options(station, baselines, judged.cases)
        for plan, case in zip(chosen, judged.cases, strict=True):
            stages.check_answers(station, plan, case, problem, None)
        watch = stages.Stopwatch()
        pairs = Contest(station, chosen, judged.plans, judged.cases, watch).play(FINAL_BLOCKS).pairs
    except stages.FirstFailure as failure:
        place = failure.workload.name if failure.workload else "every workload"
        raise HarnessError(f"baseline '{name}' must pass on {place}: {failure.fault.reason}") from None
    return _comparison(name, pairs, judged.cases, ("",) * len(pairs))


def compare_library(judge: CandidateJudge, problem: LoadedProblem, judged: Judged, progress: Progress) -> Comparison:
    """Return the accepted candidate of `judged` against the best way, per workload, to call the library.

    The library runs in a process of its own, with the same threads and cores, idle while the candidate runs.
    """
    pairs, notes, schedule = [], [], abba_schedule(FINAL_BLOCKS)
    with LibraryProcess(problem.address) as library:
        for number, (plan, case) in enumerate(zip(judged.plans, judged.cases, strict=True)):
            progress(f"library: {number + 1} of {len(judged.cases)}")
            notes.append(library.prepare(case.workload, case.seed))
            times = [library.time() if item == 0 else _one_call(judge, plan, case) for item in schedule]
            pairs.append(paired_of_schedule(times))
    return _comparison("library", pairs, judged.cases, notes)


def _one_call(judge: CandidateJudge, plan: LaunchPlan, case: Case) -> int:
    station = judge.station()
    timing = stages.require(station.session.time([plan], [case.key], [0], station.limits.launch_s), case.workload)
    return timing.times_ns[0]


def _comparison(name: str, pairs: Sequence[Paired], cases: Sequence[Case], notes: Sequence[str]) -> Comparison:
    summary = summarise(pairs)
    rows = []
    for pair, case, note, ratio in zip(pairs, cases, notes, summary.workloads, strict=True):
        base, ours = pair.times()
        workload = case.workload
        rows.append(
            ComparedWorkload(workload.name, workload.regime, workload.hidden, base, ours, ratio.value, ratio.ci95, note)
        )
    return Comparison(name, summary.geomean.value, summary.geomean.ci95, tuple(rows))
