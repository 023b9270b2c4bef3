"""Mutants that are no bugs, each with its proof."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "equivalent.toml"
KINDS = {
    "plan": "the captured plans are those of the subject: the test compares their hashes",
    "performance": "tiles, splits, ranges or masks that change what is computed when, or twice masked, never the sum",
    "unused": "the changed value reaches no output: its lanes are masked or multiplied by an exact zero",
    "value": "the changed expression has the same value for all granted arguments",
    "rounding": "the result differs by less than the gates grant, whatever the inputs",
}


@dataclass(frozen=True)
class Equivalent:
    """A mutant's name, the kind of its proof and the proof in a sentence."""

    name: str
    kind: str
    proof: str


def load_equivalents() -> dict[str, Equivalent]:
    """Return the list by name; raises ValueError for a kind of proof that is not known."""
    found = {}
    for row in tomllib.loads(FILE.read_text()).get("equivalent", []):
        entry = Equivalent(**row)
        if entry.kind not in KINDS or not entry.proof.endswith("."):
            raise ValueError(f"{entry.name} must have a kind of {', '.join(KINDS)} and a sentence as proof")
        found[entry.name] = entry
    return found
