"""A run whose chip is a model: times come from rates that the engineer does not know, refusals from a rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernelwright.core.candidate import Candidate
from kernelwright.core.final import FinalFigures, Setup, TunedBaseline
from kernelwright.core.problem import Brief
from kernelwright.core.protocols import ChipSpec, Engineer, Recorder, Tools
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Direct, Verdict, WorkloadResult
from kernelwright.engineers.search import SearchEngineer
from kernelwright.engineers.search.architecture import Architecture, Design, Tiles, parse_design
from kernelwright.engineers.search.predict import predicted_ns, tiles_of
from kernelwright.engineers.search.rates import Rates
from kernelwright.engineers.search.scenes import Scene, scenes_of
from kernelwright.ledger import SqlLedger
from kernelwright.problems import load_problem
from kernelwright.runs import RunState, conduct_run, open_run
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.workbench import Counters, Workbench

Rule = Callable[[Design, str], Verdict | None]
REFERENCE = Design(Architecture(grid="padded"), Tiles(64, 128, 128, 128))
# Not those that the probes below tell: the engineer's model is off, as it is on any real chip.
TRUE_RATES = Rates(
    parallel=2.0, launch_ns=9000.0, dot_gflops={"16": 60.0, "64": 190.0, "256": 170.0}, exp_ns=0.4, exp2_ns=0.2,
    mask_ns=0.15, row_ns=6.0, dot_by={"pointers": 0.7},
)  # fmt: skip


def brief() -> Brief:
    return load_problem("extend-attention").brief("cpu")


def told_by_probes(source: str) -> Mapping[str, object]:
    """Answer every probe with a time of some microseconds, more for larger tiles."""
    names = [line.split("(")[0].removeprefix("def ") for line in source.splitlines() if line.startswith("def probe")]
    return {"probes": {name: {"ns_min": 30_000 + 10 * len(name) * sum(map(ord, name))} for name in names}}


@dataclass
class ModelBench:
    """Everything a run is given; `sources` are the candidates judged, in order."""

    folder: Path
    rule: Rule = lambda design, source: None
    stop_after: int | None = None
    sources: list[str] = field(default_factory=list)
    checks: int = 0
    emulated: bool = False
    counters: Counters | None = None

    @property
    def engineer(self) -> Engineer:
        return SearchEngineer()

    def reference_architecture(self, progress: Callable[[str], None]) -> str:
        return "reference"

    def judge(self, candidate: Candidate, seed: int, progress: Callable[[str], None]) -> Verdict:
        if self.stop_after is not None and len(self.sources) >= self.stop_after:
            raise KeyboardInterrupt
        self.sources.append(candidate.source)
        return self._verdict(candidate)

    def _verdict(self, candidate: Candidate) -> Verdict:
        design = parse_design(candidate.source)
        assert design is not None
        refused = self.rule(design, candidate.source)
        if refused is not None:
            return refused
        rows = tuple(self._row(scene, design) for scene in scenes_of(brief()))
        geomean = 1.0
        for row in rows:
            geomean *= row.speedup ** (1 / len(rows))
        interval = (geomean * 0.99, geomean * 1.01)
        name = str(design.architecture)
        return Verdict("accepted", "", {}, geomean, interval, 0.01, 0.5, 0.5, rows, candidate.sha256, architecture=name)

    def _row(self, scene: Scene, design: Design) -> WorkloadResult:
        old = predicted_ns(REFERENCE.architecture, tiles_of(REFERENCE, scene), scene, TRUE_RATES)
        new = predicted_ns(design.architecture, tiles_of(design, scene), scene, TRUE_RATES)
        ratio = old / new
        return WorkloadResult(
            scene.name, "x", False, old, new, ratio, (ratio, ratio), 1e-3, 1e-2, min(old, new) / 4, "compute"
        )

    def check(self, candidate: Candidate) -> Verdict:
        self.checks += 1
        return self._verdict(candidate)

    def against_best(self, best: Candidate, seed: int, progress: Callable[[str], None]) -> Direct | None:
        return None

    def confirm(self, seed: int, progress: Callable[[str], None]) -> Verdict | None:
        return None

    def tune_baseline(self, evaluations: int, seed: int, progress: Callable[[str], None]) -> TunedBaseline | None:
        return None

    def judge_final(
        self, candidate: Candidate, tuned: TunedBaseline | None, seed: int, progress: Callable[[str], None]
    ) -> FinalFigures:
        return FinalFigures(self._verdict(candidate))

    def true_rates(self) -> tuple[TrueRate, ...]:
        return ()

    def tools(self, recorder: Recorder) -> Tools:
        chip = ChipSpec("paper", "a model of a chip", self.emulated, 2)
        bench = Workbench(
            brief(), chip, recorder, self.check, told_by_probes, self.folder / "files", counters=self.counters
        )
        return Workshop(bench)

    def close(self) -> None:
        """Nothing to end."""


def work_on(bench: ModelBench, evaluations: int = 40, seed: int = 0) -> RunState:
    """Open or go on with the run of `bench.folder`; returns its state."""
    ledger = SqlLedger(f"sqlite:///{bench.folder / 'ledger.db'}")
    if "r" not in ledger.runs():
        machine = {"cpu": "a model", "threads": 2}
        open_run(
            ledger, "r", Setup("extend-attention", "paper", "search", "cpu", seed, evaluations, None, machine=machine)
        )
    try:
        return conduct_run(ledger, "r", lambda given, hidden: bench, lambda line: None)
    finally:
        ledger.close()
