"""Times kernels in Triton's interpreter: `TRITON_INTERPRET=1 python -m kernelwright.chips.cpu.speed.interpreted`.

Arguments are names of cases. Each line of stdout is JSON with the times of one kernel on its small shape.
"""

import json
import sys
import time
from collections.abc import Sequence

import torch

from kernelwright.chips.cpu.speed.cases import Case, difference, gate, interpreted_cases

_REPEATS = 6


def timed(case: Case) -> dict[str, object]:
    """Return the times, in ns, of the kernel on its small shape, and the work in it; or why there are none."""
    kernel = case.kernel
    found: dict[str, object] = {"name": kernel.name, "work": kernel.work(kernel.small)}
    given = kernel.make(kernel.small, case.dtype, torch.Generator().manual_seed(0))
    wanted = kernel.theirs(*given).clone()
    distance, limit = difference(kernel.ours(*given), wanted), gate(wanted)
    if not distance <= limit:
        reason = f"the interpreter's result must be within {limit:g} of torch's, it is {distance:.2g} away"
        return {**found, "failure": reason}
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter_ns()
        kernel.ours(*given)
        times.append(time.perf_counter_ns() - start)
    return {**found, "interpreter_ns": times}


def main(names: Sequence[str]) -> None:
    """Print the times of the kernels of these names, each as soon as it is measured."""
    for case in interpreted_cases():
        if case.kernel.name in names:
            print(json.dumps(timed(case)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
