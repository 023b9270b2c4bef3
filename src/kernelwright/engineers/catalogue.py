"""Engineers by name, from the entry point group `kernelwright.engineers`."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import cast

from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.core.protocols import Engineer

GROUP = "kernelwright.engineers"


def engineer_names() -> tuple[str, ...]:
    """Return the names of the installed engineers, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_engineer(name: str, options: Mapping[str, object] | None = None) -> Engineer:
    """Return the engineer `name` (`NAME` or `NAME:KIND`), ready to work with its options.

    Raises UnknownNameError with the nearest name, RequestError for options or a kind that it does not have.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    family, _, kind = name.partition(":")
    if family not in points:
        raise UnknownNameError("engineer", name, points)
    try:
        made = points[family].load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise HarnessError(f"engineer '{name}' must be a class without arguments that imports, got: {error}") from error
    if hasattr(made, "with_options"):
        return cast(Engineer, made.with_options(kind, options or {}))
    if kind or options:
        given = f"kind '{kind}'" if kind else f"option '{next(iter(options or {}))}'"
        raise RequestError(f"engineer '{family}' must be used without kinds and options, it has none; got {given}")
    return cast(Engineer, made)


def engineers_for(problem: str) -> tuple[str, ...]:
    """Return the names of the installed engineers that can work on the problem of that name or address."""
    return tuple(name for name in engineer_names() if _knows(load_engineer(name), problem))


def require_fit(name: str, problem: str) -> None:
    """Raise RequestError, with advice, unless the engineer `name` can work on the problem of that name or address."""
    if _started_by(name):
        raise RequestError(f"engineer '{name}' must be started by its own command, '{_started_by(name)}'; 'run' cannot")
    if _knows(load_engineer(name), problem):
        return
    others = ", ".join(other for other in engineers_for(problem) if not _started_by(other))
    advice = f"--engineer can be {others}" if others else "judge kernels of your own: kernelwright judge"
    only = ", ".join(_only_problems(load_engineer(name)))
    raise RequestError(f"engineer '{name}' must get a problem that it knows, only {only}, got '{problem}'; {advice}")


def _started_by(name: str) -> str:
    """Return the command that alone can start an engineer, empty for those that any run can have."""
    return str(getattr(load_engineer(name), "started_by", ""))


def _knows(engineer: Engineer, problem: str) -> bool:
    only = _only_problems(engineer)
    return not only or problem in only


def _only_problems(engineer: Engineer) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(engineer, "only_problems", ())
    return found
