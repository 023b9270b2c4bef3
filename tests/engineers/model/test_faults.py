"""Providers that fail, on real sockets: the run waits, goes on to the next model, and never counts the time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.engineers.model.keys import KeyFilter
from kernelwright.engineers.model.providers import Access
from kernelwright.engineers.model.wire import Talker
from kernelwright.runs import fold
from tests.endpoint.conversation import Conversation, Played, Refused, Reply, Reset, Stall
from tests.engineers.model.runs import KEY, FakeTime, Script, calling, kernel, play

WORK = [calling("evaluate", source=kernel(1.5)), calling("submit")]
FAULTS: list[Played] = [
    Refused(429, "slow down", retry_after_s=7),
    Refused(500, "oops"),
    Refused(503, "overloaded"),
    Reset(Reply("half of it " * 100)),
    Refused(502, "bad gateway"),
]


def test_faults_are_waited_for_and_the_run_comes_out_as_without_them(tmp_path: Path) -> None:
    time = FakeTime()
    ran = play(tmp_path, Script([*FAULTS, WORK[0], *FAULTS[:2], WORK[1]]), clockwork=time.clockwork())
    assert (ran.state.end_reason, ran.state.counted) == ("submitted by the engineer", 1)
    assert ran.calls == ["evaluate", "submit"]
    reasons = [one["reason"] for one in ran.of("outage")]
    assert any("status 429: slow down" in reason for reason in reasons)
    assert any("status 503: overloaded" in reason for reason in reasons)
    assert ran.ledger.check_chain("r") == ()


def test_the_wait_that_a_provider_asks_for_is_kept(tmp_path: Path) -> None:
    time = FakeTime()
    play(tmp_path, Script([Refused(429, retry_after_s=300), *WORK]), clockwork=time.clockwork())
    assert 300 <= time.slept <= 302


def test_waits_double_up_to_a_minute_with_chance_in_them(tmp_path: Path) -> None:
    waits: dict[float, float] = {}
    for chance in (0.0, 1.0):
        time = FakeTime()
        play(tmp_path / str(chance), Script([*[Refused(500)] * 7, *WORK]), clockwork=time.clockwork(chance))
        waits[chance] = time.slept
    assert waits[1.0] == pytest.approx(2 + 4 + 8 + 16 + 32 + 60 + 60, rel=0.01)
    assert waits[0.0] == pytest.approx(waits[1.0] / 2, rel=0.01)


def test_hours_of_outage_stop_the_clock_of_the_budget(tmp_path: Path) -> None:
    time = FakeTime()
    down = [Refused(503, "maintenance", retry_after_s=600)] * 30
    ran = play(tmp_path, Script([*down, *WORK]), clockwork=time.clockwork(), seconds=600.0)
    assert time.slept > 4 * 3600
    lost_ns = sum(one["lost_ns"] for one in ran.of("outage"))
    assert lost_ns == pytest.approx(time.slept * 1e9, rel=0.01)
    assert ran.state.end_reason == "submitted by the engineer"
    assert ran.state.counted == 1


def test_hours_without_an_answer_ends_the_work_and_leaves_the_run_open(tmp_path: Path) -> None:
    time = replace(FakeTime().clockwork(), patience_s=2.5 * 3600)
    with pytest.raises(HarnessError, match=r"no model answered for 3 h, .*status 503: down"):
        play(tmp_path, Script([Refused(503, "down", retry_after_s=3600)] * 99), clockwork=time)
    again = play(tmp_path, Script(WORK))
    assert again.state.is_closed and again.state.counted == 1


def test_the_next_model_of_the_list_takes_over_and_the_first_rests(tmp_path: Path) -> None:
    time = FakeTime()
    first, second = Script([Refused(500, "broken")] * 99), Script(WORK)
    ran = play(tmp_path, first, second, clockwork=time.clockwork())
    assert [one["model"] for one in ran.of("model_usage")] == ["vllm:second"] * 2
    assert len(first.said) == 3, "three tries, then the next one for ten minutes"
    assert ran.state.end_reason == "submitted by the engineer"


def test_after_its_rest_the_first_model_is_asked_again(tmp_path: Path) -> None:
    time = FakeTime()
    history = [calling("history", offset=n + 1) for n in range(3)]
    first = Script([*[Refused(500)] * 3, *WORK])

    def second(asked: Conversation) -> Played:
        time.sleep(400)
        return history.pop(0)

    ran = play(tmp_path, first, second, clockwork=time.clockwork())
    assert [one["model"].split(":")[1] for one in ran.of("model_usage")] == ["second"] * 2 + ["scripted"] * 2


def test_a_stalled_answer_is_given_up(tmp_path: Path) -> None:
    def impatient(access: Access, keys: KeyFilter) -> Talker:
        return Talker(access, keys, silence_s=0.5)

    stalled = Script([Stall(30.0, Reply("late")), *WORK])
    ran = play(tmp_path, stalled, clockwork=FakeTime().clockwork(), make_talker=impatient)
    assert ran.state.counted == 1
    assert any("timed out" in one["reason"] for one in ran.of("outage"))


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (Refused(401, "Incorrect API key provided: {key}", "invalid_api_key"), "must take the key"),
        (Refused(404, "The model does not exist", "model_not_found"), "must be known to its provider"),
        (Refused(429, "You exceeded your current quota", "insufficient_quota"), "must have credit left"),
    ],
    ids=["key", "name", "credit"],
)
def test_what_only_a_person_can_put_right_ends_at_once_in_one_line(tmp_path: Path, refused: Refused, told: str) -> None:
    words = Refused(refused.status, refused.text.replace("{key}", KEY), refused.kind)
    with pytest.raises(RequestError) as error:
        play(tmp_path, Script([words] * 9), Script(WORK))
    assert told in str(error.value) and "\n" not in str(error.value)
    assert KEY not in str(error.value)
    again = play(tmp_path, Script(WORK))
    assert again.state.is_closed, "the run stayed resumable"
    assert KEY.encode() not in again.everything_written()


def test_a_key_that_is_taken_away_during_a_run_leaves_the_work_to_the_next_model(tmp_path: Path) -> None:
    first = Script([WORK[0], *[Refused(401, "revoked", "invalid_api_key")] * 9])
    ran = play(tmp_path, first, Script(WORK[1:]))
    assert [one["model"].split(":")[1] for one in ran.of("model_usage")] == ["scripted", "second"]
    assert ran.state.end_reason == "submitted by the engineer"


def test_a_provider_that_refuses_the_conversation_gets_it_cut_and_then_the_run_stops(tmp_path: Path) -> None:
    bad = Refused(400, "messages[3]: unexpected role")
    ran = play(tmp_path / "once", Script([bad, *WORK]))
    assert (len(ran.of("compaction")), ran.state.counted) == (1, 1)
    with pytest.raises(RequestError, match="refuses the conversation even after it was cut"):
        play(tmp_path / "always", Script([bad] * 5))


def test_a_window_that_is_smaller_than_believed_is_found_out(tmp_path: Path) -> None:
    def player(script: Script) -> Callable[[Conversation], Played]:
        def answer(asked: Conversation) -> Played:
            if asked.tokens > 12_000:
                words = "This model's maximum context length is 12000 tokens."
                return Refused(400, words, "context_length_exceeded")
            return script(asked)

        return answer

    notes = [calling("notes", text=f"{n} " + "tile " * 1_500) for n in range(20)]
    ran = play(tmp_path, player(Script([*notes, *WORK])), window=100_000)
    assert "window" in ran.rules
    assert ran.state.end_reason == "submitted by the engineer"
    assert len(fold(ran.entries).notes) >= 20


def test_half_a_reply_is_counted_as_taken(tmp_path: Path) -> None:
    broken = Reset(Reply("a long reply " * 200), after=60)
    ran = play(tmp_path, Script([broken, *WORK]), clockwork=FakeTime().clockwork())
    usage = ran.of("model_usage")
    assert len(usage) == 3
    assert 0 < usage[0]["output_tokens"] < 1_000 and usage[0]["input_tokens"] > 500
