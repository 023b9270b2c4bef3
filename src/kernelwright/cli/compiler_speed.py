"""Suite `compiler` of `kernelwright bench`: rows, targets, and the processes that measure them."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.speed.cases import CASES, INTERPRETER_TARGET, interpreted_cases
from kernelwright.chips.cpu.speed.worker import LAUNCH
from kernelwright.cli.peers import Compared
from kernelwright.core.errors import HarnessError, UnknownNameError
from kernelwright.judge.statistics import ratio_of_times
from kernelwright.report.figures import format_number

Progress = Callable[[str], None]
Times = Mapping[str, object]

FIRST = "first call of the extend-attention reference"
CACHED = "compiling the extend-attention reference, cached"
# The longest time, in ns, of what has no peer: the ratio is the limit over the time.
LIMITS_NS = {LAUNCH: 40e3, FIRST: 2e9, CACHED: 30e6}
_COMPILE_REPEATS = 6
_LIMIT_S = 600.0
_INTERPRETED = "{} in Triton's interpreter"
# As the judge times kernels: huge pages for tensors, and a core for each of torch's threads.
_ENVIRONMENT = {"THP_MEM_ALLOC_ENABLE": "1", "OMP_PROC_BIND": "true", "TRITON_INTERPRET": "0"}


def compare_compiler(only: str | None, progress: Progress) -> tuple[Compared, ...]:
    """Return every row whose name holds `only`, in a fixed order. Raises UnknownNameError, HarnessError."""
    interpreted = {_INTERPRETED.format(case.kernel.name): case for case in interpreted_cases()}
    names = [*(case.name for case in CASES), *interpreted, *LIMITS_NS]
    chosen = [name for name in names if only is None or only.casefold() in name.casefold()]
    if not chosen:
        words = {*(case.kernel.name for case in CASES), "interpreter", "launch", "reference", "fp32", "bf16"}
        raise UnknownNameError("part of a row's name", only or "", words)
    peers = {case.name: case for case in CASES}
    needed = [name for name in peers if name in chosen or any(peers[name] is interpreted.get(c) for c in chosen)]
    native = {str(t["name"]): t for t in _timed_cases([*needed, *([LAUNCH] if LAUNCH in chosen else [])], progress)}
    kernels = [interpreted[name].kernel.name for name in chosen if name in interpreted]
    slow = {str(t["name"]): t for t in _interpreted(kernels, progress)}
    rows = []
    for name in chosen:
        if name in peers:
            rows.append(_against_torch(name, peers[name].kernel.peer, peers[name].target, native[name]))
        elif name in interpreted:
            case = interpreted[name]
            rows.append(_against_interpreter(name, case.kernel.unit, native[case.name], slow[case.kernel.name]))
        elif name == LAUNCH:
            rows.append(_against_limit(name, _numbers(native[name], "ours_ns")))
        else:
            rows.append(_against_limit(name, list(_compile_times(name, progress))))
    return tuple(rows)


def _timed_cases(names: Sequence[str], progress: Progress) -> Iterator[Times]:
    if not names:
        return
    command = [sys.executable, "-m", "kernelwright.chips.cpu.speed.worker", load_host().core_list, *names]
    progress(names[0])
    following = iter(names[1:])
    for line in _lines(command, _ENVIRONMENT):
        yield line
        name = next(following, None)
        if name is not None:
            progress(name)


def _interpreted(kernels: Sequence[str], progress: Progress) -> Iterator[Times]:
    if kernels:
        progress("Triton's interpreter")
        command = [sys.executable, "-m", "kernelwright.chips.cpu.speed.interpreted", *kernels]
        yield from _lines(command, {"TRITON_INTERPRET": "1"})


def _against_torch(name: str, peer: str, target: float, times: Times) -> Compared:
    if "failure" in times:
        return Compared(name, "-", peer, None, None, target, False, str(times["failure"]))
    ours, theirs = _numbers(times, "ours_ns"), _numbers(times, "theirs_ns")
    return _row(name, _format_ns(median(ours)), f"{peer} {_format_ns(median(theirs))}", (theirs, ours), target)


def _against_interpreter(name: str, unit: str, native: Times, slow: Times) -> Compared:
    """Return the row of one kernel: times for each unit of work, since the interpreter gets a small part of it."""
    for found in (native, slow):
        if "failure" in found:
            return Compared(name, "-", "-", None, None, INTERPRETER_TARGET, False, str(found["failure"]))
    theirs = [t / _work(slow) for t in _numbers(slow, "interpreter_ns")]
    ours = [t / _work(native) for t in _numbers(native, "ours_ns")][: len(theirs)]
    mine, its = (f"{format_number(median(times))} ns/{unit}" for times in (ours, theirs))
    return _row(name, mine, its, (theirs, ours), INTERPRETER_TARGET)


def _against_limit(name: str, times: Sequence[float]) -> Compared:
    limit = LIMITS_NS[name]
    return _row(name, _format_ns(median(times)), f"limit {_format_ns(limit)}", ([limit] * len(times), times), 1.0)


def _compile_times(name: str, progress: Progress) -> Iterator[float]:
    """Yield the ns that compiling takes in a process of its own, with empty caches or with full ones."""
    is_first = name == FIRST
    module = [sys.executable, "-m", "kernelwright.problems.first_call", "extend-attention"]
    with tempfile.TemporaryDirectory() as shared:
        for number in range(_COMPILE_REPEATS + (not is_first)):
            with tempfile.TemporaryDirectory() as own:
                progress(f"{name}, {number + 1} of {_COMPILE_REPEATS + (not is_first)}")
                folder = own if is_first else shared
                caches = {"TRITON_CACHE_DIR": f"{folder}/triton", "KERNELWRIGHT_HOME": f"{folder}/home"}
                (line,) = _lines([*module, *([] if is_first else ["--warm"])], {**_ENVIRONMENT, **caches})
            # The first with shared caches fills them.
            if is_first or number:
                yield float(str(line["first_ns" if is_first else "compile_ns"]))


def _row(name: str, ours: str, peer: str, times: tuple[Sequence[float], Sequence[float]], target: float) -> Compared:
    ratio = ratio_of_times(*times)
    return Compared(name, ours, peer, ratio.value, ratio.ci95, target, ratio.value >= target)


def _lines(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Times]:
    """Yield the JSON objects that a process prints, as they come. Raises HarnessError when it fails."""
    with tempfile.TemporaryFile("w+") as said:
        started = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **environment}
        )
        try:
            assert started.stdout is not None
            for line in started.stdout:
                yield json.loads(line)
            code = started.wait(_LIMIT_S)
        finally:
            started.kill()
            started.wait()
        if code != 0:
            said.seek(0)
            last = said.read().strip().splitlines()[-1:]
            raise HarnessError(f"a measurement must end well: {''.join(last) or 'no message'}")


def _numbers(times: Times, name: str) -> list[float]:
    found = times[name]
    assert isinstance(found, list)
    return [float(value) for value in found]


def _work(times: Times) -> float:
    return float(str(times["work"]))


def _format_ns(time_ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if time_ns >= size:
            return f"{time_ns / size:.3g} {unit}"
    return f"{time_ns:.3g} ns"
