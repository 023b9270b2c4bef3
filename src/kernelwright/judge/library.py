"""The library as a baseline: a process of its own that calls it, with as many threads on the same cores."""

import json
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any, cast

from kernelwright.chips.cpu.host import load_host, own_environment
from kernelwright.core.codec import to_json
from kernelwright.core.errors import HarnessError
from kernelwright.core.problem import Workload


class LibraryProcess:
    """Times the library's calls on the host. Use as a context; the process ends with it."""

    def __init__(self, problem: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kernelwright.judge.library_worker", problem, load_host().core_list],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Huge pages, and a core for each thread, which candidates have too.
            env=own_environment(PYTHONWARNINGS="ignore", THP_MEM_ALLOC_ENABLE="1", OMP_PROC_BIND="true"),
        )

    def __enter__(self) -> "LibraryProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._errors.close()

    def prepare(self, workload: Workload, seed: int) -> str:
        """Make the inputs of `workload`, find the fastest way to call the library on them, return its name."""
        return str(self._ask({"prepare": to_json(workload), "seed": seed})["way"])

    def time(self) -> int:
        """Return the wall time, in ns, of one call on inputs that are not in the last-level cache."""
        return int(cast(int, self._ask({"time": 1})["ns"]))

    def _ask(self, message: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise HarnessError(f"the library's process must answer, it ended: {said[-1] if said else 'no message'}")
        return cast(dict[str, Any], json.loads(line))
