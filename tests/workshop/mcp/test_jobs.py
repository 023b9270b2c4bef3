"""Calls that outlive a request: found again by id, or by making them again."""

import threading
from collections.abc import Mapping

import pytest

from kernelwright.core.errors import RequestError
from kernelwright.workshop.mcp.jobs import MOST_KEPT, MOST_RUNNING, Jobs


class Gated:
    """Answers calls once its gate is set, and counts them."""

    def __init__(self) -> None:
        self.gate, self.calls = threading.Event(), 0

    def __call__(self, name: str, arguments: Mapping[str, object], client: str) -> Mapping[str, object]:
        self.calls += 1
        assert self.gate.wait(30)
        if name == "docs":
            raise RequestError("page 'x' is not known")
        return {"name": name, **arguments, "client": client}


def test_a_call_made_again_while_it_is_at_work_is_one_call() -> None:
    work = Gated()
    jobs = Jobs(work)
    first = jobs.start("evaluate", {"source": "x", "note": ""}, "a")
    assert jobs.start("evaluate", {"note": "", "source": "x"}, "a") is first
    assert jobs.start("evaluate", {"source": "x", "note": ""}, "b") is not first
    assert jobs.start("notes", {"text": "n"}, "a") is not jobs.start("notes", {"text": "n"}, "a")
    work.gate.set()
    assert jobs.find(first.id).future.result(30) == {"name": "evaluate", "source": "x", "note": "", "client": "a"}
    assert jobs.start("evaluate", {"source": "x", "note": ""}, "a") is not first


def test_what_a_call_raises_reaches_who_asks() -> None:
    work = Gated()
    work.gate.set()
    with pytest.raises(RequestError, match="page 'x'"):
        Jobs(work).start("docs", {"page": "x"}, "a").future.result(30)


def test_ids_of_another_process_are_unknown_and_the_line_says_what_to_do() -> None:
    work = Gated()
    work.gate.set()
    earlier, now = Jobs(work), Jobs(work)
    job = earlier.start("history", {}, "a")
    now.start("history", {}, "a")
    with pytest.raises(RequestError, match=r"Call history .* answered from the record"):
        now.find(job.id)


def test_calls_at_work_and_answers_kept_are_bounded() -> None:
    work = Gated()
    jobs = Jobs(work)
    started = [jobs.start("check", {"source": str(number)}, "a") for number in range(MOST_RUNNING)]
    assert jobs.running == MOST_RUNNING
    with pytest.raises(RequestError, match=f"at most {MOST_RUNNING}"):
        jobs.start("check", {"source": "one more"}, "a")
    work.gate.set()
    for job in started:
        job.future.result(30)
    for number in range(MOST_KEPT + 2):
        jobs.start("check", {"source": f"later {number}"}, "a").future.result(30)
    with pytest.raises(RequestError, match="not known"):
        jobs.find(started[0].id)
