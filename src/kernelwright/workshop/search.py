"""Finding documents by words: Okapi BM25 over names, signatures and texts.

Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", FnTIR 3(4), 2009.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kernelwright.core.document import Document

# A word of a name counts as so many of the text, one of a signature as so many.
NAME_WEIGHT, SIGNATURE_WEIGHT = 8, 2
SATURATION, LENGTH_SHARE = 1.2, 0.75
EXCERPT_CHARACTERS = 400
_LETTERS = re.compile(r"[a-z]{3,}")
_WORD = re.compile(r"[a-z0-9]+", re.IGNORECASE)


@dataclass(frozen=True)
class Index:
    """Documents with, for each, how much every word counts and how long it is."""

    documents: tuple[Document, ...]
    counts: tuple[Mapping[str, int], ...]
    lengths: tuple[int, ...]
    rarity: Mapping[str, float]


@lru_cache(maxsize=4)
def index_of(documents: tuple[Document, ...]) -> Index:
    """Return the index over `documents`; made once for equal ones."""
    counts = tuple(_counts(document) for document in documents)
    held = Counter(word for found in counts for word in found)
    total = len(documents)
    rarity = {word: math.log1p((total - n + 0.5) / (n + 0.5)) for word, n in held.items()}
    return Index(documents, counts, tuple(sum(found.values()) for found in counts), rarity)


def search(index: Index, query: str, most: int) -> tuple[Document, ...]:
    """Return at most `most` documents in which words of `query` stand, the best first; equal ones in their order.

    What is called just as the query says, with or without its module, stands before all others.
    """
    words, name = words_of(query), query.strip()
    ranked = sorted(
        (not _is_called(document, name), -_score(index, place, words), place)
        for place, document in enumerate(index.documents)
    )
    return tuple(index.documents[place] for _, score, place in ranked[:most] if score < 0.0)


def _is_called(document: Document, name: str) -> bool:
    return bool(document.signature) and name in (document.name, document.name.rpartition(".")[2])


def words_of(text: str) -> list[str]:
    """Return the words of a text: runs of letters and digits, in small letters, without a plural's s."""
    return [_singular(word.lower()) for word in _WORD.findall(text)]


def excerpt(text: str, query: str) -> str:
    """Return the part of a text, whole lines of about `EXCERPT_CHARACTERS`, that begins where most words are met."""
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    lines, words = text.splitlines(), set(words_of(query))
    met = [len(words & set(words_of(line))) for line in lines]
    first = met.index(max(met)) if max(met) else 0
    chosen = lines[first][:EXCERPT_CHARACTERS]
    for line in lines[first + 1 :]:
        if len(chosen) + len(line) > EXCERPT_CHARACTERS:
            break
        chosen += "\n" + line
    return ("... " if first else "") + chosen.strip() + " ..."


def _score(index: Index, place: int, words: Sequence[str]) -> float:
    counts, length = index.counts[place], index.lengths[place]
    mean = sum(index.lengths) / len(index.lengths)
    # What is shorter than the mean gains nothing by it: names that nobody documented would come first.
    norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * max(1.0, length / mean))
    return sum(
        index.rarity[word] * counts[word] * (SATURATION + 1) / (counts[word] + norm)
        for word in dict.fromkeys(words)
        if counts.get(word)
    )


def _counts(document: Document) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    parts = ((document.name, NAME_WEIGHT), (document.signature, SIGNATURE_WEIGHT), (document.text, 1))
    for text, weight in parts:
        for word in words_of(text):
            counts[word] += weight
            # swizzle2d is found by swizzle too, and counts less for it.
            letters = _LETTERS.match(word)
            if letters and letters[0] != word:
                counts[_singular(letters[0])] += max(1, weight // 2)
    return counts


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
