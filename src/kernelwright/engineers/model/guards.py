"""Finds loops, silence and standstill in what a model does, and answers known calls from memory."""

import ast
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from kernelwright.core.entry import canonical_json

Arguments = Mapping[str, object]

# Whose answers depend on nothing but their arguments, and whose on what was done since.
ALWAYS_SAME = frozenset({"check", "evaluate", "probe", "docs"})
AS_LONG_AS_NOTHING_CHANGES = frozenset(
    {"brief", "list_files", "read_file", "history", "profile", "notes", "write_file"}
)
# A time is worth taking twice: what differs is noise.
MOST_PROBES = 2
_CANDIDATE_TOOLS = frozenset({"check", "evaluate"})
_RECENT_CANDIDATES = 8


@dataclass(frozen=True)
class Known:
    """A call that was made before: its answer, the turn, and what of the run had happened by then."""

    answer: Mapping[str, object]
    turn: int
    changes: int
    times: int = 1


class Memory:
    """Calls of one conversation with their answers, by what they ask, not by how they are written."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._changes = 0

    def find(self, tool: str, arguments: Arguments) -> Known | None:
        """Return what the same call was answered, if making it again could bring nothing else."""
        found = self._known.get(key_of(tool, arguments))
        if found is None or tool not in ALWAYS_SAME | AS_LONG_AS_NOTHING_CHANGES:
            return None
        if tool == "probe" and found.times < MOST_PROBES:
            return None
        return found if tool in ALWAYS_SAME or found.changes == self._changes else None

    def keep(self, tool: str, arguments: Arguments, answer: Mapping[str, object], turn: int) -> None:
        """Remember a call that was made and its answer, refusals too; not what failed through no fault of its own."""
        if answer.get("status") == "harness_error":
            return
        if "refused" not in answer and _changes_something(tool, arguments):
            self._changes += 1
        key = key_of(tool, arguments)
        before = self._known.get(key)
        self._known[key] = Known(answer, turn, self._changes, before.times + 1 if before else 1)

    def forget_reading(self) -> None:
        """Forget calls that only read: after a cut of the conversation, reading again is no loop."""
        self._known = {key: known for key, known in self._known.items() if key.split(" ")[0] in _CANDIDATE_TOOLS}

    def others_changed(self) -> None:
        """Say that someone else changed the run."""
        self._changes += 1


def key_of(tool: str, arguments: Arguments) -> str:
    """Return what a call asks: sources count by what they do, notes of evaluations not at all."""
    given = {name: value for name, value in arguments.items() if value not in (None, "") and value != 0}
    if isinstance(given.get("source"), str):
        given["source"] = kernel_key(cast(str, given["source"]))
    if tool == "evaluate":
        given.pop("note", None)
    return f"{tool} {canonical_json(given)}"


def kernel_key(source: str) -> str:
    """Return a hash of a source without comments, docstrings and layout; of the text where it does not parse."""
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        text = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _changes_something(tool: str, arguments: Arguments) -> bool:
    return tool in ("evaluate", "write_file", "submit") or (tool == "notes" and bool(arguments.get("text")))


class Oscillation:
    """Sees A-B-A-B: two kernels in turn, nothing else between them."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=_RECENT_CANDIDATES)
        self._same: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def saw(
        self, tool: str, arguments: Arguments, answer: Mapping[str, object]
    ) -> tuple[int | None, int | None] | None:
        """Return the evaluations of two kernels, None if not evaluated, when a call closes A-B-A-B; else None."""
        source = arguments.get("source")
        if tool not in _CANDIDATE_TOOLS or not isinstance(source, str):
            return None
        key = self._identity(kernel_key(source), answer)
        if self._recent and self._recent[-1] == key:
            return None
        self._recent.append(key)
        last = list(self._recent)[-4:]
        if len(last) < 4 or not (last[0] == last[2] and last[1] == last[3]):
            return None
        self._recent.clear()
        return self._numbers.get(last[0]), self._numbers.get(last[1])

    def _identity(self, key: str, answer: Mapping[str, object]) -> str:
        number, repeats = answer.get("evaluation"), answer.get("repeats")
        if isinstance(repeats, int):
            # Another text, the same kernel: it goes under the name of the first.
            first = next((known for known, at in self._numbers.items() if at == repeats), None)
            if first is not None:
                self._same[key] = first
        key = self._same.get(key, key)
        if isinstance(number, int) and key not in self._numbers:
            self._numbers[key] = number
        return key


@dataclass(frozen=True)
class Patience:
    """How many turns in a row brought nothing: `silent` had no call, `circling` none that was new and could be made."""

    silent: int = 0
    circling: int = 0

    def after(self, called: bool, brought_news: bool) -> "Patience":
        """Return the counts after one more turn."""
        silent = 0 if called else self.silent + 1
        circling = 0 if brought_news or not called else self.circling + 1
        return replace(self, silent=silent, circling=circling)


# Evaluations without a new best after which a redesign is asked for, and again after as many more.
STAGNANT_EVALUATIONS = 8


class Stagnation:
    """Counts evaluations since the last that became the best."""

    def __init__(self) -> None:
        self._since = self._told = 0

    @property
    def since(self) -> int:
        """Return how many there were."""
        return self._since

    def saw(self, evaluation: Mapping[str, object]) -> bool:
        """Return whether, after this evaluation, a redesign is to be asked for."""
        if evaluation.get("is_best"):
            self._since = self._told = 0
            return False
        if evaluation.get("repeats") is None:
            self._since += 1
        if self._since - self._told < STAGNANT_EVALUATIONS:
            return False
        self._told = self._since
        return True
