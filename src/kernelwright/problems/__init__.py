"""What is asked: a folder a problem, reached by name."""

from kernelwright.problems.catalogue import load_problem, problem_names, problem_sha256

__all__ = ["load_problem", "problem_names", "problem_sha256"]
