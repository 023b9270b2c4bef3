"""What a model writes for itself before its conversation is cut: its decisions go to the notebook, the rest is kept."""

import re
from collections.abc import Sequence

from kernelwright.engineers.model.facts import DECIDED

_DECIDED = re.compile(r"^[\s*#>-]*DECIDED:[\s*]*(.+)$", re.MULTILINE | re.IGNORECASE)
MOST_CHARACTERS = 8_000
_NOTE_CHARACTERS = 7_900


def decisions_of(memo: str, notes: Sequence[str]) -> tuple[str, ...]:
    """Return the decisions in a memo that no note of the notebook holds yet."""
    known = "\n".join(notes)
    found = (" ".join(match[1].split()) for match in _DECIDED.finditer(memo))
    return tuple(dict.fromkeys(text for text in found if text and text not in known))


def note_of(decisions: Sequence[str]) -> str:
    """Return the text of one note that holds decisions, at most what a note may hold."""
    return "\n".join(f"{DECIDED} {text}" for text in decisions)[:_NOTE_CHARACTERS]


def words_for(window: int) -> int:
    """Return how many words a memo may have in a window of that many tokens."""
    return max(80, min(window // 60, 600))
