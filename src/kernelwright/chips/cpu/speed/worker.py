"""Times the cases in a process of its own: `python -m kernelwright.chips.cpu.speed.worker CORES [NAME ...]`.

Each line of stdout is one `Timed` as JSON, in the order of measuring. Both sides run on the same threads, in turn,
A B B A, on copies of the inputs that take turns so that none is in the last-level cache.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from kernelwright.chips.cpu.host import LIBRARY_REST_S, load_host
from kernelwright.chips.cpu.rotation import copies_to_rotate
from kernelwright.chips.cpu.settling import settle_on
from kernelwright.chips.cpu.speed import kernels
from kernelwright.chips.cpu.speed.cases import CASES, Case, Tensors, difference, gate
from kernelwright.core.errors import KernelwrightError

BLOCKS = 8
_LAUNCHES, _LAUNCH_WARMUP = 400, 50
LAUNCH = "launch of one program"


def timed(case: Case, llc_bytes: int) -> dict[str, object]:
    """Return names and times of one case in ns, in blocks [ours, theirs, theirs, ours] kept in order; or why not."""
    found: dict[str, object] = {"name": case.name, "kernel": case.kernel.name, "work": case.kernel.work(case.shape)}
    rng = torch.Generator().manual_seed(0)
    try:
        sets = _copies(case, llc_bytes, rng)
        wanted = case.kernel.theirs(*sets[0]).clone()
        got = case.kernel.ours(*sets[0])
    except KernelwrightError as error:
        return {**found, "failure": str(error)}
    distance, limit = difference(got, wanted), gate(wanted)
    if not distance <= limit:
        return {**found, "failure": f"result must be within {limit:g} of torch's, it is {distance:.2g} away"}
    # Both once more: neither begins with caches that only the other has warmed.
    _elapsed_ns(case.kernel.theirs, sets[-1], LIBRARY_REST_S)
    _elapsed_ns(case.kernel.ours, sets[-1], 0)
    ours: list[int] = []
    theirs: list[int] = []
    turn = 0
    for _ in range(BLOCKS):
        for is_ours in (False, True, True, False):
            given = sets[turn % len(sets)]
            turn += 1
            if is_ours:
                ours.append(_elapsed_ns(case.kernel.ours, given, 0))
            else:
                theirs.append(_elapsed_ns(case.kernel.theirs, given, LIBRARY_REST_S))
    return {**found, "distance": distance, "ours_ns": ours, "theirs_ns": theirs}


def launch_times() -> dict[str, object]:
    """Return the times of launching one program of a tiny kernel from Python, in ns."""
    kernel: Any = kernels
    out = torch.zeros(16)
    times = []
    for _ in range(_LAUNCH_WARMUP + _LAUNCHES):
        start = time.perf_counter_ns()
        kernel.one_kernel[(1,)](out, 16, BLOCK_SIZE=16)
        times.append(time.perf_counter_ns() - start)
    return {"name": LAUNCH, "ours_ns": times[_LAUNCH_WARMUP:]}


def _copies(case: Case, llc_bytes: int, rng: torch.Generator) -> list[Tensors]:
    first = case.kernel.make(case.shape, case.dtype, rng)
    count = copies_to_rotate(sum(t.nbytes for t in first), llc_bytes)
    return [first, *(tuple(t.clone() for t in first) for _ in range(count - 1))]


def _elapsed_ns(call: Callable[..., object], given: Tensors, rest_s: float) -> int:
    start = time.perf_counter_ns()
    kept = call(*given)
    passed = time.perf_counter_ns() - start
    # The library's threads spin for a while behind a call, on cores that the other side needs.
    time.sleep(rest_s)
    del kept
    return passed


def main(arguments: Sequence[str]) -> None:
    """Print the times of the cases of these names, each as soon as it is measured."""
    settle_on(arguments[0])
    llc_bytes = load_host().llc_bytes
    for name in arguments[1:]:
        if name == LAUNCH:
            print(json.dumps(launch_times()), flush=True)
            continue
        (case,) = (case for case in CASES if case.name == name)
        print(json.dumps(timed(case, llc_bytes)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
