"""Measures this machine in a process of its own: `python -m kernelwright.chips.cpu.measure CORES` prints JSON.

Every rate is the best of many short windows: a neighbour on the machine can only make a window slower.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from kernelwright.chips.cpu import microkernels
from kernelwright.chips.cpu.triton_probes import compiled_dot_flops_per_s, launch_ns

_WINDOW_S = 0.03
_WINDOWS = 12
_LONGEST_S = 1.0
_STREAM_BYTES = 192 << 20
_MATMUL = 1024
_DOT_STEPS = 4_000_000
_EXP_BYTES = 16 << 10
_EXP_REPEATS = 2000

Rates = dict[str, float]


def best_rate(work: float, call: Callable[[], object], windows: int = _WINDOWS) -> float:
    """Return the largest rate, work per second, seen in up to `windows` windows of repeated calls, about 1 s in all."""
    call()
    best = 0.0
    end = time.perf_counter() + _LONGEST_S
    for _ in range(windows):
        if best and time.perf_counter() > end:
            break
        calls = 0
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < _WINDOW_S or not calls:
            call()
            calls += 1
        passed = time.perf_counter() - start
        best = max(best, calls * work / passed)
    return best


class Team:
    """Runs a native function on every core at once; ctypes lets go of the interpreter meanwhile."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, call: Callable[[int], object]) -> None:
        """Run `call(number)` for each thread and wait."""
        list(self._pool.map(call, range(self.threads)))


def stream_rates(machine: microkernels.Machine, team: Team) -> Rates:
    """Return bytes per second of reading, and of a triad, each native and through torch."""
    part = _STREAM_BYTES // team.threads // 4096 * 4096
    arrays = [[_aligned(part) for _ in range(3)] for _ in range(team.threads)]
    read = machine.function(microkernels.read_text(), "read", 2)
    triad = machine.function(microkernels.triad_text(), "triad", 4)
    total = part * team.threads
    tensor = torch.ones(total // 4)
    other = torch.empty_like(tensor)
    return {
        "native read": best_rate(total, lambda: team(lambda i: read(arrays[i][0].ctypes.data, part))),
        "native triad": best_rate(3 * total, lambda: team(lambda i: triad(*(a.ctypes.data for a in arrays[i]), part))),
        "torch copy": best_rate(2 * total, lambda: other.copy_(tensor)),
    }


def dot_rates(machine: microkernels.Machine, team: Team, kind: str) -> Rates:
    """Return floating-point operations per second of dots of type `kind` by each code that can do them."""
    torch_type = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[kind]
    # Where the machine has no fp16 dots, the library needs seconds for what others do in milliseconds.
    side = _MATMUL // 4 if kind == "f16" else _MATMUL
    left = torch.randn(side, side).to(torch_type)
    right = torch.randn(side, side).to(torch_type)
    out = torch.empty_like(left)
    rates = {f"oneDNN (torch.matmul {side})": best_rate(2 * side**3, lambda: torch.matmul(left, right, out=out))}
    hand = _hand_dot_rate(machine, team, kind if machine.has_bf16_dot and kind == "bf16" else "f32")
    rates[f"hand-written micro-kernel ({'bf16 pairs' if kind == 'bf16' and machine.has_bf16_dot else 'fp32 FMA'})"] = (
        hand
    )
    compiled = compiled_dot_flops_per_s(kind, team.threads)
    if compiled is not None:
        rates["compiled tl.dot"] = compiled
    return rates


def _hand_dot_rate(machine: microkernels.Machine, team: Team, kind: str) -> float:
    lanes, columns = machine.lanes, machine.columns
    dot = machine.function(microkernels.dot_text(kind, lanes, columns), "dot", 4)
    operands = [[_aligned(1 << 18) for _ in range(3)] for _ in range(team.threads)]
    steps = _DOT_STEPS // 8
    per_step = 2 * microkernels.ROWS * columns * lanes * (2 if kind == "bf16" else 1)
    return best_rate(
        steps * per_step * team.threads, lambda: team(lambda i: dot(*(a.ctypes.data for a in operands[i]), steps))
    )


def exp_rates(machine: microkernels.Machine, team: Team) -> Rates:
    """Return fp32 exponentials per second, native and through torch."""
    exp2 = machine.function(microkernels.exp2_text(machine.lanes), "exp2", 3)
    pairs = [(_aligned(_EXP_BYTES), _aligned(_EXP_BYTES)) for _ in range(team.threads)]

    def one(number: int) -> None:
        to, source = (array.ctypes.data for array in pairs[number])
        for _ in range(_EXP_REPEATS):
            exp2(to, source, _EXP_BYTES)

    tensor = torch.zeros(1 << 20)
    out = torch.empty_like(tensor)
    return {
        "native exp2": best_rate(_EXP_BYTES / 4 * _EXP_REPEATS * team.threads, lambda: team(one)),
        "torch.exp": best_rate(tensor.numel(), lambda: torch.exp(tensor, out=out)),
    }


def _aligned(size_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    whole = np.zeros(size_bytes + 4096, dtype=np.uint8)
    start = -whole.ctypes.data % 4096
    part = whole[start : start + size_bytes]
    part.fill(0)
    return part


def main(arguments: Sequence[str]) -> None:
    """Print every rate as one JSON object."""
    cores = [int(core) for core in arguments[0].split(",")]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    machine, team = microkernels.Machine(), Team(len(cores))
    measured = {
        "stream": stream_rates(machine, team),
        **{f"dot {kind}": dot_rates(machine, team, kind) for kind in ("bf16", "f16", "f32")},
        "exp": exp_rates(machine, team),
        "launch_ns": {"empty kernel": launch_ns(len(cores))},
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1:])
