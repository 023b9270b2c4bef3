"""A player that works as a competent engineer does, on a problem small enough for a test: `PROBLEM` on `CHIP`.

It reads what is asked and the rules, finds by `check` that its first idea is wrong, notes why, evaluates one kernel and
then a faster one, looks at what came of it, and submits. It makes the same calls through every client, whatever the
client puts before the names of tools, and asks for a job's verdict when an evaluation takes long.
"""

import json
import re
from pathlib import Path

from tests.endpoint.conversation import Call, Conversation, Message, Reply

PROBLEM, CHIP, SUITE = "rms-norm-residual", "m890", "smoke"
_FOLDER = Path(__file__).parent / "candidates"


def source(name: str) -> str:
    """Return the text of a candidate file: `wrong`, `first` or `second`."""
    return (_FOLDER / f"{name}.py").read_text()


STEPS: tuple[tuple[str, dict[str, object]], ...] = (
    ("brief", {}),
    ("docs", {"page": "rules"}),
    ("check", {"source": source("wrong")}),
    ("notes", {"text": "The norm must be taken of the sum itself: total * scale, not total * total * scale."}),
    ("check", {"source": source("first")}),
    ("evaluate", {"source": source("first"), "note": "sixteen warps, the sum stored last"}),
    ("evaluate", {"source": source("second"), "note": "the sum stored at once, no masks on even widths"}),
    ("notes", {"text": "Storing the sum at once is faster than storing it last: more copies in flight."}),
    ("history", {}),
    ("profile", {}),
    ("submit", {}),
)
THOUGHTS = (
    "I begin with what is asked.",
    "Now the rules for candidates.",
    "A first idea, checked before it costs an evaluation.",
    "The check names the slip; I keep it in the notebook.",
    "Put right, checked again.",
    "It passes. Judge it.",
    "The store at the end waits for the norm. Store the sum at once.",
    "Faster. Keep why.",
    "What was tried so far?",
    "Where does the time go?",
    "Nothing that I know of is left to gain on these sizes.",
)
_ID = re.compile(r"kw(\d+)(?:p(\d+))?$")


def competent(asked: Conversation) -> Reply:
    """Return the next step: the one after the last that a tool's answer in the conversation belongs to.

    Nothing is remembered between requests, so a request that is sent again gets the same reply. Requests
    without the tools (titles, summaries) get a word.
    """
    if not any(_is_called(tool.name, "evaluate") for tool in asked.tools):
        return Reply("Making one kernel faster.")
    step, polls, answer = _last_answered(asked.messages)
    job = _job(answer)
    if job is not None:
        return Reply("It takes a while.", (_call(asked, "poll", {"job": job}, f"kw{step}p{polls + 1}"),))
    if step + 1 == len(STEPS):
        return Reply("The best kernel is submitted; I am done.")
    name, arguments = STEPS[step + 1]
    return Reply(THOUGHTS[step + 1], (_call(asked, name, arguments, f"kw{step + 1}"),))


def _is_called(offered: str, name: str) -> bool:
    """Return whether a client's name of a tool, such as mcp__kernelwright__brief, is that of ours."""
    return re.fullmatch(rf"(?:.*[^a-z])?{name}", offered) is not None


def _call(asked: Conversation, name: str, arguments: dict[str, object], call_id: str) -> Call:
    # The shortest fits best: a client's own tool could end in the same word.
    offered = min((tool.name for tool in asked.tools if _is_called(tool.name, name)), key=len, default=name)
    ours = [t.name for t in asked.tools if _is_called(t.name, name) and "kernelwright" in t.name]
    return Call(ours[0] if ours else offered, json.dumps(arguments), call_id)


def _last_answered(messages: tuple[Message, ...]) -> tuple[int, int, str]:
    """Return the number of the last step that was answered, -1 for none, how often it was polled, and the answer."""
    last = (-1, 0, "")
    for message in messages:
        found = _ID.search(message.call_id) if message.role == "tool" else None
        if found:
            last = max(last, (int(found[1]), int(found[2] or 0), message.text), key=lambda one: one[:2])
    return last


def _job(answer: str) -> str | None:
    found = re.search(r'"job":\s*"([^"]+)"', answer[:400])
    return found[1] if found and "running" in answer[:400] else None
