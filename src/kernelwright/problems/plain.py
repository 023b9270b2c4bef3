"""Calling a plain torch function as an oracle."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import torch

from kernelwright.core.errors import RequestError
from kernelwright.problems.contract import Answers, Value


def answers_of(
    function: Callable[..., object],
    inputs: Mapping[str, Value],
    outputs: Sequence[str],
    updated: Sequence[str] = (),
    wide: bool = True,
) -> Answers:
    """Return the answers of `function`, called by keyword with those inputs that it has parameters for.

    It may return one tensor, several in the order of `outputs` (then of `updated`), or a mapping by name; what it does
    not return is taken from its arguments, which it may change: they are copies, with `wide` in float64 where they are
    floating-point numbers. Raises RequestError when an answer is missing.
    """
    wanted = inspect.signature(function).parameters
    given = {name: _copied(value, wide) for name, value in inputs.items() if name in wanted}
    returned = function(**given)
    found: dict[str, object] = {name: given[name] for name in (*outputs, *updated) if name in given}
    found.update(_by_name(returned, (*outputs, *updated), len(outputs)))
    answers = {}
    for name in (*outputs, *updated):
        answer = found.get(name)
        if not isinstance(answer, torch.Tensor):
            raise RequestError(f"{_named(function)} must return a tensor for {name}, got {type(answer).__name__}")
        answers[name] = answer.double()
    return answers


def _copied(value: Value, wide: bool) -> Value:
    if not isinstance(value, torch.Tensor):
        return value
    return value.double().clone() if wide and value.is_floating_point() else value.clone()


def _by_name(returned: object, names: Sequence[str], least: int) -> Mapping[str, object]:
    if returned is None:
        return {}
    if isinstance(returned, Mapping):
        return {str(key): value for key, value in returned.items() if key in names}
    several = list(returned) if isinstance(returned, tuple | list) else [returned]
    if not least <= len(several) <= len(names):
        raise RequestError(f"the oracle must return {', '.join(names)}, it returns {len(several)} values")
    return dict(zip(names, several, strict=False))


def _named(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", "the oracle"))
