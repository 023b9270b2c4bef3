"""Engineers by name, from the entry point group `kernelwright.engineers`."""

from importlib.metadata import entry_points
from typing import cast

from kernelwright.core.errors import HarnessError, UnknownNameError
from kernelwright.core.protocols import Engineer

GROUP = "kernelwright.engineers"


def engineer_names() -> tuple[str, ...]:
    """Return the names of the installed engineers, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_engineer(name: str) -> Engineer:
    """Return the engineer `name`, ready to work; raises UnknownNameError with the nearest name."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise UnknownNameError("engineer", name, points)
    try:
        return cast(Engineer, points[name].load()())
    except (ImportError, AttributeError, TypeError) as error:
        raise HarnessError(f"engineer '{name}' must be a class without arguments that imports, got: {error}") from error
