"""Whether a run's claim holds when it is executed again."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import Entry
from kernelwright.core.verdict import Verdict
from kernelwright.runs.loop import hidden_seed
from kernelwright.runs.state import RunState, fold

# Two sessions differ by more than either's interval says: neighbours, clocks, page placement.
SESSION_DRIFT = 0.05

# Arguments: the kernel's stored source, and the seed of the run's hidden workloads.
Rejudge = Callable[[Candidate, int], Verdict]


@dataclass(frozen=True)
class Verification:
    """The JSON of `kernelwright verify`: speedups over the reference as claimed and as measured now.

    `unsafe`: the run, or this check of it, let candidates run without a sandbox. `emulated`: times are exact, and
    were compared to the nanosecond, workload by workload.
    """

    confirmed: bool
    claimed: float | None
    measured: float | None
    chain_ok: bool
    differences: tuple[str, ...]
    unsafe: bool = False
    emulated: bool = False


def verify_run(
    entries: Sequence[Entry],
    faults: Sequence[str],
    blob: Callable[[str], bytes],
    rejudge: Rejudge,
    changes: Sequence[str] = (),
) -> Verification:
    """Return whether a run's final figures hold.

    `faults` are the findings on its chain: one is enough to refuse without measuring, and so is one of `changes`,
    what is no longer as it was when the run opened. Otherwise
    the counts are taken again from the entries and `rejudge` measures the final kernel's stored
    source on the run's workloads; both intervals, widened by `SESSION_DRIFT`, must meet. Emulated times must be equal.
    """
    if faults:
        return Verification(False, None, None, False, tuple(faults))
    state = fold(entries)
    differences = _check_record(state, entries)
    if differences:
        return Verification(False, _claimed(state), None, False, differences)
    if changes:
        return Verification(False, _claimed(state), None, True, tuple(changes))
    if state.final is None or state.best is None:
        return Verification(False, None, None, True, ("the run ended without a kernel that beats the reference",))
    verdict = rejudge(Candidate(blob(state.best.candidate_sha256).decode()), hidden_seed(state.secret))
    differences = compare_verdicts(state.final.verdict, verdict)
    unsafe = verdict.unsafe or state.final.verdict.unsafe or bool(state.setup and state.setup.unsafe)
    claimed, emulated = _claimed(state), verdict.emulated
    return Verification(not differences, claimed, verdict.geomean_speedup, True, differences, unsafe, emulated)


def compare_verdicts(claimed: Verdict, measured: Verdict) -> tuple[str, ...]:
    """Return what differs between a claim and its re-execution, one line each; empty if it holds."""
    if measured.status != claimed.status:
        return (f"status: claimed {claimed.status}, now {measured.status}: {measured.reason}",)
    if claimed.geomean_speedup is None or measured.geomean_speedup is None:
        return (f"status: claimed {claimed.status}, a claim needs an accepted kernel",)
    differences = []
    if claimed.architecture != measured.architecture:
        differences.append("architecture: the kernel has another structure now")
    if claimed.emulated or measured.emulated:
        return (*differences, *_time_differences(claimed, measured))
    allowed = math.log1p(SESSION_DRIFT) + _half_width(claimed) + _half_width(measured)
    if abs(math.log(measured.geomean_speedup / claimed.geomean_speedup)) > allowed:
        differences.append(
            f"speedup: claimed {claimed.geomean_speedup:.3g}x, now {measured.geomean_speedup:.3g}x, "
            f"more than {math.expm1(allowed):.1%} apart"
        )
    return tuple(differences)


def _time_differences(claimed: Verdict, measured: Verdict) -> tuple[str, ...]:
    """Return each workload whose emulated times differ by a nanosecond or more, or that only one verdict has."""
    times = [{w.name: (w.baseline_ns, w.candidate_ns) for w in verdict.workloads} for verdict in (claimed, measured)]
    return tuple(
        f"emulated time of workload '{name}': claimed {_pair(times[0].get(name))}, now {_pair(times[1].get(name))} "
        "(reference, kernel)"
        for name in dict.fromkeys((*times[0], *times[1]))
        if times[0].get(name) != times[1].get(name)
    )


def _pair(times: tuple[float, float] | None) -> str:
    return "none" if times is None else f"{times[0]:.0f} ns, {times[1]:.0f} ns"


def _check_record(state: RunState, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return how the entries contradict themselves, beyond what their hashes show."""
    if not state.is_closed:
        return ("the run must be closed, its last entry does not close it",)
    if hashlib.sha256(state.secret.encode()).hexdigest() != state.secret_sha256:
        return ("the revealed secret must match the hash in the first entry, it does not",)
    written = [entry.payload for entry in entries if entry.kind == "evaluation"]
    marks = [(e.repeats, e.is_best, e.is_redesign) for e in state.evaluations]
    if marks != [(p["repeats"], p["is_best"], p["is_redesign"]) for p in written]:
        return ("promotions and redesigns must follow from the verdicts, the entries say otherwise",)
    final = next(entry.payload for entry in entries if entry.kind == "final")
    if final["candidate"] != (state.best.candidate_sha256 if state.best else None):
        return ("the final kernel must be the best of the run, the entries say otherwise",)
    return ()


def _claimed(state: RunState) -> float | None:
    return state.final.verdict.geomean_speedup if state.final else None


def _half_width(verdict: Verdict) -> float:
    if verdict.ci95 is None or min(verdict.ci95) <= 0:
        return 0.0
    return math.log(verdict.ci95[1] / verdict.ci95[0]) / 2 + (verdict.noise_floor or 0.0)
