"""What others did to a run while one conversation went on: a new best, new notes."""

from kernelwright.engineers.model import texts
from kernelwright.engineers.model.desk import Desk
from kernelwright.engineers.model.facts import Row
from kernelwright.engineers.model.fence import Fence

_MOST_NOTES, _NOTE_CHARACTERS = 3, 300


class News:
    """Keeps `rows`, the evaluations of the run, and tells of what was not this conversation's."""

    def __init__(self, desk: Desk, fence: Fence) -> None:
        self._desk, self._fence = desk, fence
        recall = desk.recall()
        self.rows: list[Row] = list(recall.evaluations)
        self._notes = len(recall.notes)
        self._untold: list[Row] = []
        self._own_notes: list[str] = []

    def evaluated(self, number: object) -> None:
        """Say that this conversation got that evaluation; `rows` hold it from now on."""
        found = self._desk.recall(len(self.rows)).evaluations
        self.rows.extend(found)
        self._untold += [row for row in found if row.get("evaluation") != number]

    def noted(self, text: str) -> None:
        """Say that this conversation wrote a note."""
        self._own_notes.append(text)

    def read(self) -> tuple[str, bool]:
        """Return what others did since the last time, in words worth telling, and whether they did anything."""
        self.evaluated(None)
        untold, self._untold = self._untold, []
        notes = self._desk.recall(len(self.rows)).notes
        fresh, self._notes = [note for note in notes[self._notes :] if note not in self._own_notes], len(notes)
        best = [row for row in untold if row.get("is_best")]
        told = [f"evaluation {row['evaluation']} is the new best, {row['geomean_speedup']:.4g}x" for row in best[-1:]]
        told += [f"note: {note[:_NOTE_CHARACTERS]}" for note in fresh[-_MOST_NOTES:]]
        words = texts.NEWS.format(text=self._fence.around("\n".join(told), "news")) if told else ""
        return words, bool(untold or fresh)
