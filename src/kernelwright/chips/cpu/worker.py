"""The process that compiles and runs plans: `python -m kernelwright.chips.cpu.worker`. No candidate's Python runs here.

Descriptors on the command line: the command channel, the status page, and a pipe whose end of file means
that the parent is gone.
"""

import mmap
import os
import resource
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import numpy as np

from kernelwright.chips.cpu import disturbance
from kernelwright.chips.cpu.channel import Channel, ChannelClosed, StatusPage, open_shared_file
from kernelwright.chips.cpu.host import parse_cores, stay_on
from kernelwright.chips.cpu.memory import Bytes, Store
from kernelwright.chips.cpu.program import (
    PlanRefused,
    Program,
    check_signature,
    has_disjoint_writes,
    is_input,
    options,
    uses_atomics,
)
from kernelwright.chips.cpu.rotation import Rotation, TimedCall
from kernelwright.chips.cpu.single_run import Done, Manner, Runner, WaitsBackwards
from kernelwright.compiler import CompileOptions, NativeKernel, Shadow, compile_ttir
from kernelwright.compiler.threads import pin_threads, thread_ids
from kernelwright.core.codec import from_json, to_json
from kernelwright.core.errors import CompileError, OverLimitError
from kernelwright.core.fault import Fault
from kernelwright.core.ir_text import normalised_text
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.timing import Timing

_MEMORY_SHARE = 0.75
_KEPT_SHARE = 0.2
_MOST_KERNELS = 1024


