"""What the record of a run says, in words that fit a window: the part of a compaction that no model has to remember."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kernelwright.core.recall import Recall
from kernelwright.engineers.model.conversation import cut_to
from kernelwright.workshop.mcp.answers import token_estimate

Row = Mapping[str, object]
_NOTE_CHARACTERS, _REASON_CHARACTERS = 160, 140
_NEWEST_ROWS = 12
# Notes that begin so are kept in sight before others.
DECIDED = "DECIDED:"


@dataclass(frozen=True)
class Tried:
    """One architecture: the numbers of its evaluations, its best one, what failed, what its engineer said of it."""

    numbers: tuple[int, ...]
    best: Row | None
    failures: tuple[str, ...]
    note: str


def architectures_of(rows: Sequence[Row]) -> tuple[Tried, ...]:
    """Return what was tried, by architecture, in order of the first try; what never ran comes as one at the end."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get("repeats") is None:
            groups.setdefault(str(row.get("architecture") or ""), []).append(row)
    unknown = groups.pop("", [])
    return tuple(_tried(group) for group in [*groups.values(), *([unknown] if unknown else [])])


def _tried(group: Sequence[Row]) -> Tried:
    accepted = [row for row in group if _speedup(row) is not None]
    best = max(accepted, key=lambda row: _speedup(row) or 0.0, default=None)
    failures = tuple(
        dict.fromkeys(f"{row.get('status')}: {row.get('reason')}" for row in group if row.get("status") != "accepted")
    )
    told = next((str(row["note"]) for row in ([best] if best else group) if row and row.get("note")), "")
    return Tried(tuple(_number(row) for row in group), best, failures, told)


def format_tried(tried: Iterable[Tried]) -> str:
    """Return a line for each architecture: evaluations, best speedup, what it taught, how it failed."""
    return "\n".join(f"- {_format_one(one)}" for one in tried) or "- nothing yet"


def _format_one(one: Tried) -> str:
    first, last = one.numbers[0], one.numbers[-1]
    which = f"evaluation {first}" if first == last else f"{len(one.numbers)} evaluations {first} to {last}"
    parts = [which]
    parts.append(f"best {_speedup(one.best):.4g}x at {_number(one.best)}" if one.best else "none accepted")
    if one.note:
        parts.append(f"'{_short(one.note, _NOTE_CHARACTERS)}'")
    if one.failures:
        parts.append(f"failed with {_short(one.failures[-1], _REASON_CHARACTERS)}")
    return "; ".join(parts)


