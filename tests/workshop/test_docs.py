"""The tool `docs`: pages, functions of the language, and a search over both."""

from collections.abc import Sequence

import pytest

from kernelwright.compiler.language_documents import language_documents
from kernelwright.core.document import Document
from kernelwright.core.errors import UnknownNameError
from kernelwright.workshop.docs import MOST_FOUND, docs_found, docs_list, docs_text, page_documents
from kernelwright.workshop.pages import PAGES
from kernelwright.workshop.search import EXCERPT_CHARACTERS, excerpt, index_of, search, words_of


def found(query: str) -> list[dict[str, str]]:
    rows = docs_found(PAGES, language_documents, query)["found"]
    assert isinstance(rows, list)
    return rows


def never() -> Sequence[Document]:
    raise AssertionError("the language is read when it is asked for, not before")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("tl.dot", "tl.dot"),
        ("exp2", "tl.exp2"),
        ("matrix product of two blocks tf32", "tl.dot"),
        ("eviction policy of a load", "tl.load"),
        ("fast tanh", "libdevice.tanh"),
        ("atomic add", "tl.atomic_add"),
        ("convert to another dtype cast", "tl.cast"),
        ("autotune configs", "triton.autotune"),
        ("hints on contiguous values", "tl.max_contiguous"),
        ("swizzle programs", "tl.swizzle2d"),
        ("exp", "tl.exp"),
        ("make integer tables on the host", "rules"),
        ("hidden workloads verdicts", "rules"),
        ("counters slowest workload", "tools"),
        ("probe_write functions without arguments", "probe"),
    ],
)
def test_the_first_thing_found_is_what_was_meant(query: str, name: str) -> None:
    assert found(query)[0]["name"] == name


def test_an_answer_has_name_signature_part_of_the_text_and_page() -> None:
    rows = found("load mask other")
    assert 1 < len(rows) <= MOST_FOUND
    for row in rows:
        assert set(row) == {"name", "signature", "text", "page"}
        assert len(row["text"]) <= EXCERPT_CHARACTERS + 8
        assert docs_text(PAGES, language_documents, row["page"])
    assert rows[0]["signature"].startswith("(pointer, mask=None")


@pytest.mark.parametrize("query", ["qwertz", "?!", " "])
def test_words_that_stand_nowhere_find_nothing(query: str) -> None:
    assert found(query) == []


def test_pages_are_answered_without_reading_the_language() -> None:
    assert docs_text(PAGES, never, "rules") == PAGES["rules"]
    assert docs_list(PAGES)["pages"] == ["probe", "rules", "tools"]


def test_a_function_has_a_page_and_an_unknown_name_the_nearest() -> None:
    assert docs_text(PAGES, language_documents, "tl.cdiv").startswith("tl.cdiv(x, div)\n\nComputes the ceiling")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'tl\.arange'") as refused:
        docs_text(PAGES, language_documents, "tl.arrange")
    assert len(str(refused.value)) < 200


def test_paragraphs_of_pages_are_searched_apart() -> None:
    paragraphs = page_documents({"a": "first one\n\nsecond one\n", "b": "third"})
    assert [(one.page, one.text) for one in paragraphs] == [("a", "first one"), ("a", "second one"), ("b", "third")]
    assert [one.text for one in search(index_of(paragraphs), "second", 5)] == ["second one"]


def test_more_words_met_and_rarer_ones_rank_higher() -> None:
    texts = ("load a tile", "load a tile with a mask", "store a tile", "load")
    index = index_of(tuple(Document(f"n{i}", "", text, "p") for i, text in enumerate(texts)))
    assert search(index, "masked load mask", 9)[0].name == "n1"
    assert search(index, "store", 9)[0].name == "n2"
    assert [one.name for one in search(index, "load", 2)] == ["n0", "n3"]


def test_an_excerpt_is_whole_lines_that_begin_where_the_words_are() -> None:
    text = "\n".join(f"line {n} is about nothing much at all, as most lines" for n in range(40))
    text += "\nthe eviction policy\n" + "and more of it\n" * 5
    part = excerpt(text, "eviction policy")
    assert part.startswith("... the eviction policy\nand more of it")
    assert excerpt("short", "anything") == "short"
    assert len(excerpt("x" * 5000, "y")) <= EXCERPT_CHARACTERS + 8


def test_words_are_small_singular_and_split_at_underscores() -> None:
    assert words_of("tl.make_block_ptr(Blocks, TF32) masses") == [
        "tl",
        "make",
        "block",
        "ptr",
        "block",
        "tf32",
        "masse",
    ]
