"""What a plain test catches: normal inputs, plain launches, `torch.allclose`, as kernels are usually tested.

Each source runs in a process of its own, forked from this one, since nothing keeps it from reading and writing
anywhere. An exception, a crash and a launch without end count as caught, as a person would notice them.
"""

import importlib.util
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from kernelwright.problems import load_problem
from kernelwright.problems.contract import Inputs, Value
from tests.mutation.judging import PROBLEM, SECRET, SUITE
from tests.mutation.mutants import Mutant

TOLERANCE = 1e-2
SEED = 7
TIMEOUT_S = 120.0
# Their contents are drawn from a normal distribution; slots that no request names too.
_DRAWN = ("q_extend", "k_extend", "v_extend", "k_buffer", "v_buffer", "sinks")


@dataclass(frozen=True)
class PlainCase:
    """One call and the answer in float64."""

    inputs: Inputs
    expected: torch.Tensor


def plain_cases() -> tuple[PlainCase, ...]:
    """Return the workloads of the suite, hidden ones too, with contents as plain tests have them."""
    problem = load_problem(PROBLEM)
    torch.manual_seed(SEED)
    cases = []
    for workload in problem.suite(SUITE, SECRET).workloads:
        inputs = problem.make_inputs(workload, SEED, 1.0, 0)
        values = {name: _plain(name, value) for name, value in inputs.values.items()}
        plain = replace(inputs, values=values)
        cases.append(PlainCase(plain, problem.oracle(plain)))
    return tuple(cases)


def plainly_tested(cases: tuple[PlainCase, ...], mutants: Iterable[Mutant]) -> Iterator[tuple[str, str]]:
    """Yield each mutant's name and what a plain test finds wrong, empty when it passes.

    Call it where no thread runs yet. Raises RuntimeError on a platform without fork.
    """
    context = multiprocessing.get_context("fork")
    entry = load_problem(PROBLEM).entry
    with tempfile.TemporaryDirectory() as folder:
        for mutant in mutants:
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_test, args=(cases, mutant.source, entry, Path(folder), sender))
            child.start()
            sender.close()
            yield mutant.name, _told(receiver)
            child.kill()
            child.join()


def _plain(name: str, value: Value) -> Value:
    if not isinstance(value, torch.Tensor):
        return value
    if name == "o_extend":
        return torch.zeros_like(value)
    return torch.randn(value.shape).to(value.dtype) if name in _DRAWN else value


def _told(receiver: Connection) -> str:
    if not receiver.poll(TIMEOUT_S):
        return f"no end within {TIMEOUT_S:g} s"
    try:
        said: str = receiver.recv()
    except EOFError:
        return "the process crashed"
    return said


def _test(cases: tuple[PlainCase, ...], source: str, entry: str, folder: Path, sender: Connection) -> None:
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # the process ends with it
    try:
        found = _first_difference(_entry_of(source, entry, folder), cases)
    except Exception as error:
        found = f"{type(error).__name__}"
    sender.send(found)
    sender.close()


def _first_difference(call: Callable[..., object], cases: tuple[PlainCase, ...]) -> str:
    for case in cases:
        call(**case.inputs.values)
        got = case.inputs.tensor("o_extend").double()
        if not torch.allclose(got, case.expected, atol=TOLERANCE, rtol=TOLERANCE):
            return f"workload '{case.inputs.workload.name}' is not close"
    return ""


def _entry_of(source: str, entry: str, folder: Path) -> Callable[..., object]:
    file = folder / "mutant.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("mutant", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: Callable[..., object] = getattr(module, entry)
    return found
