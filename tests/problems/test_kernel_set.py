from kernelwright.problems import load_problem
from kernelwright.problems.kernel_set import MOST, kernel_set


def test_kernels_to_choose_from_differ_and_begin_with_the_reference() -> None:
    problem = load_problem("extend-attention")
    kernels = kernel_set(problem, problem.suite("smoke", 0).public, 6)
    assert [label for label, _ in kernels][:2] == ["reference", "128x64 w8 s2"]
    assert kernels[0][1] == problem.baselines.reference()
    assert len({source for _, source in kernels}) == 6


def test_no_more_kernels_are_given_than_there_are() -> None:
    problem = load_problem("extend-attention")
    assert len(kernel_set(problem, problem.suite("smoke", 0).public, 99)) == MOST + 1


def test_an_autotuned_reference_stands_for_its_configurations() -> None:
    problem = load_problem("matmul")
    kernels = kernel_set(problem, problem.suite("smoke", 0).public, 6)
    assert [label for label, _ in kernels] == ["reference", "autotuned"]
    assert kernels[1][1] == problem.baselines.autotuned()
