"""Several conversations on one run: one notebook, one best, one budget, names in every entry."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError
from kernelwright.engineers.model.outage_clock import OutageClock
from tests.endpoint.conversation import Conversation, Played, Refused, Reply
from tests.engineers.model.runs import calling, kernel, play


class Crowd:
    """A player for several islands, told apart by the mark of their fence; each has a number from 0."""

    def __init__(self, player: Callable[[int, int, Conversation], Played]) -> None:
        self._player = player
        self._guard = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._turns: Counter[int] = Counter()
        self.said: dict[int, list[Conversation]] = {}

    def __call__(self, asked: Conversation) -> Played:
        mark = re.search(r"<<\w+", asked.messages[0].text)
        assert mark is not None
        with self._guard:
            number = self._numbers.setdefault(mark[0], len(self._numbers))
            turn = self._turns[number]
            self._turns[number] += 1
            self.said.setdefault(number, []).append(asked)
        return self._player(number, turn, asked)


def test_islands_share_the_best_and_the_notebook_and_sign_their_entries(tmp_path: Path) -> None:
    found, noted = threading.Event(), threading.Event()

    def player(number: int, turn: int, asked: Conversation) -> Played:
        if number == 0:
            steps = [
                calling("evaluate", source=kernel(1.5)),
                calling("notes", text="narrow tiles win"),
                calling("submit"),
            ]
            if turn == 2:
                noted.set()
            return steps[turn] if turn < len(steps) else Reply("done")
        if turn == 0:
            noted.wait(20)
            return calling("history")
        found.set()
        return calling("submit")

    crowd = Crowd(player)
    ran = play(tmp_path, crowd, islands=2)
    assert found.is_set() and ran.state.end_reason == "submitted by the engineer"
    assert {one["client"] for one in ran.of("tool_call")} == {"island 1", "island 2"}
    assert {one["client"] for one in ran.of("model_usage")} == {"island 1", "island 2"}
    told = crowd.said[1][1].messages[-1].text
    assert "News of the other islands" in told and "is the new best, 1.5x" in told and "narrow tiles win" in told
    assert all("News of" not in m.text for asked in crowd.said[0] for m in asked.messages), "own doing is no news"
    assert ran.ledger.check_chain("r") == ()


def test_a_run_of_islands_ends_when_the_last_one_does(tmp_path: Path) -> None:
    def player(number: int, turn: int, asked: Conversation) -> Played:
        if number == 2:
            return calling("evaluate", source=kernel(1.2 + turn / 10)) if turn < 6 else Reply("enough")
        return Reply("I give up.")

    ran = play(tmp_path, Crowd(player), islands=3, silent_turns=2)
    assert ran.state.end_reason == "gave up: 2 turns without a tool call"
    assert ran.state.counted == 6


def test_a_budget_ends_all_islands(tmp_path: Path) -> None:
    def player(number: int, turn: int, asked: Conversation) -> Played:
        return calling("evaluate", source=kernel(1.1 + turn / 50 + number / 7, f"a{number}"))

    ran = play(tmp_path, Crowd(player), islands=4, evaluations=12)
    assert ran.state.end_reason == "evaluations are spent"
    assert 12 <= ran.state.counted <= 15, "each of four may be in the middle of one"


def test_each_island_begins_with_another_model_of_the_list(tmp_path: Path) -> None:
    def player(asked: Conversation) -> Played:
        return calling("evaluate", source=kernel(1.5)) if len(asked.messages) < 3 else calling("submit")

    ran = play(tmp_path, player, player, islands=2)
    by_island = {one["client"]: one["model"].split(":")[0] for one in ran.of("model_usage")}
    assert by_island == {"island 1": "openai-compatible", "island 2": "vllm"}


def test_what_only_a_person_can_put_right_ends_all_islands(tmp_path: Path) -> None:
    def player(number: int, turn: int, asked: Conversation) -> Played:
        return Refused(401, "no", "invalid_api_key") if number == 1 else calling("notes", text=f"{turn}")

    with pytest.raises(RequestError, match="must take the key"):
        play(tmp_path, Crowd(player), islands=2)


def test_time_is_lost_only_while_all_islands_wait() -> None:
    now = [0]
    clock = OutageClock(2, lambda: now[0])
    clock.out("a", 0)
    now[0] = 50
    clock.out("b", 40)
    assert clock.taken_ns() == 10, "b was at work until 40"
    now[0] = 70
    assert clock.taken_ns() == 20
    clock.back("a")
    now[0] = 90
    assert clock.taken_ns() == 0
    clock.gone("a")
    now[0] = 100
    assert clock.taken_ns() == 10, "who has ended is not waited for"
