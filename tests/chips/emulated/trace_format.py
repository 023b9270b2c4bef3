"""The rules of the trace event format that viewers rely on, checked one by one."""

import json
from collections.abc import Mapping
from typing import Any

# "Trace Event Format" (Google, 2016): fields of complete and metadata events.
COMPLETE: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "cat": str,
    "ph": str,
    "ts": (int, float),
    "dur": (int, float),
    "pid": int,
    "tid": int,
}
METADATA: dict[str, type | tuple[type, ...]] = {"name": str, "ph": str, "pid": int, "tid": int, "args": dict}
METADATA_NAMES = {"process_name", "process_sort_index", "thread_name", "thread_sort_index", "process_labels"}


def check_trace(text: str) -> list[str]:
    """Return what a trace file breaks, empty when nothing."""
    try:
        found = json.loads(text)
    except ValueError as error:
        return [f"not JSON: {error}"]
    if not isinstance(found, dict) or not isinstance(found.get("traceEvents"), list):
        return ["the JSON object format needs a list under traceEvents"]
    faults = []
    if found.get("displayTimeUnit") not in ("ms", "ns"):
        faults.append("displayTimeUnit must be ms or ns")
    if not all(isinstance(value, str) for value in found.get("otherData", {}).values()):
        faults.append("otherData must hold texts")
    events: list[dict[str, Any]] = found["traceEvents"]
    for event in events:
        faults += _check_event(event)
    return faults or [*_check_order(events), *_check_tracks(events)]


def _check_event(event: Mapping[str, Any]) -> list[str]:
    kind = event.get("ph")
    if kind not in ("X", "M"):
        return [f"phase {kind} is not written here"]
    faults = [
        f"{name} of a {kind} event must be there, with its type"
        for name, types in (COMPLETE if kind == "X" else METADATA).items()
        if not isinstance(event.get(name), types) or isinstance(event.get(name), bool)
    ]
    if faults:
        return faults
    if kind == "M" and event["name"] not in METADATA_NAMES:
        faults.append(f"metadata {event['name']} is not known")
    if kind == "M" and event["name"].endswith("_name") and not isinstance(event["args"].get("name"), str):
        faults.append(f"{event['name']} needs args.name")
    if kind == "M" and event["name"].endswith("sort_index") and not isinstance(event["args"].get("sort_index"), int):
        faults.append(f"{event['name']} needs args.sort_index")
    if kind == "X" and (event["ts"] < 0 or event["dur"] < 0):
        faults.append(f"{event['name']} must have ts and dur of 0 or more")
    return faults


def _check_order(events: list[dict[str, Any]]) -> list[str]:
    times = [event["ts"] for event in events if event["ph"] == "X"]
    return [] if times == sorted(times) else ["events must be sorted by ts"]


def _check_tracks(events: list[dict[str, Any]]) -> list[str]:
    """Events of one thread must nest; every process and thread must have one name; a thread belongs to one process."""
    faults = []
    named = [(e["name"], e["pid"], e["tid"]) for e in events if e["ph"] == "M"]
    if len(named) != len(set(named)):
        faults.append("a name is given twice")
    drawn = [event for event in events if event["ph"] == "X"]
    for process, thread in sorted({(e["pid"], e["tid"]) for e in drawn}):
        if ("process_name", process, 0) not in named or ("thread_name", process, thread) not in named:
            faults.append(f"thread {thread} of process {process} has no name")
        ends: list[float] = []
        track = [e for e in drawn if (e["pid"], e["tid"]) == (process, thread)]
        for event in sorted(track, key=lambda e: (e["ts"], -e["dur"])):
            # Viewers keep whole nanoseconds.
            begin, end = round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)
            while ends and ends[-1] <= begin:
                ends.pop()
            if ends and ends[-1] < end:
                faults.append(f"{event['name']} at {event['ts']} us overlaps its neighbour on thread {thread}")
            ends.append(end)
    return faults
