"""Each example runs as it stands, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_says_what_it_found(example: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "TRITON_CACHE_DIR": str(tmp_path / "triton"),
        "KERNELWRIGHT_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run([sys.executable, str(example)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{example.stem} of ")
