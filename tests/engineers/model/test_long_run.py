"""The long run whole, and a short one of the same scenario for every day."""

from pathlib import Path

import pytest

from tests.engineers.model.long_run import CALLS, OUTAGES, WINDOW, WORK_S, Figures, Worker, long_run
from tests.engineers.model.runs import BRIEF, Ran


def require_whole(ran: Ran, worker: Worker, figures: Figures, calls: int) -> None:
    """Check what holds for every length: nothing lost, nothing counted that is not work, nothing forgotten."""
    assert figures.end_reason == "submitted by the engineer"
    assert (figures.chain_faults, ran.state.is_closed) == (0, True)
    assert worker.made == calls
    assert (figures.outages, figures.lost_hours > 10) == (OUTAGES, True)
    assert figures.work_s < WORK_S, "outages are nobody's work"
    assert figures.largest_request_tokens <= WINDOW
    last = ran.endpoint.seen[-1].messages
    assert BRIEF.text in last[1].text
    assert set(worker.decisions) <= set(ran.state.notes)
    assert worker.decisions[-1] in "".join(m.text for m in last) + "".join(c.arguments for m in last for c in m.calls)


def test_a_hundred_calls_with_twenty_outages_leave_a_whole_chain(tmp_path: Path) -> None:
    ran, worker, figures = long_run(tmp_path, 120)
    require_whole(ran, worker, figures, 120)
    assert figures.compactions >= 5


@pytest.mark.slow
def test_1158_calls_with_100_compactions_and_20_outages_leave_a_whole_chain(tmp_path: Path) -> None:
    ran, worker, figures = long_run(tmp_path)
    require_whole(ran, worker, figures, CALLS)
    assert figures.tool_calls == CALLS
    assert figures.compactions >= 100
    assert figures.evaluations > 300
