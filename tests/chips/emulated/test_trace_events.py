import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from kernelwright.chips.emulated.insight.trace_events import trace_object
from kernelwright.chips.emulated.result import Slice
from tests.chips.emulated.launch_samples import LAUNCH, MACHINE, launch_with
from tests.chips.emulated.trace_format import check_trace

TRACE = trace_object(MACHINE, (LAUNCH, LAUNCH), "sample", units=4)


def _broken(edit: Any) -> list[str]:
    found = json.loads(json.dumps(TRACE))
    edit(found)
    return check_trace(json.dumps(found))


def test_a_trace_keeps_every_rule_of_the_format() -> None:
    assert check_trace(json.dumps(TRACE)) == []


def test_a_trace_says_that_it_is_emulated() -> None:
    other = TRACE["otherData"]
    assert isinstance(other, dict)
    assert "emulated" in other["emulated"] and other["chip"] == "sample"
    names = [e["args"]["name"] for e in _events("M") if e["name"] == "process_name"]
    assert all("emulated" in name for name in names)


def test_stays_that_overlap_get_tracks_beside_each_other() -> None:
    names = {e["args"]["name"] for e in _events("M") if e["name"] == "thread_name"}
    assert {"blocks", "blocks 2", "matrix", "memory", "launches"} == names


def test_stays_on_units_that_are_not_drawn_are_counted() -> None:
    other = TRACE["otherData"]
    assert isinstance(other, dict) and other["left out"].startswith("2 stays")
    assert {e["pid"] for e in _events("X")} == {1, 2}


def test_a_launch_begins_with_its_floor_and_the_next_one_follows() -> None:
    launches = [e for e in _events("X") if e["tid"] == _thread("launches")]
    assert [(e["ts"], e["dur"]) for e in launches] == [(0.0, 15.0), (16.0, 15.0)]
    assert min(e["ts"] for e in _events("X") if e["name"] == "dot 44") == 5.0


def test_any_slices_give_tracks_that_nest() -> None:
    random = Random(3)
    slices = tuple(
        Slice("blocks", f"op {i}", begin, begin + random.choice((0.0, 0.3, 1.4, 9.0)), i, random.randrange(-1, 3))
        for i, begin in enumerate(random.random() * 60 for _ in range(300))
    )
    launch = replace(launch_with(slices=slices), kernel="noise")
    assert check_trace(json.dumps(trace_object(MACHINE, (launch,), "noise"))) == []


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda t: t.update(displayTimeUnit="s"), "displayTimeUnit"),
        (lambda t: t["traceEvents"][-1].pop("dur"), "dur of a X event"),
        (lambda t: t["traceEvents"][-1].update(ts=-1.0), "0 or more"),
        (lambda t: t["traceEvents"].append({**t["traceEvents"][-1], "ts": 0.0}), "sorted"),
        (lambda t: t["traceEvents"].append({**t["traceEvents"][-1], "dur": 1e6}), ""),
        (lambda t: t["traceEvents"].append({**t["traceEvents"][-1], "tid": 99}), "no name"),
        (lambda t: t.update(traceEvents={}), "list under traceEvents"),
    ],
)
def test_the_checker_finds_broken_traces(edit: Any, fault: str) -> None:
    found = _broken(edit)
    assert bool(found) == bool(fault) and fault in " ".join(found)


def test_the_checker_finds_stays_that_overlap() -> None:
    def push(trace: dict[str, Any]) -> None:
        last = trace["traceEvents"][-1]
        trace["traceEvents"].append({**last, "ts": last["ts"] + last["dur"] / 2})

    assert "overlaps" in " ".join(_broken(push))


def _events(kind: str) -> list[dict[str, Any]]:
    events = TRACE["traceEvents"]
    assert isinstance(events, list)
    return [e for e in events if e["ph"] == kind]


def _thread(label: str) -> int:
    return next(int(e["tid"]) for e in _events("M") if e["args"].get("name") == label)
