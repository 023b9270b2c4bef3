"""Engineers by name, from the entry point group `kernelwright.engineers`."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import cast

from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Engineer

GROUP = "kernelwright.engineers"


def engineer_names() -> tuple[str, ...]:
    """Return the names of the installed engineers, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def kinds_of(name: str) -> tuple[str, ...]:
    """Return the names by which an installed engineer is asked for: its own, or one a kind behind a colon."""
    kinds: tuple[str, ...] = getattr(load_engineer(name), "kinds", ())
    return tuple(f"{name}:{kind}" for kind in kinds) or (name,)


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


def prepare_engineer(setup: Setup) -> Sequence[str]:
    """Return what an engineer has to tell before the run of `setup` is opened, a line each.

    Raises RequestError where it lacks something, a key or a program, and as `load_engineer` does.
    """
    made = load_engineer(setup.engineer, setup.options)
    return cast(Sequence[str], made.prepare(setup)) if hasattr(made, "prepare") else ()


def engineers_for(problem: str, without_options: bool = False) -> tuple[str, ...]:
    """Return the names of the installed engineers that a run on the problem of that name or address can have.

    With `without_options` only those that need none.
    """
    made = {name: load_engineer(name) for name in engineer_names()}
    fitting = {name: e for name, e in made.items() if _knows(e, problem) and not hasattr(e, "started_by")}
    return tuple(name for name, e in fitting.items() if not (without_options and hasattr(e, "with_options")))


def require_fit(name: str, problem: str) -> None:
    """Raise RequestError, with advice, unless the engineer `name` can work on the problem of that name or address."""
    if _knows(load_engineer(name), problem):
        return
    others = ", ".join(engineers_for(problem))
    advice = f"--engineer can be {others}" if others else "judge kernels of your own: kernelwright judge"
    only = ", ".join(_only_problems(load_engineer(name)))
    raise RequestError(f"engineer '{name}' must get a problem that it knows, only {only}, got '{problem}'; {advice}")


def _knows(engineer: Engineer, problem: str) -> bool:
    only = _only_problems(engineer)
    return not only or problem in only


def _only_problems(engineer: Engineer) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(engineer, "only_problems", ())
    return found
