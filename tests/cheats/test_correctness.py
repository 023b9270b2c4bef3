"""Rows of the catalogue under 'correctness'."""

import pytest

from tests.cheats.catalogue import Cheat
from tests.cheats.conftest import Judges
from tests.cheats.correctness import CHEATS
from tests.cheats.expectation import by_workloads, require_refused


@pytest.mark.parametrize("cheat", by_workloads(CHEATS), ids=lambda cheat: cheat.name)
def test_it_is_refused(judged: Judges, cheat: Cheat) -> None:
    require_refused(judged(cheat.source, cheat.workloads), cheat)
