"""Reading the JSON of FlashInfer-Bench: objects, workloads, solutions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernelwright.core.errors import RequestError


@dataclass(frozen=True)
class FlashWorkload:
    """One line of a workloads file; `obstacle` says why it cannot be used, empty when it can."""

    axes: Mapping[str, int]
    numbers: Mapping[str, int | float | bool]
    obstacle: str = ""


def read_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object that a text holds; raises RequestError."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise RequestError(f"{what} must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestError(f"{what} must be a JSON object, got {type(value).__name__}")
    return value


def object_of(value: Mapping[str, Any], key: str, what: str) -> dict[str, Any]:
    """Return the object under `key`; raises RequestError."""
    found = value.get(key)
    if not isinstance(found, dict):
        raise RequestError(f"{what} must hold an object '{key}', it holds {', '.join(value) or 'nothing'}")
    return found


def array_of(value: Mapping[str, Any], key: str) -> list[Any]:
    """Return the array under `key`, empty where there is none."""
    found = value.get(key) or []
    if not isinstance(found, list):
        raise RequestError(f"'{key}' must be an array, got {type(found).__name__}")
    return found


def text_of(value: Mapping[str, Any], key: str, what: str) -> str:
    """Return the text under `key`; raises RequestError."""
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise RequestError(f"{what} must hold a text '{key}', it holds {', '.join(value) or 'nothing'}")
    return found


def read_workloads(text: str, definition: str) -> list[FlashWorkload]:
    """Return the workloads of `definition` in a JSONL text: bare ones, or traces that hold one."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        value = read_object(line, f"line {number} of the workloads file")
        if value.get("definition", definition) != definition:
            continue
        found.append(_workload(value.get("workload", value), f"line {number} of the workloads file"))
    return found


def kernel_of(text: str) -> tuple[str, str | None]:
    """Return source and entry of a solution in JSON; any other text is a kernel file whose entry is not said."""
    if not text.lstrip().startswith("{"):
        return text, None
    value = read_object(text, "the solution")
    spec = object_of(value, "spec", "the solution")
    languages = spec.get("languages") or spec.get("language")
    language = str(languages[0] if isinstance(languages, list) and len(languages) == 1 else languages).lower()
    if language != "triton":
        raise RequestError(f"a solution must be in Triton to be imported, this one is in {language}")
    file, _, entry = text_of(spec, "entry_point", "the solution's spec").partition("::")
    sources = {str(one.get("path")): one.get("content") for one in array_of(value, "sources") if isinstance(one, dict)}
    others = [path for path in sources if path != file and path.endswith(".py") and not path.endswith("__init__.py")]
    if not isinstance(sources.get(file), str) or not entry:
        raise RequestError(f"the solution must hold the file of its entry point {file}::{entry}, it does not")
    if others:
        raise RequestError(f"a solution must be one Python file to be imported, this one has {', '.join(others)} too")
    return str(sources[file]), entry


def _workload(value: object, where: str) -> FlashWorkload:
    if not isinstance(value, dict):
        raise RequestError(f"{where} must hold a workload, got {type(value).__name__}")
    axes = object_of(value, "axes", where)
    numbers: dict[str, int | float | bool] = {}
    obstacle = ""
    for name, spec in object_of(value, "inputs", where).items():
        kind = spec.get("type") if isinstance(spec, dict) else None
        if kind == "scalar" and isinstance(spec.get("value"), int | float):
            numbers[name] = spec["value"]
        elif kind == "safetensors":
            obstacle = obstacle or f"input {name} lies in a safetensors file, which is not read"
        elif kind == "custom":
            obstacle = obstacle or f"input {name} comes from a custom generator, which is not run"
        elif kind != "random":
            raise RequestError(f"{where}: input {name} must be random, scalar or safetensors, got {kind}")
    wrong = [name for name, size in axes.items() if type(size) is not int or size < 0]
    if wrong:
        raise RequestError(f"{where}: axis {wrong[0]} must be a whole number, got {axes[wrong[0]]!r}")
    return FlashWorkload(axes, numbers, obstacle)
