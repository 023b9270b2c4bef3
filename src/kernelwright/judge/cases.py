"""Fresh inputs and expected answers of every workload, made while candidate source is still being captured."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from kernelwright.core.problem import Workload
from kernelwright.judge.seeds import derive_seed
from kernelwright.problems.contract import Answers, Inputs, LoadedProblem


@dataclass(frozen=True)
class Case:
    """One workload with fresh inputs; `key` is their name on the chip, `expected` the answer in float64."""

    workload: Workload
    key: str
    seed: int
    inputs: Inputs
    expected: Answers


class CaseMaker:
    """Makes the cases of one judgement in a thread of its own, in order."""

    def __init__(
        self, problem: LoadedProblem, workloads: Sequence[Workload], secret: int, seed: int, with_answers: bool = True
    ) -> None:
        self._with_answers = with_answers
        self.workloads = tuple(workloads)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cases")
        self._futures: list[Future[Case | None]] = [
            self._pool.submit(self._make, problem, workload, derive_seed(secret, "inputs", seed, workload.name))
            for workload in workloads
        ]

    def _make(self, problem: LoadedProblem, workload: Workload, seed: int) -> Case | None:
        if self._stop.is_set():
            return None
        inputs = problem.make_inputs(workload, seed)
        expected = problem.oracle(inputs) if self._with_answers else {}
        return Case(workload, f"{workload.name}/{'hidden' if workload.hidden else 'public'}", seed, inputs, expected)

    def cases(self) -> tuple[Case, ...]:
        """Return all cases, waiting for them."""
        return tuple(case for future in self._futures if (case := future.result()) is not None)

    def close(self) -> None:
        """Stop; a case that is being made is finished first."""
        self._stop.set()
        self._pool.shutdown(wait=True)
