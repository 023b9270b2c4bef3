"""What the person who opens a run chooses of a model engineer."""

from collections.abc import Mapping
from dataclasses import dataclass

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.engineers.model.providers import ModelName, parse_models

LEAST_WINDOW, MOST_WINDOW = 8_000, 10_000_000
MOST_ISLANDS = 16
MOST_SILENT_TURNS = 100
SILENT_TURNS = 5


@dataclass(frozen=True)
class Options:
    """`models` in the order in which they are asked; `window` in tokens, None for that of the model.

    `silent_turns` without a tool call in a row end the work.
    """

    models: tuple[ModelName, ...] = ()
    islands: int = 1
    window: int | None = None
    silent_turns: int = SILENT_TURNS


def parse_options(options: Mapping[str, object]) -> Options:
    """Return the options of a run's setup. Raises RequestError, in the words of the command line."""
    known = ("model", "islands", "window", "silent_turns")
    for name in options:
        if name not in known:
            raise UnknownNameError("option of engineer 'model'", name, known)
    model, window = options.get("model"), options.get("window")
    if model is not None and not isinstance(model, str):
        raise RequestError(f"--model must be a list of names such as qwen:qwen3-max, got {model!r}")
    return Options(
        parse_models(model) if model is not None else (),
        _whole(options.get("islands", 1), "--islands", 1, MOST_ISLANDS),
        None if window is None else _whole(window, "--window", LEAST_WINDOW, MOST_WINDOW),
        _whole(options.get("silent_turns", SILENT_TURNS), "--silent-turns", 1, MOST_SILENT_TURNS),
    )


def _whole(value: object, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
    return value
