"""Problems are found by name through the entry point group."""

from pathlib import Path

import pytest

from kernelwright.cli.bench import WiredBench
from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.core.final import Setup
from kernelwright.problems import load_problem, problem_names, problem_sha256, rms_norm_residual
from kernelwright.problems.folder import read_folder
from kernelwright.problems.folder_code import folder_sha256


def test_the_first_problem_is_registered() -> None:
    assert "extend-attention" in problem_names()
    problem = load_problem("extend-attention")
    assert problem.name == "extend-attention"
    assert problem.suites == ("smoke", "cpu", "full")
    assert problem.title


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'extend-attention'"):
        load_problem("extend-atention")


def test_the_identity_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "__pycache__").mkdir()
    for name in ("problem.toml", "suites/smoke.toml", "__pycache__/x.pyc"):
        (tmp_path / name).write_text("a")
    first = folder_sha256(tmp_path)
    (tmp_path / "__pycache__/x.pyc").write_text("b")
    assert folder_sha256(tmp_path) == first
    (tmp_path / "suites/smoke.toml").write_text("b")
    changed = folder_sha256(tmp_path)
    (tmp_path / "suites/smoke.toml").rename(tmp_path / "suites/other.toml")
    assert len({first, changed, folder_sha256(tmp_path)}) == 3


def test_only_folders_by_path_have_an_identity_that_runs_keep() -> None:
    assert problem_sha256(load_problem("rms-norm-residual")) == ""
    path = Path(rms_norm_residual.__file__).parent
    problem = load_problem(str(path))
    assert (problem.address, problem_sha256(problem)) == (str(path), folder_sha256(path))
    setup = Setup(problem.address, "cpu", "search", "smoke", 0, 1, None, problem_sha256="0" * 64)
    with pytest.raises(RequestError, match="they have changed"):
        WiredBench("r", setup, 0, lambda line: None)


def test_a_folder_without_its_files_is_our_fault() -> None:
    with pytest.raises(HarnessError, match=r"problem\.toml"):
        read_folder("kernelwright.problems")
