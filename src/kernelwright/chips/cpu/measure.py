"""Measures this machine in a process of its own: `python -m kernelwright.chips.cpu.measure CORES` prints JSON.

Every rate is the best of many short windows, because a neighbour on the machine can only make a window slower. The
windows of all rates take turns, so that a slow second takes a few windows of each and not all of one.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from kernelwright.chips.cpu import microkernels
from kernelwright.chips.cpu.host import LIBRARY_REST_S, stay_on
from kernelwright.chips.cpu.settling import settle_on
from kernelwright.chips.cpu.triton_probes import compiled_dot, launch_ns

_WINDOW_S = 0.005
_ROUNDS = 30
# What takes longer than this for one call gets this many rounds.
_LONG_CALL_S, _LONG_ROUNDS = 0.05, 4
_STREAM_BYTES = 192 << 20
_MATMUL = 1024
_DOT_STEPS = 2_000_000
_EXP_BYTES = 16 << 10
_EXP_REPEATS = 2000

Rates = dict[str, float]


@dataclass(frozen=True)
class Task:
    """A call that does `work`, in bytes or operations, and needs a rest behind it of `rest_s` seconds."""

    work: float
    call: Callable[[], object]
    rest_s: float = 0.0


def best_rates(tasks: Mapping[str, Mapping[str, Task]]) -> dict[str, Rates]:
    """Return the largest rate, work per second, that each task reached in any window."""
    best = {what: dict.fromkeys(codes, 0.0) for what, codes in tasks.items()}
    slow: set[tuple[str, str]] = set()
    for number in range(_ROUNDS):
        for what, codes in tasks.items():
            for code, task in codes.items():
                if number >= _LONG_ROUNDS and (what, code) in slow:
                    continue
                rate, call_s = _window(task)
                # The first call of all warms up.
                best[what][code] = max(best[what][code], rate if number else 0.0)
                if number and call_s > _LONG_CALL_S:
                    slow.add((what, code))
    return best


def _window(task: Task) -> tuple[float, float]:
    """Return the rate and the seconds a call of one window."""
    calls = 0
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < _WINDOW_S or not calls:
        task.call()
        calls += 1
    time.sleep(task.rest_s)
    return calls * task.work / passed, passed / calls


class Team:
    """Runs a native function on every core at once; ctypes lets go of the interpreter meanwhile."""

    def __init__(self, cores: Sequence[int]) -> None:
        self.threads = len(cores)
        places = iter(cores)
        self._pool = ThreadPoolExecutor(len(cores), initializer=lambda: stay_on([next(places)]))

    def __call__(self, call: Callable[[int], object]) -> None:
        """Run `call(number)` for each thread and wait."""
        list(self._pool.map(call, range(self.threads)))


def stream_tasks(machine: microkernels.Machine, team: Team) -> dict[str, Task]:
    """Return tasks in bytes: reading and a triad, native, and a copy through torch."""
    part = _STREAM_BYTES // team.threads // 4096 * 4096
    arrays = [[_aligned(part) for _ in range(3)] for _ in range(team.threads)]
    read = machine.function(microkernels.read_text(), "read", 2)
    triad = machine.function(microkernels.triad_text(), "triad", 4)
    total = part * team.threads
    tensor = torch.ones(total // 4)
    other = torch.empty_like(tensor)
    return {
        "native read": Task(total, lambda: team(lambda i: read(arrays[i][0].ctypes.data, part))),
        "native triad": Task(3 * total, lambda: team(lambda i: triad(*(a.ctypes.data for a in arrays[i]), part))),
        "torch copy": Task(2 * total, lambda: other.copy_(tensor), LIBRARY_REST_S),
    }


def dot_tasks(machine: microkernels.Machine, team: Team, kind: str) -> dict[str, Task]:
    """Return tasks in floating-point operations: dots of type `kind` by each code that can do them."""
    torch_type = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[kind]
    # Where the machine has no fp16 dots, the library needs seconds for what others do in milliseconds.
    side = _MATMUL // 4 if kind == "f16" else _MATMUL
    left = torch.randn(side, side).to(torch_type)
    right = torch.randn(side, side).to(torch_type)
    out = torch.empty_like(left)
    product = Task(2 * side**3, lambda: torch.matmul(left, right, out=out), LIBRARY_REST_S)
    tasks = {f"oneDNN (torch.matmul {side})": product}
    has_pairs = machine.has_bf16_dot and kind == "bf16"
    by_hand = f"hand-written micro-kernel ({'bf16 pairs' if has_pairs else 'fp32 FMA'})"
    tasks[by_hand] = _hand_dot(machine, team, "bf16" if has_pairs else "f32")
    compiled = compiled_dot(kind, team.threads)
    if compiled is not None:
        tasks["compiled tl.dot"] = Task(*compiled)
    return tasks


def _hand_dot(machine: microkernels.Machine, team: Team, kind: str) -> Task:
    lanes, columns = machine.lanes, machine.columns
    dot = machine.function(microkernels.dot_text(kind, lanes, columns), "dot", 4)
    operands = [[_aligned(1 << 18) for _ in range(3)] for _ in range(team.threads)]
    per_step = 2 * microkernels.ROWS * columns * lanes * (2 if kind == "bf16" else 1)
    return Task(
        _DOT_STEPS * per_step * team.threads,
        lambda: team(lambda i: dot(*(a.ctypes.data for a in operands[i]), _DOT_STEPS)),
    )


def exp_tasks(machine: microkernels.Machine, team: Team) -> dict[str, Task]:
    """Return tasks in fp32 exponentials, native and through torch."""
    exp2 = machine.function(microkernels.exp2_text(machine.lanes), "exp2", 3)
    pairs = [(_aligned(_EXP_BYTES), _aligned(_EXP_BYTES)) for _ in range(team.threads)]

    def one(number: int) -> None:
        to, source = (array.ctypes.data for array in pairs[number])
        for _ in range(_EXP_REPEATS):
            exp2(to, source, _EXP_BYTES)

    tensor = torch.zeros(1 << 20)
    out = torch.empty_like(tensor)
    return {
        "native exp2": Task(_EXP_BYTES / 4 * _EXP_REPEATS * team.threads, lambda: team(one)),
        "torch.exp": Task(tensor.numel(), lambda: torch.exp(tensor, out=out), LIBRARY_REST_S),
    }


def _aligned(size_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    whole = np.zeros(size_bytes + 4096, dtype=np.uint8)
    start = -whole.ctypes.data % 4096
    part = whole[start : start + size_bytes]
    part.fill(0)
    return part


def main(arguments: Sequence[str]) -> None:
    """Print every rate as one JSON object."""
    cores = settle_on(arguments[0])
    machine, team = microkernels.Machine(), Team(cores)
    tasks = {
        "stream": stream_tasks(machine, team),
        **{f"dot {kind}": dot_tasks(machine, team, kind) for kind in ("bf16", "f16", "f32")},
        "exp": exp_tasks(machine, team),
    }
    print(json.dumps({**best_rates(tasks), "launch_ns": {"empty kernel": launch_ns(len(cores))}}))


if __name__ == "__main__":
    main(sys.argv[1:])
