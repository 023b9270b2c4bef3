"""The process behind `library.LibraryProcess`: one JSON request a line in, one JSON answer a line out."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from kernelwright.chips.cpu.disturbance import favour_process
from kernelwright.chips.cpu.host import LIBRARY_REST_S, Host, load_host, parse_cores, stay_on
from kernelwright.chips.cpu.rotation import copies_to_rotate
from kernelwright.core.codec import from_json
from kernelwright.core.errors import HarnessError
from kernelwright.core.problem import Workload
from kernelwright.problems import load_problem
from kernelwright.problems.contract import Inputs, LibraryWay, LoadedProblem
from kernelwright.problems.storage import copied

_ROUNDS = 3


class Caller:
    """The ways to call the library on the copies of one workload's inputs, which take turns."""

    def __init__(self, problem: LoadedProblem, workload: Workload, seed: int, host: Host) -> None:
        inputs = problem.make_inputs(workload, seed)
        size = sum(array.nbytes for array in inputs.arrays().values())
        sets = [inputs] + [_clone(inputs) for _ in range(copies_to_rotate(size, host.llc_bytes) - 1)]
        self._ways: list[tuple[LibraryWay, ...]] = [problem.baselines.library(one) for one in sets]
        self._turn = 0
        self._way = self._fastest()

    @property
    def name(self) -> str:
        """Return the name of the fastest way."""
        return self._ways[0][self._way].name

    def call_ns(self, way: int | None = None) -> int:
        """Return the wall time, in ns, of one call of the fastest way, or of number `way`, on the next copy."""
        call = self._ways[self._turn % len(self._ways)][self._way if way is None else way].call
        self._turn += 1
        start = time.perf_counter_ns()
        call()
        return time.perf_counter_ns() - start

    def _fastest(self) -> int:
        """Return the way with the smallest time of three calls each, taken in turn after one to warm up."""
        count = len(self._ways[0])
        for way in range(count):
            self.call_ns(way)
        times = [[self.call_ns(way) for way in range(count)] for _ in range(_ROUNDS)]
        return min(range(count), key=lambda way: min(row[way] for row in times))


def _clone(inputs: Inputs) -> Inputs:
    values = {
        name: copied(value) if isinstance(value, torch.Tensor) else value for name, value in inputs.values.items()
    }
    return replace(inputs, values=values)


def main(arguments: Sequence[str]) -> None:
    """Answer requests until the input ends."""
    cores = parse_cores(arguments[1])
    # OpenMP has put this thread on the first core by now, where this process would seem to have no other.
    stay_on(cores)
    host = load_host()
    if host.cores != cores:
        raise HarnessError(f"the library must have cores {cores}, it has {host.cores}")
    favour_process()
    torch.set_num_threads(host.threads)
    stay_on(cores[:1])
    problem = load_problem(arguments[0])
    caller: Caller | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            caller = None
            caller = Caller(problem, from_json(Workload, request["prepare"], "workload"), request["seed"], host)
            answer: dict[str, object] = {"way": caller.name}
        else:
            assert caller is not None
            answer = {"ns": caller.call_ns()}
            # What runs next gets the cores: the library's threads spin for a while behind a call.
            time.sleep(LIBRARY_REST_S)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main(sys.argv[1:])