class Worker:
    """Keeps inputs and compiled plans; each public method answers one command with (reply, files)."""

    def __init__(self, status: StatusPage, cores: tuple[int, ...], llc_bytes: int, memory_bytes: int) -> None:
        self._status = status
        self._cores = cores
        self._threads = len(cores)
        self._store = Store(int(memory_bytes * _KEPT_SHARE))
        self._rotation = Rotation(self._store, llc_bytes, int(memory_bytes * _KEPT_SHARE))
        self._inputs: dict[str, dict[str, Bytes]] = {}
        self._plans: dict[str, LaunchPlan] = {}
        self._kernels: OrderedDict[tuple[str, bool, bool], NativeKernel] = OrderedDict()
        self._programs: dict[tuple[str, bool], Program] = {}
        self._witnesses: dict[tuple[str, str], list[tuple[str, Bytes]]] = {}
        self._rng = np.random.default_rng()
        self._runner = Runner(
            self._store, self._rng, self._threads, self._announce_launch, lambda: status.write("idle")
        )

    def put(self, key: str, arrays: list[list[Any]], files: tuple[int, ...]) -> dict[str, object]:
        """Keep the arrays (name, offset, size) of the shared file."""
        total = max([offset + size for _name, offset, size in arrays], default=0)
        shared = mmap.mmap(files[0], max(total, 1), prot=mmap.PROT_READ)
        whole = np.frombuffer(shared, dtype=np.uint8)
        self._inputs[key] = {name: whole[offset : offset + size] for name, offset, size in arrays}
        self._rotation.drop(key)
        return {}

    def drop(self, key: str) -> dict[str, object]:
        """Forget inputs."""
        self._inputs.pop(key, None)
        self._rotation.drop(key)
        return {}

    def hello(self) -> dict[str, object]:
        """Say that the process serves."""
        return {"pid": os.getpid()}

    def learn(self, plan_id: str, plan: object) -> dict[str, object]:
        """Keep a plan under the name that later commands use."""
        self._plans[plan_id] = from_json(LaunchPlan, plan, "plan")
        return {}

    def load(self, plan_id: str, checked: bool) -> dict[str, object]:
        """Compile every kernel of every option of a plan."""
        start = time.perf_counter_ns()
        program = self._program(plan_id, checked)
        return {"machine_sha256": program.machine_sha256, "compile_ns": time.perf_counter_ns() - start}

    def forget(self, plan_ids: list[str]) -> dict[str, object]:
        """Forget plans; their kernels stay for plans that have them too."""
        for plan_id in plan_ids:
            self._plans.pop(plan_id, None)
            for checked in (False, True):
                self._programs.pop((plan_id, checked), None)
        self._rotation.forget(plan_ids)
        return {}

    def run(
        self, plan_id: str, inputs: str, checked: bool, poison_seed: int, stale: bool
    ) -> tuple[dict[str, object], int]:
        """Run a plan once on its own copy of everything; the file holds the outputs.

        Checked code is searched for races. Programs that atomics ordered run once more, last one first: an order that
        was luck is none then. Programs that atomics could tell that they ran alone run once more side by side.
        """
        program = self._program(plan_id, checked)
        arrays = {
            b.name: _array(self._inputs[inputs], b.name, b.size_bytes)
            for b in program.plan.buffers
            if b.role in ("input", "inout")
        }

        def done(manner: Manner) -> Done:
            return self._runner(program, arrays, poison_seed, manner)

        if not checked:
            return _answered(done(Manner(stale=stale)))
        shadow = Shadow()
        first = done(Manner(True, shadow))
        if shadow.was_ordered:
            with suppress(WaitsBackwards):
                done(Manner(True, Shadow(backwards=True)))
        if uses_atomics(program.plan):
            done(Manner(True))
        return _answered(first)

    def time(self, plan_ids: list[str], inputs: list[str], schedule: list[int]) -> dict[str, object]:
        """Time the items of the schedule, each on inputs that are not in the last-level cache."""
        self._rotation.make_room(inputs)
        ready, given = [], []
        for plan_id, key in zip(plan_ids, inputs, strict=True):
            program = self._program(plan_id, False)
            arrays = {
                b.name: _array(self._inputs[key], b.name, b.size_bytes)
                for b in program.plan.buffers
                if b.role in ("input", "inout")
            }
            given.append({b.name: arrays[b.name] for b in program.plan.buffers if is_input(b)})
            ready.append(self._rotation.caller(plan_id, program, key, arrays))
        self._rotation.shuffle(list(dict.fromkeys(ready)))
        places: dict[int, list[int]] = {}
        for place, item in enumerate(schedule):
            places.setdefault(item, []).append(place)
        watched = {int(self._rng.choice(found)) for found in places.values()}
        names = list(zip(plan_ids, inputs, strict=True))
        timing = self._timed([ready[item] for item in schedule], [names[item] for item in schedule], watched)
        try:
            for call, arrays in zip(ready, given, strict=True):
                call.require_left_alone(arrays)
        except PlanRefused:
            for key in inputs:
                self._rotation.drop(key)
            raise
        self._rotation.shift(inputs, len(schedule))
        return {"timing": to_json(timing)}

    def _timed(self, calls: Sequence[TimedCall], names: Sequence[tuple[str, str]], watched: set[int]) -> Timing:
        """Return the times of `calls`, in order; outputs of those with numbers in `watched` are kept as witnesses."""
        times, lost, waits = [], [], []
        with _pinned(self._cores), self._observed() as session:
            for place, (call, name) in enumerate(zip(calls, names, strict=True)):
                call.prepare()
                before = session.probe.read()
                times.append(call.run(self._threads, self._announce_launch))
                after = session.probe.read()
                self._status.write("idle")
                lost.append(disturbance.lost_ns(before, after))
                waits.append(disturbance.waited_ns(before, after))
                if place in watched:
                    self._witnesses[name] = call.outputs()
            conditions = session.conditions(sum(times), waits)
        return Timing(tuple(times), tuple(lost), conditions)

    @contextmanager
    def _observed(self) -> Iterator[disturbance.Session]:
        """Yield a session that watches the threads that kernels run on, from now on."""
        threads = thread_ids(self._threads)
        probe = disturbance.SystemProbe(threads, self._cores)
        try:
            with disturbance.favoured(threads):
                yield disturbance.begin_session(threads, self._cores, probe)
        finally:
            probe.close()

    def witness(self, plan_id: str, inputs: str) -> tuple[dict[str, object], int]:
        """Hand out, once, the outputs of a timed call; the file holds them."""
        return _with_file({}, self._witnesses.pop((plan_id, inputs)))

    def _announce_launch(self, kernel_index: int) -> None:
        self._status.write("launch", kernel_index)

    def _program(self, plan_id: str, checked: bool) -> Program:
        known = self._programs.get((plan_id, checked))
        if known is not None:
            return known
        plan = self._plans[plan_id]
        kernels = []
        for option in options(plan):
            kernel = self._kernel(
                plan, option.kernel, checked, has_disjoint_writes(option, plan.kernels[option.kernel].ttir)
            )
            check_signature(kernel, option, plan.kernels[option.kernel].name)
            kernels.append(kernel)
        program = Program(plan, tuple(kernels))
        self._programs[plan_id, checked] = program
        return program

    def _kernel(self, plan: LaunchPlan, index: int, checked: bool, noalias: bool) -> NativeKernel:
        source = plan.kernels[index]
        # Checked code names source lines, so it belongs to one text; other code only to what the text says.
        identity = (source.ttir if checked else normalised_text(source.ttir), checked, noalias)
        known = self._kernels.get(identity)
        if known is not None:
            self._kernels.move_to_end(identity)
            return known
        self._status.write("compile", index)
        try:
            kernel = compile_ttir(source.ttir, CompileOptions(checked=checked, noalias=noalias, races=checked))
        except CompileError as error:
            status = "over_limit" if isinstance(error, OverLimitError) else "compile_error"
            facts = {"kernel": source.name, **{k: v for k, v in error.facts.items() if _is_plain(v)}}
            raise PlanRefused(Fault(status, f"kernel '{source.name}': {error}", facts)) from None  # type: ignore[arg-type]
        finally:
            self._status.write("idle")
        self._kernels[identity] = kernel
        if len(self._kernels) > _MOST_KERNELS:
            self._kernels.popitem(last=False)
        return kernel


