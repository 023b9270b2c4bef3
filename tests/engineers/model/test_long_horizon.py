"""Conversations that are cut again and again: the brief stays, the record is the memory, nothing decided is lost."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.core.protocols import Recorder, Tools
from kernelwright.core.recall import Recall
from kernelwright.engineers.model.conversation import Answer, Call, Conversation, Said, Turn, cut_to, newest_that_fit
from kernelwright.engineers.model.facts import architectures_of, format_brief, run_facts
from kernelwright.engineers.model.memo import decisions_of
from kernelwright.engineers.model.room import Room
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.mcp.answers import token_estimate
from tests.endpoint.conversation import Conversation as Asked
from tests.endpoint.conversation import Played, Reply
from tests.engineers.model.runs import BRIEF, ModelBench, Script, answers_in, calling, is_for_memo, kernel, play
from tests.runs.scripted import ScriptedEngineer

INFINITE = {"evaluations": float("inf"), "seconds": float("inf"), "tokens": float("inf"), "usd": float("inf")}


def row(number: int, speedup: float | None, architecture: str, note: str = "", best: bool = False) -> dict[str, object]:
    status = "accepted" if speedup else "incorrect"
    return {
        "evaluation": number, "status": status, "reason": f"wrong at {number}", "geomean_speedup": speedup,
        "architecture": architecture if speedup else "", "note": note, "is_best": best, "repeats": None,
    }  # fmt: skip


ROWS = tuple(
    row(n, None if n % 4 == 3 else 1 + n / 100, f"arch{n // 10}", f"idea {n}: " + "words " * 20, n % 4 == 0)
    for n in range(1, 200)
)
NOTES = tuple(f"note {n}: " + "lesson " * 30 if n != 7 else "DECIDED: note 7 stays" for n in range(100))


@given(st.text(max_size=3_000), st.integers(40, 600))
def test_a_text_that_is_cut_fits_and_says_so(text: str, tokens: int) -> None:
    cut = cut_to(text, tokens, "; read on")
    assert token_estimate(cut) <= tokens + 5
    assert cut == text or (
        f"of {len(text)} characters; read on]" in cut and text.startswith(cut.rsplit("\n[cut", 1)[0])
    )


@given(st.lists(st.integers(1, 500), max_size=20), st.integers(1, 2_000))
def test_the_newest_turns_that_fit_are_kept_and_no_more(sizes: list[int], tokens: int) -> None:
    turns = [Turn(Said("w" * size * 3)) for size in sizes]
    kept = newest_that_fit(turns, tokens)
    assert list(kept) == turns[len(turns) - len(kept) :]
    assert sum(turn.tokens for turn in kept) <= tokens
    assert len(kept) == len(turns) or sum(turn.tokens for turn in turns[len(turns) - len(kept) - 1 :]) > tokens


@pytest.mark.parametrize("tokens", [300, 1_000, 4_000, 24_000])
def test_the_facts_of_a_long_run_fit_whatever_room_there_is(tokens: int) -> None:
    recall = Recall({}, ROWS, "", NOTES, "NEXT: split the rows")
    facts = run_facts(recall, {**INFINITE, "evaluations": 7}, tokens)
    assert token_estimate(facts) <= tokens + 5
    assert facts.startswith("Left: 7 evaluations. Evaluated: 199.")
    assert "Best: evaluation 196, 2.96x" in facts
    if tokens >= 1_000:
        assert "NEXT: split the rows" in facts and "note 99" in facts and "DECIDED: note 7 stays" in facts
        assert re.search(r"\[\d+ more notes: call notes, and on with its next_offset\]", facts)


def test_architectures_tell_their_best_and_how_they_failed() -> None:
    tried = architectures_of([row(1, 1.5, "a", "one"), row(2, 1.7, "a", "two"), row(3, None, "b"), row(4, 1.2, "c")])
    assert [one.numbers for one in tried] == [(1, 2), (4,), (3,)]
    assert (tried[0].note, tried[2].failures) == ("two", ("incorrect: wrong at 3",))


def test_a_brief_is_cut_where_it_is_longest_and_says_how_to_read_on() -> None:
    brief = {
        "problem": "p",
        "entry": "f",
        "text": "make it fast",
        "reference": "x = 1\n" * 5_000,
        "workloads": [],
        "chip": {},
    }
    short = format_brief(brief, 1_300)
    assert token_estimate(short) <= 1_320
    assert "make it fast" in short and "call brief for all" in short
    assert "x = 1\n" * 4_999 in format_brief(brief, 100_000)


def test_only_decisions_that_no_note_holds_are_new() -> None:
    memo = "DECIDED: tiles of 64\n- **decided:** no split\nOPEN: DECIDED nothing\nDECIDED: tiles of 64"
    assert decisions_of(memo, ["DECIDED: no split"]) == ("tiles of 64",)


@settings(max_examples=40)
@given(st.integers(8_000, 1_000_000), st.lists(st.integers(1, 20_000), min_size=1, max_size=30), st.integers(0, 5))
def test_what_is_left_after_a_cut_fits_every_window(window: int, sizes: list[int], calls: int) -> None:
    room = Room(window)
    made = tuple(Call(f"c{n}", "check", json.dumps({"source": "x" * sizes[-1] * 3})) for n in range(calls))
    turns = [Turn(Said("w" * size), words="go on") for size in sizes]
    turns.append(Turn(Said("", made), tuple(Answer(call, "y" * sizes[0] * 9) for call in made), "go on"))
    opening = cut_to("brief " * 50_000, room.brief) + cut_to("facts " * 50_000, room.facts)
    kept = room.kept(Conversation("system " * 200, "old", (), tuple(turns)), opening)
    assert kept.tokens <= room.limit
    assert [c.id for c in kept.turns[-1].said.calls] == [a.call.id for a in kept.turns[-1].answers]
    assert all(isinstance(json.loads(c.arguments), dict) for turn in kept.turns for c in turn.said.calls)


class Forgetful:
    """A player whose own memory is its conversation: it decides something once, and long after must still know it.

    It decides in two ways: by a note, and by a line of its memo. Between, it works and writes much.
    """

    def __init__(self, turns: int, words: int) -> None:
        self.turns, self.words = turns, words
        self.turn = self.memos = 0
        self.recalled: list[str] = []
        self.pages: list[str] = []
        self.tokens: list[int] = []

    def __call__(self, asked: Asked) -> Played:
        self.tokens.append(asked.tokens)
        if is_for_memo(asked):
            self.memos += 1
            return Reply("DECIDED: masks are free on this chip\nNEXT: work on" if self.memos == 1 else "NEXT: work on")
        self.turn += 1
        if self.turn == 2:
            return calling("notes", text="DECIDED: tiles of 96 columns spill")
        if self.turn > self.turns:
            return self._recalling(asked)
        if self.turn % 10 == 0:
            return calling(
                "evaluate", source=kernel(1.1 + self.turn / 100, f"a{self.turn // 50}"), note=f"try {self.turn}"
            )
        return calling("notes", text=f"turn {self.turn}: " + "lesson " * self.words)

    def _recalling(self, asked: Asked) -> Played:
        """Read the notebook page by page until every decision was seen, then submit."""
        answer = json.loads(answers_in(asked)[-1])
        if answer.get("state") == "cut":
            self.pages.append(answer["text"])
            if answer["next_offset"] is not None:
                return calling("poll", job=answer["job"], offset=answer["next_offset"])
            answer = json.loads("".join(self.pages))
        self.pages = []
        self.recalled += answer.get("notes", [])
        decided = ["tiles of 96 columns spill"] + ["masks are free"] * bool(self.memos)
        if all(any(text in note for note in self.recalled) for text in decided):
            return calling("submit")
        return calling("notes", offset=answer.get("next_offset") or 0)


def test_after_many_cuts_of_a_small_window_the_brief_stands_and_decisions_are_found(tmp_path: Path) -> None:
    player = Forgetful(50, 350)
    ran = play(tmp_path, player, window=8_000, evaluations=99)
    assert ran.state.end_reason == "submitted by the engineer"
    compactions = ran.of("compaction")
    assert len(compactions) >= 12
    assert max(player.tokens) <= 8_000
    assert all(BRIEF.text in asked.messages[1].text for asked in ran.endpoint.seen)
    assert "DECIDED: masks are free on this chip" in ran.state.notes
    last = ran.endpoint.seen[-1].messages[1].text
    assert "Best: evaluation" in last and "Architectures tried" in last
    assert "DECIDED: tiles of 96 columns spill" in last, "decisions stand in every new conversation"
    assert compactions[-1]["summary"] == "NEXT: work on"
    assert ran.ledger.check_chain("r") == ()


@pytest.mark.parametrize("window", [8_000, 32_000, 1_000_000])
def test_windows_from_small_to_huge_work(tmp_path: Path, window: int) -> None:
    player = Forgetful(24, 500)
    ran = play(tmp_path, player, window=window)
    assert ran.state.end_reason == "submitted by the engineer"
    assert max(player.tokens) <= window
    assert bool(ran.of("compaction")) == (window < 1_000_000)


def test_a_long_brief_and_long_sources_fit_a_small_window(tmp_path: Path) -> None:
    long = replace(BRIEF, reference="def f(x):\n" + "    x = x + 1\n" * 3_000)
    source = kernel(1.5) + "# " + "long " * 2_500 + "\n"
    script = Script([calling("check", source=source), calling("evaluate", source=source), calling("submit")])
    ran = play(tmp_path, script, window=8_000, bench=ModelBench(ScriptedEngineer(()), brief=long))
    assert ran.state.counted == 1
    assert all(asked.tokens <= 8_000 for asked in script.said)
    stored = ran.ledger.blob(str(ran.of("evaluation")[0]["candidate"])).decode()
    assert stored == source, "what is judged is whole, however it is shown"
    ran.ledger.close()


def test_a_model_that_will_not_write_a_memo_is_cut_all_the_same(tmp_path: Path) -> None:
    notes = [calling("notes", text=f"{n} " + "tile " * 1_400) for n in range(12)]
    script = Script([*notes, calling("evaluate", source=kernel(1.2)), calling("submit")], memo="")
    ran = play(tmp_path, script, window=8_000)
    assert script.memos == len(ran.of("compaction")) > 3
    assert ran.state.end_reason == "submitted by the engineer"


class Interrupted(ModelBench):
    """A bench whose person at the keyboard ends the process after the seventh turn."""

    def tools(self, recorder: Recorder) -> Tools:
        tools = super().tools(recorder)
        assert isinstance(tools, Workshop)
        remark = tools.remark

        def interrupting(kind: str, payload: Mapping[str, object]) -> None:
            remark(kind, payload)
            if kind == "model_turn" and payload["turn"] == 7:
                raise KeyboardInterrupt

        tools.remark = interrupting  # type: ignore[method-assign]
        return tools


def test_a_resumed_run_begins_with_what_the_record_holds(tmp_path: Path) -> None:
    notes = [calling("notes", text=f"{n} " + "tile " * 1_400) for n in range(6)]
    first = Script([calling("evaluate", source=kernel(1.4), note="wide"), *notes], memo="NEXT: narrow tiles")
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, first, window=8_000, bench=Interrupted(ScriptedEngineer(())))
    second = Script([calling("evaluate", source=kernel(1.6), note="narrow"), calling("submit")])
    ran = play(tmp_path, second, window=8_000)
    opening = second.said[0].messages[1].text
    assert "You worked on this run before" in opening and "NEXT: narrow tiles" in opening
    assert "Best: evaluation 1, 1.4x" in opening
    assert (ran.state.counted, ran.state.is_closed) == (2, True)
