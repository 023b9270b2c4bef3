import json
from functools import cache

import pytest

from kernelwright.chips.emulated.engine.events import time_launch
from kernelwright.chips.emulated.insight.counters import TimedLaunch
from kernelwright.chips.emulated.insight.trace_events import trace_object
from kernelwright.chips.emulated.phases import PhaseTime, Priority, mark_ranges, time_phases
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.serving import Server, make_server
from kernelwright.core.errors import UnknownNameError
from tests.chips.emulated.trace_format import check_trace

MACHINE = load_profile("m890").machine()
LAYERS = 2


@cache
def _server(weights: float, cached: float, activations: float = 0.125) -> Server:
    size = MACHINE.llc_bytes
    return make_server(LAYERS, int(weights * size), int(cached * size), int(activations * size))


def _decode(server: Server, marks: dict[str, Priority]) -> PhaseTime:
    """Return three steps of decode after a first one that found cold caches."""
    (time,) = time_phases(MACHINE, [server.decode(4, marks)], server.regions)
    return PhaseTime("decode", time.launches[LAYERS:])


def test_what_fits_needs_no_marks() -> None:
    server = _server(0.4, 0.4)
    assert _decode(server, {}).moved_bytes("memory") == 0
    assert _decode(server, {"cache": "keep"}).time_ns == _decode(server, {}).time_ns


def test_keeping_what_fits_pays_where_everything_together_does_not() -> None:
    server = _server(2.0, 0.75)
    plain, kept = _decode(server, {}), _decode(server, {"cache": "keep"})
    assert kept.moved_bytes("memory") < 0.8 * plain.moved_bytes("memory")
    assert kept.time_ns < plain.time_ns


def test_streaming_the_rest_is_as_good_as_keeping() -> None:
    server = _server(2.0, 0.75)
    assert _decode(server, {"weights": "stream"}).time_ns <= _decode(server, {"cache": "keep"}).time_ns


def test_keeping_more_than_fits_gains_nothing() -> None:
    server = _server(0.5, 2.0)
    assert _decode(server, {"cache": "keep"}).moved_bytes("memory") == _decode(server, {}).moved_bytes("memory")


def test_marks_of_another_phase_cost_what_was_held() -> None:
    server = _server(0.5, 0.5)
    prefill: dict[str, Priority] = {"activations": "keep", "cache": "stream", "weights": "stream"}

    def decode_after_prefill(marks: dict[str, Priority]) -> float:
        phases = [server.prefill(1, prefill), server.decode(2, marks)] * 2
        return time_phases(MACHINE, phases, server.regions)[3].moved_bytes("memory")

    assert decode_after_prefill({"cache": "keep"}) < decode_after_prefill(prefill)


def test_phases_take_the_same_time_again() -> None:
    server = _server(2.0, 0.75)
    assert _decode(server, {"cache": "keep"}) == _decode(server, {"cache": "keep"})


def test_unknown_buffers_and_priorities_name_the_nearest() -> None:
    server = _server(0.4, 0.4)
    with pytest.raises(UnknownNameError, match="Did you mean 'cache'"):
        mark_ranges({"cach": "keep"}, server.regions)
    with pytest.raises(UnknownNameError, match="Did you mean 'keep'"):
        mark_ranges({"cache": "keeps"}, server.regions)  # type: ignore[dict-item]


def test_a_timeline_of_the_engine_is_a_trace_that_keeps_the_rules() -> None:
    step = _server(0.4, 0.4).decode(1, {}).steps[0]
    time = time_launch(MACHINE, step.program, step.trace, timeline=True)
    launch = TimedLaunch(step.name, (step.trace.programs, 1, 1), step.program, time)
    found = trace_object(MACHINE, (launch, launch), "decode")
    assert check_trace(json.dumps(found)) == []
    assert len(time.slices) > 10
