"""Candidates that do nothing wrong must be accepted, on every workload."""

import pytest

from tests.cheats.conftest import Judges
from tests.cheats.honest import HONEST, Honest


@pytest.mark.parametrize("candidate", HONEST, ids=[candidate.name for candidate in HONEST])
def test_it_is_accepted(judged: Judges, candidate: Honest) -> None:
    verdict = judged(candidate.source)
    if candidate.gone and candidate.gone in verdict.reason:
        pytest.skip(f"this Triton: {candidate.gone}")
    assert verdict.is_accepted, f"{verdict.status}: {verdict.reason}"
