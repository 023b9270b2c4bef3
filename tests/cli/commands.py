"""Runs the installed command as a user does."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """What one command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        """Return the object on the last line of stdout, which must be the only line."""
        (line,) = self.out.splitlines()
        value = json.loads(line)
        assert isinstance(value, dict)
        return value


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "KERNELWRIGHT_HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1"}


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "kernelwright"), *arguments]


def run(home: Path, *arguments: str, timeout: float = 300) -> Ran:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(home), timeout=timeout, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)
