"""The registry of problems: entry points of the group `kernelwright.problems`, and folders by path."""

import importlib
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.problems.contract import LoadedProblem
from kernelwright.problems.folder_code import folder_sha256
from kernelwright.problems.general import GeneralProblem

GROUP = "kernelwright.problems"


def problem_names() -> tuple[str, ...]:
    """Return the known names, sorted."""
    return tuple(sorted(_points()))


def load_problem(name: str) -> LoadedProblem:
    """Return the problem called `name`, or the one in the folder `name` when it holds a separator, such as ./mine.

    Raises UnknownNameError with the nearest name, RequestError for a folder that is none, HarnessError when a
    registered package is no problem.
    """
    if os.sep in name:
        return _in_folder(name)
    points = _points()
    if name not in points:
        if (Path(name) / "problem.toml").is_file():
            raise RequestError(f"problem '{name}' is not known; for the folder of that name write ./{name}")
        raise UnknownNameError("problem", name, points)
    module = importlib.import_module(points[name].module)
    problem: LoadedProblem | None = getattr(module, "PROBLEM", None)
    if problem is not None:
        return problem
    root = Path(next(iter(module.__path__)))
    if not (root / "problem.toml").is_file():
        raise HarnessError(f"package {points[name].module} must export PROBLEM or hold problem.toml")
    return GeneralProblem(root, name)


def problem_sha256(problem: LoadedProblem) -> str:
    """Return the identity of all files of a problem that is a folder by path; empty for a registered one."""
    return folder_sha256(Path(problem.address)) if os.sep in problem.address else ""


def _in_folder(path: str) -> LoadedProblem:
    root = Path(path).resolve()
    if not root.is_dir():
        raise RequestError(f"a problem's folder must exist, {path} does not; 'kernelwright init' makes one")
    return GeneralProblem(root, str(root))


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
