"""A run without a chip: an engineer that follows a script and a judge that reads the answer off the source.

Run as a program, `python -m tests.runs.scripted URL RUN PACE_S`, it works on the run until it is closed.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.errors import RequestError
from kernelwright.core.fault import Status
from kernelwright.core.final import ComparedWorkload, Comparison, FinalFigures, Setup, TunedBaseline
from kernelwright.core.problem import Brief
from kernelwright.core.protocols import Engineer, Recorder, Tools
from kernelwright.core.rates import TrueRate
from kernelwright.core.recall import Recall
from kernelwright.core.verdict import Direct, Verdict, WorkloadResult
from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run

Progress = Callable[[str], None]
REGIMES = (("cold 2k", "cold", False), ("ragged mix", "ragged", False), ("hidden hit", "hit", True))


def candidate(speedup: float, architecture: str, plan: str = "", status: str = "accepted") -> str:
    """Return a source that the scripted judge knows how to judge."""
    return f"# {status} {speedup} {architecture} {plan or f'{architecture}-{speedup}'}\n" + "x = 1\n" * 100


def verdict_of(source: str) -> Verdict:
    _, word, speedup, architecture, plan = source.splitlines()[0].split()
    status: Status = word  # type: ignore[assignment]  # scripts hold only known words
    if status != "accepted":
        return Verdict(status, f"{status} as scripted", plan_sha256=plan)
    value = float(speedup)
    rows = tuple(
        WorkloadResult(n, r, h, 1e6, 1e6 / value, value, (value * 0.99, value * 1.01), 2e-3, 1e-2, 2e5, "compute")
        for n, r, h in REGIMES
    )
    interval = (value * 0.99, value * 1.01)
    blank = Verdict("accepted", "", {}, value, interval, 0.01, 0.5, 0.6, rows, plan)
    return replace(blank, architecture=architecture, baseline="reference")


def script(length: int) -> tuple[str, ...]:
    """Return sources in the order the engineer tries them: three architectures, each tuned."""
    sources = []
    for number in range(length):
        status = "incorrect" if number % 5 == 3 else "accepted"
        sources.append(candidate(round(1.1 + 0.07 * number, 3), f"arch{number // 8}", status=status))
    return tuple(sources)


@dataclass
class ScriptedTools:
    """As much of a workshop as a script needs."""

    recorder: Recorder

    def brief(self) -> Brief:
        return Brief("scripted", "", "f", "", ())

    def check(self, source: str) -> Mapping[str, object]:
        return self.recorder.tool_call("check", {"source": source}, lambda: {"ok": True})

    def evaluate(self, source: str, note: str = "") -> Mapping[str, object]:
        def call() -> Mapping[str, object]:
            verdict = self.recorder.evaluate(Candidate(source), note).verdict
            return {"status": verdict.status, "geomean_speedup": verdict.geomean_speedup}

        return self.recorder.tool_call("evaluate", {"source": source, "note": note}, call)

    def probe(self, source: str) -> Mapping[str, object]:
        return self.recorder.tool_call("probe", {"source": source}, lambda: {"ns": [1, 2]})

    def note(self, text: str) -> None:
        def call() -> Mapping[str, object]:
            self.recorder.note(text)
            return {}

        self.recorder.tool_call("notes", {"text": text}, call)

    def notes(self) -> tuple[str, ...]:
        return self.recorder.notes()

    def history(self) -> tuple[Mapping[str, object], ...]:
        return tuple({"status": e.verdict.status} for e in self.recorder.evaluations())

    def call(self, name: str, arguments: Mapping[str, object], client: str = "") -> Mapping[str, object]:
        def call() -> Mapping[str, object]:
            raise RequestError("page 'x' is not known")

        return self.recorder.tool_call(name, arguments, call, client)

    def remaining(self) -> Mapping[str, float]:
        return self.recorder.remaining()

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        self.recorder.remark(kind, payload)

    def recall(self, after: int = 0, client: str = "") -> Recall:
        found = self.recorder.evaluations()[after:]
        rows = tuple({"evaluation": e.number, "status": e.verdict.status} for e in found)
        return Recall({}, rows, "", self.recorder.notes(), self.recorder.summary(client))

    def heed(self) -> bool:
        return self.recorder.heed()

    def own_folder(self) -> Path:
        raise NotImplementedError

    def submit(self) -> Mapping[str, object]:
        def call() -> Mapping[str, object]:
            self.recorder.submit()
            return {}

        return self.recorder.tool_call("submit", {}, call)


@dataclass
class ScriptedEngineer:
    """Tries its sources in order; keeps what the tools answered in `heard`."""

    sources: tuple[str, ...]
    submits: bool = False
    repeats_calls: bool = True
    heard: list[Mapping[str, object]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "scripted"

    def work(self, tools: Tools, seed: int) -> None:
        for number, source in enumerate(self.sources):
            self.heard.append(tools.check(source))
            self.heard.append(tools.evaluate(source, f"try {number}"))
            if number % 4 == 0:
                tools.note(f"tried {number} with {tools.remaining()['evaluations']:.0f} left")
        if self.submits:
            tools.submit()


@dataclass
class ScriptedBench:
    """Everything a run is given, without a chip; `judged` counts judgements that really ran."""

    worker: Engineer
    pace_s: float = 0.0
    judged: int = 0
    faults: int = 0
    truth: tuple[TrueRate, ...] = ()

    @property
    def engineer(self) -> Engineer:
        return self.worker

    def reference_architecture(self, progress: Progress) -> str:
        return "reference"

    def judge(self, candidate: Candidate, seed: int, progress: Progress) -> Verdict:
        time.sleep(self.pace_s)
        if self.faults:
            self.faults -= 1
            return Verdict("harness_error", "the chip's worker went away")
        self.judged += 1
        return verdict_of(candidate.source)

    def against_best(self, best: Candidate, seed: int, progress: Progress) -> Direct | None:
        return None

    def confirm(self, seed: int, progress: Progress) -> Verdict | None:
        return None

    def tune_baseline(self, evaluations: int, seed: int, progress: Progress) -> TunedBaseline:
        time.sleep(self.pace_s)
        return TunedBaseline("# accepted 1.5 reference tuned\n", {"cold": "64x64"}, min(evaluations, 12))

    def judge_final(
        self, candidate: Candidate, tuned: TunedBaseline | None, seed: int, progress: Progress
    ) -> FinalFigures:
        time.sleep(self.pace_s)
        verdict = verdict_of(candidate.source)
        if not verdict.is_accepted or verdict.geomean_speedup is None:
            return FinalFigures(verdict)
        return FinalFigures(verdict, _compare("tuned", verdict, 1.5), _compare("library", verdict, 1.25))

    def true_rates(self) -> tuple[TrueRate, ...]:
        return self.truth

    def tools(self, recorder: Recorder) -> Tools:
        return ScriptedTools(recorder)

    def close(self) -> None:
        """Nothing to end."""


def _compare(name: str, verdict: Verdict, by: float) -> Comparison:
    speedup = (verdict.geomean_speedup or 1.0) / by
    rows = tuple(
        ComparedWorkload(w.name, w.regime, w.hidden, w.baseline_ns / by, w.candidate_ns, speedup, w.ci95)
        for w in verdict.workloads
    )
    return Comparison(name, speedup, (speedup * 0.99, speedup * 1.01), rows)


def setup(evaluations: int | None = 20, seconds: float | None = None) -> Setup:
    machine = {"cpu": "a test", "threads": 2}
    return Setup("scripted", "paper", "scripted", "smoke", 0, evaluations, seconds, machine=machine)


def main(url: str, run: str, pace_s: float) -> None:
    def make_bench(given: Setup, hidden: int) -> ScriptedBench:
        return ScriptedBench(ScriptedEngineer(script(30)), pace_s)

    conduct_run(SqlLedger(url), run, make_bench, lambda line: print(to_json(line), flush=True))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
