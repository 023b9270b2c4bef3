"""What a report is written from."""

from dataclasses import dataclass

from kernelwright.core.evaluation import Evaluation
from kernelwright.core.final import FinalFigures, Setup, TunedBaseline
from kernelwright.core.rates import TrueRate


@dataclass(frozen=True)
class Promotion:
    """A candidate that became the best: after how many counted evaluations, and seconds of work."""

    evaluation: Evaluation
    counted: int
    active_s: float


@dataclass(frozen=True)
class RunStory:
    """A run as readers meet it; `final` is None while the run is open or when nothing was found.

    `source` is the text of the best kernel so far, empty if there is none. `opened_ns` is UTC
    wall time since 1970. `true_rates` is what is true of an emulated chip, empty while the run is open or not known.
    """

    run: str
    setup: Setup
    phase: str
    end_reason: str
    opened_ns: int
    active_s: float
    counted: int
    tool_calls: int
    redesigns: int
    evaluations: tuple[Evaluation, ...]
    promotions: tuple[Promotion, ...]
    notes: tuple[str, ...]
    tuned: TunedBaseline | None
    final: FinalFigures | None
    source: str
    ledger_head: str
    true_rates: tuple[TrueRate, ...] = ()
