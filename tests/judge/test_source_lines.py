"""Faults carry the text of the lines they name, on public workloads only."""

import pytest

from kernelwright.core.fault import Fault, Status
from kernelwright.core.problem import Workload
from kernelwright.core.source_lines import CODE_CHARACTERS, format_code, with_code
from kernelwright.judge.verdict_form import failed_verdict

SOURCE = "import triton\n\n    x = tl.load(p)\n" + "y" * 500 + "\n"


@pytest.mark.parametrize(
    ("reason", "facts", "code"),
    [
        ("line 3: wrong", {"line": 3}, "x = tl.load(p)"),
        ("line 3: wrong", {}, "x = tl.load(p)"),
        ("kernel 'k': line 3: op tt.x is not covered", {"op": "tt.x"}, "x = tl.load(p)"),
        ("host code raised ValueError: no (line 3)", {"line": 3}, "x = tl.load(p)"),
        ("tt.load at line 3: no rate", {"line": 0}, "x = tl.load(p)"),
        ("line 4: long", {"line": 4}, "y" * CODE_CHARACTERS),
    ],
)
def test_a_named_line_is_told_with_its_text(reason: str, facts: dict[str, object], code: str) -> None:
    found = with_code(Fault("compile_error", reason, facts), SOURCE)
    assert (found.facts["code"], found.reason) == (code, reason)
    assert format_code(found.facts) == (f"{found.facts['line']} | {code}",)


@pytest.mark.parametrize(
    ("reason", "facts"),
    [
        ("takes too long", {}),
        ("line 2: empty", {"line": 2}),
        ("line 99: not there", {"line": 99}),
        ("an outline 3 of", {}),
        ("wrong", {"line": "3"}),
    ],
)
def test_without_a_line_that_says_something_no_text_is_told(reason: str, facts: dict[str, object]) -> None:
    found = with_code(Fault("compile_error", reason, facts), SOURCE)
    assert "code" not in found.facts
    assert format_code(found.facts) == ()


def test_both_lines_of_a_race_and_all_stores_of_an_output_are_told_each_once() -> None:
    race = with_code(Fault("memory_fault", "race", {"line": 3, "other_line": 1}), SOURCE)
    assert format_code(race.facts) == ("3 | x = tl.load(p)", "1 | import triton")
    wrong = with_code(Fault("incorrect", "wrong", {"store_lines": [1, 3, 3]}), SOURCE)
    assert wrong.facts["store_code"] == ["import triton", "x = tl.load(p)", "x = tl.load(p)"]
    assert format_code(wrong.facts) == ("1 | import triton", "3 | x = tl.load(p)")


def test_a_text_that_is_there_already_stays() -> None:
    assert with_code(Fault("compile_error", "", {"line": 3, "code": "mine"}), SOURCE).facts["code"] == "mine"


@pytest.mark.parametrize("status", ["compile_error", "memory_fault", "incorrect"])
def test_a_hidden_workload_tells_no_line(status: Status) -> None:
    fault = Fault(status, "line 3: wrong", {"line": 3, "store_lines": [3]})
    hidden = failed_verdict(fault, Workload("secret", "hit", True, {}), SOURCE)
    public = failed_verdict(fault, Workload("open", "hit", False, {}), SOURCE)
    assert "tl.load" not in str(hidden) and set(hidden.facts) == {"regime", "hidden"}
    assert public.facts["code"] == "x = tl.load(p)"
