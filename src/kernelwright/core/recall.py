"""What the record holds for an engineer that does not remember."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recall:
    """The memory of a run as its engineer may see it.

    `brief` is what the tool of that name answers, `evaluations` what `evaluate` answered, oldest first, `best_source`
    the text of the best candidate so far, empty if there is none. `notes` is the whole notebook. `summary` is what the
    engineer wrote down itself when its conversation was cut last.
    """

    brief: Mapping[str, object]
    evaluations: tuple[Mapping[str, object], ...] = ()
    best_source: str = ""
    notes: tuple[str, ...] = ()
    summary: str = ""
