"""What models are bad at, played by scripts behind a real endpoint: the run stays whole and ends by a named rule."""

import json
from pathlib import Path

import pytest

from tests.endpoint.conversation import Call, Conversation, Reply
from tests.engineers.model.runs import ENTRY, Ran, Script, answers_in, calling, kernel, play, words_of

BASE = kernel(1.5)
SUBMIT = calling("submit")


def test_a_short_run_writes_turns_usage_calls_and_ends_by_submitting(tmp_path: Path) -> None:
    script = Script([calling("brief"), calling("check", source=BASE), calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    assert ran.calls == ["brief", "check", "evaluate", "submit"]
    assert (ran.state.end_reason, ran.state.counted) == ("submitted by the engineer", 1)
    assert ran.state.tokens == sum(one["input_tokens"] + one["output_tokens"] for one in ran.of("model_usage")) > 0
    assert [one["calls"][0]["tool"] for one in ran.of("model_turn")] == ran.calls
    assert ran.rules == []
    assert ran.ledger.check_chain("r") == ()
    assert any("openai-compatible:scripted read" in line for line in ran.lines)


def test_the_brief_is_pinned_and_answers_come_between_lines_that_say_they_are_data(tmp_path: Path) -> None:
    script = Script([calling("check", source=BASE), calling("evaluate", source=BASE), SUBMIT])
    play(tmp_path, script)
    system, opening = script.said[-1].messages[:2]
    assert "make the reference kernel of the brief faster" in system.text
    assert "Make f faster." in opening.text and "def f(x)" in opening.text
    mark = next(word for word in system.text.split() if word.startswith("<<")).rstrip(".")
    assert all(m.text.startswith(mark) for m in script.said[-1].messages if m.role == "tool")


def test_the_same_call_is_answered_from_the_record_with_a_nudge(tmp_path: Path) -> None:
    script = Script([calling("check", source=BASE)] * 3 + [calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    assert (ran.bench.checked, ran.calls) == (1, ["check", "evaluate", "submit"])
    assert ran.rules == ["the same kernel again"] * 2
    assert len(set(answers_in(script.said[3]))) == 1, "the answer is the recorded one"
    assert "was not judged again" in words_of(script.said[2])


def test_reading_again_is_known_until_something_changes(tmp_path: Path) -> None:
    history, note = calling("history"), calling("notes", text="tiles of 64 spill")
    ran = play(tmp_path, Script([history, history, calling("evaluate", source=BASE), history, note, history, SUBMIT]))
    assert ran.calls == ["history", "evaluate", "history", "notes", "history", "submit"]
    assert ran.rules == ["the same call again"]


def test_a_candidate_that_differs_in_comments_only_is_not_evaluated_again(tmp_path: Path) -> None:
    again = BASE + "\n# a comment\n"
    ran = play(
        tmp_path, Script([calling("evaluate", source=BASE), calling("evaluate", source=again, note="new"), SUBMIT])
    )
    assert (ran.bench.judged, ran.state.counted) == (1, 1)
    assert ran.rules == ["the same kernel again"]


def test_a_candidate_with_equal_ir_is_told_so(tmp_path: Path) -> None:
    same = BASE + "renamed = 1\n"
    ran = play(tmp_path, Script([calling("evaluate", source=BASE), calling("evaluate", source=same), SUBMIT]))
    assert ran.state.counted == 1
    assert ran.rules == ["equal IR"]


def test_back_and_forth_between_two_candidates_is_seen(tmp_path: Path) -> None:
    one, other = kernel(1.5), kernel(1.4, "b")
    turns = [calling("evaluate", source=source) for source in (one, other, one, other)]
    script = Script([*turns, SUBMIT])
    ran = play(tmp_path, script)
    assert (ran.bench.judged, ran.state.counted) == (2, 2)
    assert "oscillation" in ran.rules
    assert "evaluations 1 and 2" in words_of(script.said[4])


def test_back_and_forth_counts_kernels_not_texts(tmp_path: Path) -> None:
    one, other = kernel(1.5), kernel(1.4, "b")
    sources = (one, other, one + "y = 1\n", other + "z = 1\n")
    ran = play(tmp_path, Script([*(calling("evaluate", source=source) for source in sources), SUBMIT]))
    assert ran.rules == ["equal IR", "oscillation", "equal IR"]


def test_an_endless_loop_of_known_calls_ends_by_its_rule(tmp_path: Path) -> None:
    ran = play(tmp_path, Script([calling("check", source=BASE)] * 50), silent_turns=2)
    assert ran.state.end_reason == "gave up: 8 turns without a call that was new and could be made"
    assert (ran.bench.checked, ran.calls) == (1, ["check"])
    assert ran.rules.count("circling") == 3


def test_turns_without_a_call_get_rising_nudges_and_five_in_a_row_end_the_run(tmp_path: Path) -> None:
    script = Script([Reply("Let me think about tiles.")] * 9)
    ran = play(tmp_path, script)
    assert ran.state.end_reason == "gave up: 5 turns without a tool call"
    assert ran.rules == ["no tool call"] * 4
    nudges = [one["text"] for one in ran.of("nudge")]
    assert len(set(map(str, nudges))) == 4
    assert "the run ends" in words_of(script.said[4])
    assert len(script.said) == 5


def test_a_call_in_between_starts_the_count_of_silent_turns_anew(tmp_path: Path) -> None:
    silence = [Reply("Hm.")] * 2
    ran = play(tmp_path, Script([*silence, calling("brief"), *silence, SUBMIT, *silence, Reply("Hm.")]), silent_turns=3)
    assert ran.state.end_reason == "gave up: 3 turns without a tool call"
    assert ran.rules.count("no tool call") == 2 + 2 + 2


def test_stagnation_demands_a_redesign_and_lists_what_each_architecture_taught(tmp_path: Path) -> None:
    first = calling("evaluate", source=kernel(2.0, "wide"), note="wide tiles, one pass")
    failed = calling("evaluate", source=kernel(1.0, "split", "over_limit"), note="split over columns")
    tuned = [calling("evaluate", source=kernel(1.9 - n / 100, "narrow"), note=f"tile {n}") for n in range(7)]
    script = Script([first, failed, *tuned, SUBMIT])
    ran = play(tmp_path, script)
    assert ran.rules == ["stagnation"]
    words = words_of(script.said[-1])
    assert "8 evaluations in a row" in words and "evaluation 1, 2x" in words
    assert "best 2x at 1; 'wide tiles, one pass'" in words
    assert "7 evaluations 3 to 9; best 1.9x at 3; 'tile 0'" in words
    assert "over_limit as scripted" in words


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"source": "x = 1"', "must be one JSON object"),
        ("source=x", "must be one JSON object"),
        ("[1, 2]", "must be a JSON object"),
        ('"text"', "must be a JSON object"),
        ('{"source": "\\ud800"}', "a surrogate pair is halved"),
    ],
)
def test_malformed_arguments_are_told_what_to_change(tmp_path: Path, arguments: str, told: str) -> None:
    script = Script([Reply("", (Call("check", arguments, "a"),)), calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    assert ran.calls == ["evaluate", "submit"]
    assert told in answers_in(script.said[1])[0]
    assert ran.rules == ["call that cannot be made"]
    sent_back = next(m for m in script.said[1].messages if m.calls)
    assert isinstance(json.loads(sent_back.calls[0].arguments), dict), "what is sent back is JSON whatever came"


@pytest.mark.parametrize(
    "arguments",
    [
        json.dumps(json.dumps({"source": BASE})),
        str({"source": BASE}),
        json.dumps({"source": BASE}).replace("\\n", "\n"),
    ],
    ids=["an object in a string", "a Python literal", "line breaks in a string"],
)
def test_arguments_that_can_only_mean_one_thing_are_taken(tmp_path: Path, arguments: str) -> None:
    ran = play(tmp_path, Script([Reply("", (Call("evaluate", arguments, "a"),)), SUBMIT]))
    assert (ran.calls, ran.state.counted) == (["evaluate", "submit"], 1)


def test_invented_tools_and_wrong_arguments_are_refused_with_the_nearest_name(tmp_path: Path) -> None:
    calls = [
        Reply("", (Call("run_benchmark!", "{}", "a"),)),
        Reply("", (Call("evalute", json.dumps({"source": BASE}), "b"),)),
        calling("evaluate", sauce=BASE),
        calling("history", evaluation="3"),
        calling("evaluate", source=7),
    ]
    script = Script([*calls, calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    told = answers_in(script.said[5])
    assert "tool 'run_benchmark!' is not known" in told[0]
    assert "Did you mean 'evaluate'?" in told[1]
    assert "argument of evaluate 'sauce' is not known" in told[2] and "source" in told[2]
    assert "argument evaluation of history" in told[3]
    assert "argument source of evaluate" in told[4]
    assert ran.state.end_reason == "submitted by the engineer"


def test_several_calls_in_one_reply_are_made_in_order_and_too_many_are_not(tmp_path: Path) -> None:
    calls = tuple(Call("evaluate", json.dumps({"source": kernel(1.1 + n / 10)}), f"c{n}") for n in range(10))
    script = Script([Reply("", calls), SUBMIT])
    ran = play(tmp_path, script)
    assert ran.calls == ["evaluate"] * 8 + ["submit"]
    told = answers_in(script.said[1])
    assert len(told) == 10 and "make this one again" in told[9]


def test_calls_with_equal_ids_get_ids_of_their_own(tmp_path: Path) -> None:
    calls = (Call("history", "{}", "same"), Call("notes", "{}", "same"))
    script = Script([Reply("", calls), SUBMIT])
    ran = play(tmp_path, script)
    assert ran.calls == ["history", "notes", "submit"]
    ids = [m.call_id for m in script.said[1].messages if m.role == "tool"]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply("", reasoning="tiles, tiles, tiles"), "held reasoning but neither"),
        (Reply(""), "Your reply was empty"),
        (Reply("I'm sorry, but I can't help with that."), "You declined"),
        (Reply("", finish="content_filter"), "You declined"),
        (Reply("Here is the plan: first", finish="length"), "cut off at its limit"),
        (Reply(f"```python\ndef {ENTRY}(x):\n    return x\n```"), "Call check with that file"),
    ],
    ids=["reasoning only", "empty", "refusal", "filtered", "cut off", "code in text"],
)
def test_replies_without_a_call_are_told_why(tmp_path: Path, reply: Reply, cause: str) -> None:
    script = Script([reply, calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    assert cause in words_of(script.said[1])
    assert ran.state.end_reason == "submitted by the engineer"


def test_a_call_that_was_cut_off_by_length_is_told_so(tmp_path: Path) -> None:
    cut = Reply("", (Call("evaluate", json.dumps({"source": BASE})[:40], "a"),), finish="length")
    script = Script([cut, calling("evaluate", source=BASE), SUBMIT])
    ran = play(tmp_path, script)
    assert "cut off at its limit" in words_of(script.said[1])
    assert ran.state.counted == 1


@pytest.mark.parametrize(
    "text",
    [
        "I call it now.\n<tool_call>\n"
        + json.dumps({"name": "evaluate", "arguments": {"source": BASE}})
        + "\n</tool_call>",
        "```json\n" + json.dumps({"name": "evaluate", "parameters": {"source": BASE}}) + "\n```",
        json.dumps({"function": {"name": "evaluate", "arguments": json.dumps({"source": BASE})}}),
        f"```tool_code\nevaluate(source={BASE!r}, note='as code')\n```",
    ],
    ids=["tags", "a fence", "bare", "python"],
)
def test_a_call_that_is_written_as_text_is_made(tmp_path: Path, text: str) -> None:
    script = Script([Reply(text), SUBMIT])
    ran = play(tmp_path, script)
    assert (ran.calls, ran.state.counted) == (["evaluate", "submit"], 1)
    assert ran.rules == ["call written as text"]
    assert "geomean_speedup" in words_of(script.said[1])


@pytest.mark.parametrize(
    "text",
    [
        "You could call evaluate(source=...) next.",
        '```json\n{"name": "shell", "arguments": {"command": "ls"}}\n```',
        "```python\nimport os\nsubmit()\n```",
    ],
)
def test_text_that_only_speaks_of_calls_is_no_call(tmp_path: Path, text: str) -> None:
    ran = play(tmp_path, Script([Reply(text), SUBMIT, Reply("x")]), silent_turns=2)
    assert ran.rules[0] == "no tool call"
    assert ran.calls == ["submit"]


def test_megabytes_neither_fill_the_window_nor_break_the_run(tmp_path: Path) -> None:
    huge = "tile " * 400_000
    replies = [
        Reply(huge),
        Reply("", (Call("evaluate", json.dumps({"source": huge}), "a"),)),
        Reply("", (Call("check", json.dumps({"source": "x = 1", "junk": huge}), "b"),)),
        Reply(huge, (Call("evaluate", json.dumps({"source": BASE}), "c"),)),
    ]
    script = Script([*replies, SUBMIT])
    ran = play(tmp_path, script, window=16_000)
    assert ran.state.end_reason == "submitted by the engineer"
    assert ran.state.counted == 1
    assert all(asked.tokens < 16_000 for asked in script.said)
    assert len(ran.everything_written()) < 4_000_000


def test_an_answer_that_is_longer_than_a_page_is_cut_and_can_be_read_on(tmp_path: Path) -> None:
    text = "".join(f"line {number} of a long file\n" for number in range(2_000))
    write, read = calling("write_file", path="long.txt", text=text), calling("read_file", path="long.txt")
    seen: list[dict[str, object]] = []

    def player(asked: Conversation) -> Reply:
        told = [json.loads(answer) for answer in answers_in(asked)]
        if len(told) < 2:
            return [write, read][len(told)]
        if not seen or seen[-1] != told[-1]:
            seen.append(told[-1])
        following = seen[-1].get("next_offset")
        return Reply("all read") if following is None else calling("poll", job=seen[-1]["job"], offset=following)

    ran: Ran = play(tmp_path, player, window=60_000, silent_turns=1)
    whole = json.loads("".join(str(page["text"]) for page in seen))
    assert whole["text"] == text[:30_000]
    assert len(seen) > 2 and ran.calls == ["write_file", "read_file"]
