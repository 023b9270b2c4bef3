"""How cheats are written down: an edit of the reference, or a file."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernelwright.problems import load_problem

FOLDER = Path(__file__).parent
# A file with the first line goes behind the text of the reference, whose names it may use; one with the second
# behind the reference and a kernel in smaller parts.
AFTER_REFERENCE, AFTER_PARTS = "# Follows the reference.", "# Follows the reference and its parts."
Edits = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cheat:
    """One candidate that must be refused.

    `edits` turn the reference into it; without any it is the file `candidates/<name>.py`. `statuses` are those
    that the verdict may have, `words` must all be in its reason. `workloads` are those that it is judged on, by
    name, all of suite smoke when there are none: what fails on some fails on all of them, and sooner.
    """

    name: str
    statuses: str
    words: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    edits: Edits = ()

    @property
    def source(self) -> str:
        """Return the text of the candidate."""
        return edited(self.edits) if self.edits else source_of(FOLDER / "candidates" / f"{self.name}.py")


@cache
def reference() -> str:
    """Return the text of the reference."""
    return load_problem("extend-attention").baselines.reference()


def edited(edits: Edits) -> str:
    """Return the reference with each text replaced wherever it stands; every one must stand there."""
    text = reference()
    for old, new in edits:
        assert old in text, f"the reference has no {old!r}"
        text = text.replace(old, new)
    return text


def source_of(path: Path) -> str:
    """Return the text of a candidate file, behind the reference where it asks for that."""
    text = path.read_text()
    if AFTER_PARTS in text:
        text = f"{(FOLDER / 'honest' / 'parts.py').read_text()}\n\n{text}"
    return f"{reference()}\n\n{text}" if AFTER_REFERENCE in text else text
