"""What a plain test catches: normal inputs, plain launches, `torch.allclose`, as kernels are usually tested.

Plans run as they were captured, without checks, guards or poisons: memory that a kernel should have written is zero.
Each source has a process of its own, since nothing keeps it from reading and writing anywhere. A crash and a launch
without end count as caught, as a person would notice them.
"""

import contextlib
import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import numpy as np
import torch

from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.program import Program, bind, has_disjoint_writes, is_input, options, prepare
from kernelwright.compiler import CompileOptions, compile_ttir
from kernelwright.core.plan import LaunchPlan
from kernelwright.problems.contract import Inputs, Value
from kernelwright.problems.extend_attention import PROBLEM as problem
from kernelwright.problems.extend_attention.oracle import attend
from kernelwright.problems.storage import tensor_of_bytes
from tests.mutation.judging import SECRET, SUITE

TOLERANCE = 1e-2
SEED = 7
TIMEOUT_S = 60.0
# Their contents are drawn from a normal distribution, slots that no request names too.
_DRAWN = ("q_extend", "k_extend", "v_extend", "k_buffer", "v_buffer", "sinks")

Plans = Mapping[str, LaunchPlan]


@dataclass(frozen=True)
class PlainCase:
    """One call and the answer in float64."""

    inputs: Inputs
    expected: torch.Tensor


class PlainTest:
    """A process that has the inputs and answers, and runs each plan in a fork of itself; `close` it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()

    def difference(self, plans: Plans) -> str:
        """Return what is wrong with the answers of plans by workload, empty when all are close."""
        self._pipe.send(dict(plans))
        said: str = self._pipe.recv()
        return said

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def plain_cases() -> dict[str, PlainCase]:
    """Return the workloads of the suite by name, hidden ones too, with contents as plain tests have them."""
    torch.manual_seed(SEED)
    cases = {}
    for workload in problem.suite(SUITE, SECRET).workloads:
        inputs = problem.make_inputs(workload, SEED, 1.0, 0)
        plain = replace(inputs, values={name: _plain(name, value) for name, value in inputs.values.items()})
        cases[workload.name] = PlainCase(plain, attend(plain))
    return cases


def answer_of(plan: LaunchPlan, inputs: Inputs, threads: int) -> torch.Tensor:
    """Return the output of a plan that runs in this process, unchecked."""
    kernels = []
    for option in options(plan):
        text = plan.kernels[option.kernel].ttir
        kernels.append(compile_ttir(text, CompileOptions(noalias=has_disjoint_writes(option, text))))
    arrays, held = inputs.arrays(), []
    answer = np.zeros(inputs.tensor("o_extend").nbytes, np.uint8)
    for buffer in plan.buffers:
        memory = np.zeros(buffer.size_bytes + 64, np.uint8)
        view = memory[-memory.ctypes.data % 64 :][: buffer.size_bytes]
        if is_input(buffer):
            view[:] = np.frombuffer(arrays[buffer.name], np.uint8)
        make = prepare(buffer)
        if make is not None:
            make(view)
        if buffer.role == "output":
            answer = view
        held.append(view)
    for launch in bind(Program(plan, tuple(kernels)), [view.ctypes.data for view in held], False):
        launch.kernel.launch(launch.grid, launch.args, threads=threads)
    return tensor_of_bytes(answer.tobytes(), inputs.tensor("o_extend"))


def is_close(answer: torch.Tensor, expected: torch.Tensor) -> bool:
    """Return what `torch.allclose` says at the usual tolerance."""
    return torch.allclose(answer.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)


def _plain(name: str, value: Value) -> Value:
    return torch.randn(value.shape).to(value.dtype) if isinstance(value, torch.Tensor) and name in _DRAWN else value


def _serve(pipe: Connection) -> None:
    """Answer until None comes. No thread runs here, so forks are safe."""
    torch.set_num_threads(1)
    cases, context = plain_cases(), multiprocessing.get_context("fork")
    with contextlib.suppress(EOFError):
        while (plans := pipe.recv()) is not None:
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_test, args=(cases, plans, sender))
            child.start()
            sender.close()
            pipe.send(_told(receiver))
            child.kill()
            child.join()


def _told(receiver: Connection) -> str:
    if not receiver.poll(TIMEOUT_S):
        return f"no end within {TIMEOUT_S:g} s"
    try:
        said: str = receiver.recv()
    except EOFError:
        return "the process crashed"
    return said


def _test(cases: Mapping[str, PlainCase], plans: Plans, sender: Connection) -> None:
    sender.send(_first_difference(cases, plans))
    sender.close()


def _first_difference(cases: Mapping[str, PlainCase], plans: Plans) -> str:
    threads = load_host().threads
    for name, plan in plans.items():
        try:
            answer = answer_of(plan, cases[name].inputs, threads)
        except Exception as error:  # whatever it is, a person would see it
            return f"workload '{name}': {type(error).__name__}"
        if not is_close(answer, cases[name].expected):
            return f"workload '{name}' is not close"
    return ""
