"""What is tested on this processor's own level holds on the levels below it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITES = ("test_language.py", "test_runs.py", "test_ordinary_kernels.py", "test_checked.py")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["avx512", "avx2", "baseline"])
def test_a_lower_level_passes_the_same_tests(level: str, tmp_path: Path) -> None:
    environment = os.environ | {"KERNELWRIGHT_CPU_FEATURES": level, "KERNELWRIGHT_HOME": str(tmp_path)}
    files = [str(ROOT / "tests" / "compiler" / name) for name in SUITES]
    command = [sys.executable, "-m", "pytest", "-q", *files]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
