"""The sample of planted bugs: all sites of all operators, and a fixed draw from each operator."""

import difflib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutation.operators import MERGE_OPERATORS, OPERATORS, Operator
from tests.mutation.source_tree import SourceTree

SEED = 20261122
PER_OPERATOR = 4
SUBJECT = Path(__file__).parent / "subject.py"


@dataclass(frozen=True)
class Mutant:
    """The subject with one planted bug; `name` is operator, function and the number of the site there."""

    name: str
    operator: str
    line: int
    source: str

    def diff(self) -> str:
        """Return the lines that changed, without context."""
        lines = difflib.unified_diff(subject().splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


@cache
def subject() -> str:
    """Return the source that bugs are planted in."""
    return SUBJECT.read_text()


@cache
def all_mutants() -> dict[str, tuple[Mutant, ...]]:
    """Return every mutant of the subject by operator; equal sources count once, for the first operator."""
    tree, known = SourceTree(subject()), {subject()}
    found = {}
    for name, operator in OPERATORS.items():
        found[name] = tuple(_fresh(_mutants(tree, name, operator), known))
    merging: list[Mutant] = []
    for name in MERGE_OPERATORS:
        merging += (m for m in found[name] if m.name.split("/")[1] == "merge_kernel")
    found["merge_mistake"] = tuple(merging)
    return found


@cache
def drawn_mutants() -> tuple[Mutant, ...]:
    """Return the sample: up to PER_OPERATOR mutants of each operator, always the same ones."""
    sample: dict[str, Mutant] = {}
    for operator, mutants in all_mutants().items():
        left = [mutant for mutant in mutants if mutant.name not in sample]
        for mutant in random.Random(f"{SEED}/{operator}").sample(left, min(PER_OPERATOR, len(left))):
            sample[mutant.name] = Mutant(mutant.name, operator, mutant.line, mutant.source)
    return tuple(sample.values())


def _mutants(tree: SourceTree, name: str, operator: Operator) -> Iterator[Mutant]:
    counts: dict[str, int] = {}
    for function, node in tree.nodes():
        start, end = tree.span(node)
        for text in operator(tree, function, node):
            number = counts[function] = counts.get(function, 0) + 1
            source = tree.source[:start] + text + tree.source[end:]
            yield Mutant(f"{name}/{function}/{number}", name, tree.line(node), source)


def _fresh(mutants: Iterator[Mutant], known: set[str]) -> Iterator[Mutant]:
    for mutant in mutants:
        if mutant.source not in known:
            known.add(mutant.source)
            yield mutant
