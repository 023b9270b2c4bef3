"""Nothing that a capture process says is taken on trust."""

import copy
from typing import Any

import pytest

from kernelwright.core.errors import HarnessError
from kernelwright.sandbox.assembly import Event, plan_of

PLAN: dict[str, Any] = {
    "kernels": [[0, "add", 4, 3]],
    "buffers": [
        {"name": "x", "role": "input", "dtype": "f32", "size_bytes": 4, "fill": None, "data": [], "kept": False}
    ],
    "launches": [[{"kernel": 0, "grid": [1, 1, 1], "args": [["p", 0, 0], ["s", "i32", 3]], "label": ""}]],
    "host_ns": 5,
}
TEXTS = ["module {\n}\n"]


def test_a_well_formed_message_is_a_plan() -> None:
    plan = plan_of(PLAN, TEXTS)
    assert plan.launches[0].options[0].grid == (1, 1, 1)
    assert plan.kernels[0].ttir == TEXTS[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kernels", 0, 0), 1),
        (("kernels", 0, 0), -1),
        (("kernels", 0), [0, "add"]),
        (("kernels", 0, 2), "4"),
        (("buffers", 0, "role"), "oracle"),
        (("buffers", 0, "dtype"), "f31"),
        (("buffers", 0, "size_bytes"), -4),
        (("buffers", 0, "size_bytes"), True),
        (("buffers", 0, "fill"), "nan!"),
        (("buffers", 0, "data"), [0.5]),
        (("buffers", 0, "name"), 3),
        (("launches", 0, 0, "kernel"), 2),
        (("launches", 0, 0, "grid"), [1, 1]),
        (("launches", 0, 0, "args", 0), ["p", 1, 0]),
        (("launches", 0, 0, "args", 0), ["q", 0, 0]),
        (("launches", 0, 0, "args", 1), ["s", "i32", "3"]),
        (("launches", 0), 7),
        (("host_ns",), None),
        (("launches",), None),
    ],
)
def test_a_malformed_message_is_a_harness_error(path: tuple[Any, ...], value: object) -> None:
    message = copy.deepcopy(PLAN)
    place: Any = message
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(HarnessError):
        plan_of(message, TEXTS)


@pytest.mark.parametrize("status", ["accepted", "harness_error", "fine", None])
def test_a_capture_process_cannot_declare_success(status: object) -> None:
    fields = {"status": status, "reason": "r", "facts": {}, "call": 0}
    with pytest.raises(HarnessError):
        Event("fault", fields).fault()
