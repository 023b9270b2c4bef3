"""One evaluation of a run, as the record tells it."""

from dataclasses import dataclass

from kernelwright.core.verdict import Verdict


@dataclass(frozen=True)
class Evaluation:
    """A judged candidate.

    `number` counts the evaluations of the run from 1. `repeats` is the number of an earlier
    evaluation with equal source, equal normalised IR or equal machine code: then nothing was
    counted and `verdict` is that one's. `is_best` says that the candidate became the best so far.
    """

    number: int
    candidate_sha256: str
    verdict: Verdict
    note: str = ""
    repeats: int | None = None
    is_best: bool = False
    is_redesign: bool = False
