"""Times the first call of a problem's reference: `python -m kernelwright.problems.first_call PROBLEM [--warm]`.

Prints JSON with `first_ns`, the first call, `later_ns`, the median of later ones, and `compile_ns`, their difference:
what Triton's front end, our code generator and LLVM took, or what their caches took. The inputs are those of the
smallest public workload of suite `smoke`. With `--warm` another kernel runs before, so that neither imports nor
starting threads count.
"""

import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl

from kernelwright.problems.catalogue import load_problem
from kernelwright.problems.contract import Inputs

_LATER_CALLS = 5


@triton.jit  # type: ignore[untyped-decorator]  # triton ships no types
def _one(out_ptr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    tl.store(out_ptr + tl.arange(0, BLOCK), 1.0)


def call_times(entry: Callable[..., object], inputs: Inputs) -> dict[str, int]:
    """Return `first_ns`, `later_ns` and `compile_ns` of an entry function on `inputs`."""
    times = []
    for _ in range(1 + _LATER_CALLS):
        start = time.perf_counter_ns()
        entry(**inputs.values)
        times.append(time.perf_counter_ns() - start)
    later = int(statistics.median(times[1:]))
    return {"first_ns": times[0], "later_ns": later, "compile_ns": times[0] - later}


def _entry_of(source: str, name: str, folder: Path) -> Callable[..., object]:
    """Return the entry function of a candidate's source; Triton reads kernels from files."""
    file = folder / "reference.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("reference", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    entry: Callable[..., object] = getattr(module, name)
    return entry


def main(arguments: Sequence[str]) -> None:
    """Print the times as one JSON object."""
    problem = load_problem(arguments[0])
    drawn = (problem.make_inputs(workload, 0) for workload in problem.suite("smoke", 0).public)
    inputs = min(drawn, key=lambda i: sum(v.nbytes for v in i.values.values() if isinstance(v, torch.Tensor)))
    with tempfile.TemporaryDirectory() as folder:
        entry = _entry_of(problem.baselines.reference(), problem.entry, Path(folder))
        if "--warm" in arguments[1:]:
            kernel: Any = _one
            kernel[(1,)](torch.zeros(16), BLOCK=16)
        print(json.dumps(call_times(entry, inputs)))


if __name__ == "__main__":
    main(sys.argv[1:])
