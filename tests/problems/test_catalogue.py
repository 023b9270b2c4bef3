"""Problems are found by name through the entry point group."""

import pytest

from kernelwright.core.errors import HarnessError, UnknownNameError
from kernelwright.problems import load_problem, problem_names
from kernelwright.problems.folder import read_folder


def test_the_first_problem_is_registered() -> None:
    assert "extend-attention" in problem_names()
    problem = load_problem("extend-attention")
    assert problem.name == "extend-attention"
    assert problem.suites == ("smoke", "cpu", "full")
    assert problem.title


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'extend-attention'"):
        load_problem("extend-atention")


def test_a_folder_without_its_files_is_our_fault() -> None:
    with pytest.raises(HarnessError, match=r"problem\.toml"):
        read_folder("kernelwright.problems")
