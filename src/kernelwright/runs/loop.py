"""One run from its first entry to its last, and again from wherever it stopped."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.final import FinalFigures, Setup, TunedBaseline
from kernelwright.core.protocols import BudgetSpent
from kernelwright.runs.conditions import Bench, Progress, RunLedger
from kernelwright.runs.patience import PatientLedger
from kernelwright.runs.recorder import Hands, RunRecorder, plain_json, seed_of
from kernelwright.runs.state import RunState, fold

MakeBench = Callable[[Setup, int], Bench]

# Evaluations for the tuned baseline of a run that is limited by time only.
TUNING_EVALUATIONS = 60


def open_run(ledger: RunLedger, run: str, setup: Setup, key: bytes | None = None) -> None:
    """Write the first entry of a run: what was asked, on what machine, and the hash of its secret.

    The secret, from which hidden workloads and all seeds follow, stays outside the entries until
    the run closes; its hash shows then that it was fixed before anyone tried anything. On an emulated chip, where
    times are exact, it follows from the seed and the `key` of the installation: equal runs have equal records.
    """
    ledger.take(run)
    secret = secrets.token_hex(16) if key is None or not setup.emulated else _exact_secret(setup, key)
    ledger.seal(run, secret)
    payload = {
        "setup": to_json(setup),
        "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
    }
    ledger.append(run, "opened", payload)


def _exact_secret(setup: Setup, key: bytes) -> str:
    """Return the secret that equal requests share; who knows one of a closed run knows that of its twins."""
    asked = [setup.problem, setup.problem_sha256, setup.chip, setup.suite, str(setup.seed)]
    return hmac.new(key, "\0".join(asked).encode(), hashlib.sha256).hexdigest()[:32]


def conduct_run(
    given: RunLedger,
    run: str,
    make_bench: MakeBench,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> RunState:
    """Work on an opened run until it is closed; return its last state.

    What entries say is done is not done again. Raises RequestError when the run is written by
    another process or its secret is not here, HarnessError when the judge cannot work.
    """
    ledger = PatientLedger(given, progress, sleep)
    ledger.take(run)
    state = fold(ledger.entries(run))
    if state.is_closed:
        return state
    if state.setup is None:
        raise RequestError(f"run '{run}' must begin with an entry that opens it, it does not")
    secret = _require_secret(ledger, run, state)
    bench = make_bench(state.setup, hidden_seed(secret))
    try:
        ledger.append(run, "session", {"phase": state.phase})
        if not state.has_reference:
            ledger.append(run, "reference", {"architecture": bench.reference_architecture(progress)})
        _work(ledger, run, bench, secret, progress, sleep)
        _tune(ledger, run, bench, secret, progress)
        _judge_final(ledger, run, bench, secret, progress)
        true_rates = bench.true_rates()
    finally:
        bench.close()
    state = fold(ledger.entries(run))
    if not state.is_closed:
        # Nobody who works on the run can read what comes with its last entry.
        revealed = {"true_rates": to_json(true_rates)} if true_rates else {}
        ledger.append(run, "closed", {"reason": state.end_reason, "secret": secret, **revealed})
    return fold(ledger.entries(run))


def hidden_seed(secret: str) -> int:
    """Return the seed from which the lengths of a run's hidden workloads follow."""
    return seed_of(secret, "hidden workloads")


def _require_secret(ledger: RunLedger, run: str, state: RunState) -> str:
    secret = ledger.sealed(run)
    if secret is None:
        raise RequestError(f"run '{run}' must be resumed with the ledger that opened it; this one holds a copy")
    if hashlib.sha256(secret.encode()).hexdigest() != state.secret_sha256:
        raise HarnessError(f"the secret of run '{run}' must match its hash in the first entry, it does not")
    return secret


def _tune(ledger: RunLedger, run: str, bench: Bench, secret: str, progress: Progress) -> None:
    state = fold(ledger.entries(run))
    if state.is_tuned or state.setup is None:
        return
    limit = state.setup.evaluations or TUNING_EVALUATIONS
    progress(f"tuning the reference with {limit} evaluations (baseline 2)")
    tuned = bench.tune_baseline(limit, seed_of(secret, "tuning"), progress)
    blobs = {} if tuned is None else _source_blob(tuned.source)
    ledger.append(run, "baseline_tuned", {"baseline": plain_json(to_json(tuned))}, blobs)


def _work(
    ledger: PatientLedger, run: str, bench: Bench, secret: str, progress: Progress, sleep: Callable[[float], None]
) -> None:
    state = fold(ledger.entries(run))
    if state.end_reason or state.setup is None:
        return
    hands = Hands(
        bench.judge, progress, sleep, against_best=bench.against_best, confirm=bench.confirm, outage=ledger.outage
    )
    replays = bool(getattr(bench.engineer, "repeats_calls", False))
    recorder = RunRecorder(ledger, run, secret, hands, replays)
    progress(f"{bench.engineer.name} works on {state.setup.problem} on {state.setup.chip}")
    try:
        bench.engineer.work(bench.tools(recorder), state.setup.seed)
        reason = "the engineer had nothing more to try"
    except BudgetSpent as spent:
        reason = str(spent) or "budget spent"
    finally:
        recorder.close()
    ledger.append(run, "work_ended", {"reason": reason})


def _judge_final(ledger: RunLedger, run: str, bench: Bench, secret: str, progress: Progress) -> None:
    state = fold(ledger.entries(run))
    if state.is_final:
        return
    figures: FinalFigures | None = None
    if state.best is not None:
        # From the stored source, not from memory: what is judged is what the record holds.
        kernel = Candidate(ledger.blob(state.best.candidate_sha256).decode())
        progress("judging the final kernel again, fresh, on all workloads")
        is_exact = state.setup is not None and state.setup.emulated
        seed = seed_of(secret, "final" if is_exact else f"final:{time.time_ns()}")
        figures = _fresh_figures(bench, kernel, state.tuned, seed, progress)
    payload = {
        "candidate": state.best.candidate_sha256 if state.best else None,
        "figures": plain_json(to_json(figures)),
    }
    ledger.append(run, "final", payload)


def _fresh_figures(
    bench: Bench, kernel: Candidate, tuned: TunedBaseline | None, seed: int, progress: Progress
) -> FinalFigures:
    figures = bench.judge_final(kernel, tuned, seed, progress)
    if figures.verdict.status == "harness_error":
        raise HarnessError(f"the final judgement must work before a run can close: {figures.verdict.reason}")
    return figures


def _source_blob(source: str) -> dict[str, bytes]:
    content = source.encode()
    return {hashlib.sha256(content).hexdigest(): content}