def _array(arrays: dict[str, Bytes], name: str, size_bytes: int) -> Bytes:
    array = arrays.get(name)
    if array is None or len(array) != size_bytes:
        has = "nothing" if array is None else f"{len(array)} bytes"
        reason = f"input '{name}' of the plan must be an argument of {size_bytes} bytes, the problem gives {has}"
        raise PlanRefused(Fault("cheating", reason, {"buffer": name}))
    return array


def _answered(done: Done) -> tuple[dict[str, object], int]:
    return _with_file({"elapsed_ns": done.elapsed_ns}, done.outputs)


def _with_file(reply: dict[str, object], arrays: Sequence[tuple[str, Bytes]]) -> tuple[dict[str, object], int]:
    total = sum(len(view) for _name, view in arrays)
    file = open_shared_file(total)
    shared = mmap.mmap(file, max(total, 1))
    offset = 0
    layout = []
    for name, view in arrays:
        shared[offset : offset + len(view)] = view.data
        layout.append([name, offset, len(view)])
        offset += len(view)
    shared.close()
    return {**reply, "outputs": layout}, file


@contextmanager
def _pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Keep each thread on a core of its own: woken for a short launch, two may find themselves on the same one.

    Only meanwhile: two sessions compile at the same time, and both would start on the first core.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    pin_threads(cores)
    try:
        yield
    finally:
        pin_threads([])


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _answer(
    worker: Worker, message: dict[str, Any], files: tuple[int, ...]
) -> tuple[dict[str, object], tuple[int, ...]]:
    command = cast(str, message.pop("command"))
    if files:
        message["files"] = files
    try:
        answer = cast(Callable[..., Any], getattr(worker, command))(**message)
    except PlanRefused as refused:
        return {"fault": to_json(refused.fault)}, ()
    except Exception as error:  # our own defect or a full machine: the parent raises it as ours
        return {"error": f"{command}: {type(error).__name__}: {error}"}, ()
    finally:
        for file in files:
            os.close(file)
    return (answer[0], (answer[1],)) if isinstance(answer, tuple) else (answer, ())


def _die_with_parent(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Serve commands until the parent goes away."""
    channel_file, status_file, lifeline, llc_bytes, memory_bytes, core_list = arguments
    cores = parse_cores(core_list)
    stay_on(cores)
    threading.Thread(target=_die_with_parent, args=(int(lifeline),), daemon=True).start()
    limit = int(int(memory_bytes) * _MEMORY_SHARE)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = Channel(socket.socket(fileno=int(channel_file)))
    worker = Worker(StatusPage(int(status_file)), cores, int(llc_bytes), int(memory_bytes))
    while True:
        try:
            reply, files = _answer(worker, *channel.receive())
            channel.send(reply, files)
        except ChannelClosed:
            return
        for file in files:
            os.close(file)


if __name__ == "__main__":
    main(sys.argv[1:])
