"""Candidates that do nothing wrong must be accepted, on every workload."""

import pytest

from tests.cheats.conftest import Judges
from tests.cheats.honest import HONEST, Honest


def _row(candidate: Honest) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=candidate.refused)] if candidate.refused else []
    return pytest.param(candidate, id=candidate.name, marks=marks)


@pytest.mark.parametrize("candidate", [_row(candidate) for candidate in HONEST])
def test_it_is_accepted(judged: Judges, candidate: Honest) -> None:
    verdict = judged(candidate.source)
    assert verdict.is_accepted, f"{verdict.status}: {verdict.reason}"
