"""The registry of problems: entry points of the group `kernelwright.problems`."""

import importlib
from importlib.metadata import EntryPoint, entry_points

from kernelwright.core.errors import HarnessError, UnknownNameError
from kernelwright.problems.contract import LoadedProblem

GROUP = "kernelwright.problems"


def problem_names() -> tuple[str, ...]:
    """Return the known names, sorted."""
    return tuple(sorted(_points()))


def load_problem(name: str) -> LoadedProblem:
    """Return the problem called `name`.

    Raises UnknownNameError with the nearest name, HarnessError when a registered package exports no `PROBLEM`.
    """
    points = _points()
    if name not in points:
        raise UnknownNameError("problem", name, points)
    module = importlib.import_module(points[name].module)
    problem: LoadedProblem | None = getattr(module, "PROBLEM", None)
    if problem is None:
        raise HarnessError(f"package {points[name].module} must export PROBLEM")
    return problem


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
