"""A verdict that no sandbox stands behind says so wherever it is shown."""

import pytest

from kernelwright.core.codec import from_json, to_json
from kernelwright.core.verdict import Verdict
from kernelwright.judge import verdict_json
from kernelwright.workshop.view import verdict_view


@pytest.mark.parametrize("unsafe", [True, False])
def test_a_verdict_carries_the_stamp_into_every_form(unsafe: bool) -> None:
    verdict = Verdict("incorrect", "reason", unsafe=unsafe)
    assert verdict_json(verdict).get("unsafe", False) is unsafe
    assert from_json(Verdict, to_json(verdict), "verdict") == verdict
    assert verdict_view(verdict, ()).get("unsafe", False) is unsafe


def test_a_verdict_recorded_before_there_was_a_stamp_is_safe() -> None:
    fields = to_json(Verdict("incorrect", "reason"))
    assert isinstance(fields, dict)
    del fields["unsafe"]
    assert not from_json(Verdict, fields, "verdict").unsafe
