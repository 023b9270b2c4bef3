"""The built wheel is whole and resolves against PyPI alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "src/kernelwright"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = {name.removeprefix("src/") for name in tracked.stdout.split()}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_resolves_against_pypi_alone_with_the_triton_that_its_torch_demands(wheel: Path) -> None:
    options = ["install", "--dry-run", "--ignore-installed", "--index-url", "https://pypi.org/simple", str(wheel)]
    done = subprocess.run([*PIP, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Would install")]
    assert "torch-2." in line
    assert "triton-3." in line