def run_facts(recall: Recall, remaining: Mapping[str, float], tokens: int) -> str:
    """Return where the run stands, within `tokens`: budgets, best, architectures, newest evaluations, notebook, memo.

    What does not fit is left out from the least needed on, and the text says how to read it.
    """
    rows = recall.evaluations
    counted = sum(row.get("repeats") is None for row in rows)
    best = next((row for row in reversed(rows) if row.get("is_best")), None)
    head = [f"Left: {_format_left(remaining)}. Evaluated: {counted}."]
    if best is None:
        head.append("No candidate was accepted as better than the reference yet.")
    else:
        head.append(
            f"Best: evaluation {_number(best)}, {_speedup(best):.4g}x. Its source: history evaluation={_number(best)}."
        )
    memo = f"What you wrote down for yourself:\n{recall.summary}" if recall.summary else ""
    # Shares of what is left after the head, of what matters most first.
    room = max(0, tokens - token_estimate("\n".join(head)) - 40)
    parts = [
        cut_to(memo, room * 3 // 10) if memo else "",
        "Notebook:\n" + _notes(recall.notes, room * 3 // 10) if recall.notes else "",
        "Architectures tried:\n" + _lines_that_fit(format_tried(architectures_of(rows)), room // 4) if rows else "",
        "Newest evaluations:\n" + _lines_that_fit(_newest(rows), room * 3 // 20) if rows else "",
    ]
    return cut_to("\n".join([*head, *(part for part in parts if part)]), tokens, "; call history and notes")


def _newest(rows: Sequence[Row]) -> str:
    return "\n".join(_format_row(row) for row in rows[-_NEWEST_ROWS:])


def _format_row(row: Row) -> str:
    speedup = _speedup(row)
    found = f"{speedup:.4g}x" if speedup is not None else _short(str(row.get("reason", "")), _REASON_CHARACTERS)
    marks = " best" if row.get("is_best") else f" same kernel as {row['repeats']}" if row.get("repeats") else ""
    return f"- {_number(row)} {row.get('status')} {found}{marks}: {_short(str(row.get('note', '')), _NOTE_CHARACTERS)}"


def _notes(notes: Sequence[str], tokens: int) -> str:
    """Return decisions, the newest first, in at most half the room, then the newest other notes, long ones cut.

    Oldest first in each part; a line says how many are left out and how to read them.
    """
    decided = [note for note in notes if note.startswith(DECIDED)]
    others = [note for note in notes if not note.startswith(DECIDED)]
    first = _chosen(decided[::-1], tokens // 2)[::-1]
    room = tokens - sum(token_estimate(note) + 2 for note in first) - 20
    newest = _chosen([cut_to(note, max(40, room // 4)) for note in others[::-1]], room)[::-1]
    left_out = len(notes) - len(first) - len(newest)
    gap = [f"[{left_out} more notes: call notes, and on with its next_offset]"] if left_out else []
    return "\n".join([*(f"- {note}" for note in first), *gap, *(f"- {note}" for note in newest)])


def _chosen(notes: Sequence[str], tokens: int) -> list[str]:
    chosen: list[str] = []
    for note in notes:
        tokens -= token_estimate(note) + 2
        if tokens < 0:
            break
        chosen.append(note)
    return chosen


def _lines_that_fit(text: str, tokens: int) -> str:
    """Return the last lines that fit and how many were left out: newest last."""
    lines = text.split("\n")
    kept = _chosen(lines[::-1], tokens)[::-1]
    left_out = len(lines) - len(kept)
    return "\n".join([*([f"[{left_out} earlier: call history]"] if left_out else []), *kept])


def _format_left(remaining: Mapping[str, float]) -> str:
    units = {"evaluations": "{:.0f} evaluations", "seconds": "{:.0f} s", "tokens": "{:.0f} tokens", "usd": "${:.2f}"}
    limited = [units[name].format(left) for name, left in remaining.items() if left != float("inf") and name in units]
    return ", ".join(limited) or "no limit"


def format_brief(brief: Mapping[str, object], tokens: int) -> str:
    """Return what the tool `brief` answers as text for people and models, within `tokens`: the reference cut first."""
    about = {name: brief.get(name) for name in ("problem", "entry")}
    chip, workloads = (
        json.dumps(brief.get("chip"), ensure_ascii=False),
        json.dumps(brief.get("workloads"), ensure_ascii=False),
    )
    how_on = "; call brief for all"
    text = cut_to(str(brief.get("text", "")), tokens * 2 // 5, how_on)
    head = f"problem {about['problem']}, entry function {about['entry']}\n{text}"
    rest = f"workloads: {cut_to(workloads, tokens // 6, how_on)}\nchip: {cut_to(chip, tokens // 8, how_on)}"
    room = tokens - token_estimate(head) - token_estimate(rest) - 20
    return f"{head}\n{rest}\nreference:\n{cut_to(str(brief.get('reference', '')), max(0, room), how_on)}"


def _speedup(row: Row | None) -> float | None:
    value = row.get("geomean_speedup") if row and row.get("status") == "accepted" else None
    return float(value) if isinstance(value, int | float) else None


def _number(row: Row | None) -> int:
    value = row.get("evaluation", 0) if row else 0
    return value if isinstance(value, int) else 0


def _short(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[:most]}..."
