"""Answers that are not the attention that was asked for."""

import pytest

from tests.cheats.attention import CHEATS
from tests.cheats.catalogue import Cheat
from tests.cheats.conftest import Judges
from tests.cheats.expectation import by_workloads, require_refused


@pytest.mark.parametrize("cheat", by_workloads(CHEATS), ids=lambda cheat: cheat.name)
def test_attention_that_is_wrong_in_one_thing_is_refused(judged: Judges, cheat: Cheat) -> None:
    require_refused(judged(cheat.source, cheat.workloads), cheat)
