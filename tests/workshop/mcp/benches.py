"""Tools over a real recorder and ledger, whose chip is a model."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kernelwright.core.candidate import Candidate
from kernelwright.core.final import Setup
from kernelwright.core.verdict import Verdict
from kernelwright.engineers.search.architecture import Architecture, Design
from kernelwright.engineers.search.composer import compose
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunRecorder, open_run
from kernelwright.runs.recorder import Hands
from kernelwright.workshop.inprocess import Workshop
from tests.engineers.modelled import ModelBench
from tests.runs.scripted import setup

SOURCE = compose(Design(Architecture(rows="group")))


@dataclass
class Worked:
    """A run being worked on: its tools, its ledger, and a gate that judgements wait for."""

    tools: Workshop
    ledger: SqlLedger
    recorder: RunRecorder
    gate: threading.Event = field(default_factory=threading.Event)

    def calls(self) -> list[dict[str, object]]:
        return [entry.payload for entry in self.ledger.entries("r") if entry.kind == "tool_call"]


@contextlib.contextmanager
def worked(folder: Path, evaluations: int = 3, gated: bool = False, asked: Setup | None = None) -> Iterator[Worked]:
    """Yield the tools of a run opened as `asked`; with `gated` judgements wait until the gate is set."""
    ledger = SqlLedger(f"sqlite:///{folder / 'ledger.db'}")
    open_run(ledger, "r", asked or setup(evaluations=evaluations))
    ledger.take("r")
    bench, gate = ModelBench(folder), threading.Event()
    if not gated:
        gate.set()

    def judge(candidate: Candidate, seed: int, progress: object) -> Verdict:
        assert gate.wait(60)
        return bench.judge(candidate, seed, lambda line: None)

    recorder = RunRecorder(ledger, "r", "5ec2e7", Hands(judge, lambda line: None), replays=False)
    tools = bench.tools(recorder)
    assert isinstance(tools, Workshop)
    try:
        yield Worked(tools, ledger, recorder, gate)
    finally:
        gate.set()
        ledger.close()
