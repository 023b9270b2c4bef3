"""Whether the sandbox holds on this machine: it is tried, not assumed."""

import json
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path

from kernelwright.core.errors import HarnessError
from kernelwright.sandbox.confinement import Sandbox, bound_folders
from kernelwright.sandbox.process import SandboxedProcess

ATTEMPTS = "kernelwright.sandbox.child.attempts"
ATTEMPTS_S = 60.0
END_S = 2.0


@dataclass(frozen=True)
class Check:
    """One attempt to break out: `name` completes "code in the sandbox tried to"."""

    name: str
    blocked: bool
    detail: str


def self_check(sandbox: Sandbox) -> tuple[Check, ...]:
    """Return what happened when code inside `sandbox` really tried to break out, one check per attempt.

    Raises HarnessError when the attempts could not be made.
    """
    return (*_attempts(sandbox), _outlive(sandbox))


def _attempts(sandbox: Sandbox) -> list[Check]:
    home = Path.home()
    bound = [Path(folder) for folder in bound_folders()]
    private = [p.name for p in home.iterdir() if not any(folder.is_relative_to(p) for folder in bound)]
    process = SandboxedProcess(sandbox, ATTEMPTS)
    try:
        process.send(
            json.dumps({"home": str(home), "private": private, "supervisor": os.getpid(), "linger": False}).encode()
        )
        answers = [json.loads(line) for line in process.lines(time.monotonic() + ATTEMPTS_S)]
        if not answers:
            raise HarnessError(f"the sandbox could not be checked: {process.last_words()}")
    finally:
        process.close()
    return [Check(str(a["name"]), bool(a["blocked"]), str(a["detail"])) for a in answers]


def _outlive(sandbox: Sandbox) -> Check:
    """Return whether a process that left its session ends with the sandbox: then the pipe that it holds closes."""
    name = "outlive its supervisor"
    process = SandboxedProcess(sandbox, ATTEMPTS)
    try:
        process.send(json.dumps({"linger": True}).encode())
        if next(process.lines(time.monotonic() + ATTEMPTS_S), None) is None:
            raise HarnessError(f"the sandbox could not be checked: {process.last_words()}")
        output = process.kept_output()
        start = time.monotonic()
        process.close()
        try:
            ended = bool(select.select([output], [], [], END_S)[0]) and os.read(output, 1) == b""
        finally:
            os.close(output)
    finally:
        process.close()
    taken = time.monotonic() - start
    return Check(name, ended, f"everything ended within {END_S:g} s" if ended else f"it ran on after {taken:.0f} s")
