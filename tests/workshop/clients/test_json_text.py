"""One member of a JSON text is set; whatever else stands in the text stays, to the character."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.workshop.clients.json_text import member_of, set_member

ENTRY = {"command": "/bin/kw", "args": ["mcp", "--run"], "env": {"A": "b"}}
PATH = ("mcp", "servers", "kw")

_NAMES = st.text(max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(_NAMES | st.sampled_from(PATH), _VALUES, max_size=4)
_STYLES = st.sampled_from(
    [{"indent": None}, {"indent": 2}, {"indent": "\t"}, {"indent": 4}, {"separators": (",", ":")}, {"indent": 0}]
)


@given(_DOCUMENTS, _STYLES, st.lists(_NAMES | st.sampled_from(PATH), min_size=1, max_size=4))
def test_the_text_says_afterwards_what_the_object_would(document: dict[str, Any], style: Any, path: list[str]) -> None:
    text = json.dumps(document, ensure_ascii=False, **style)
    place: Any = document
    for name in path[:-1]:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        with pytest.raises(ValueError, match="no object"):
            set_member(text, path, ENTRY)
        return
    place[path[-1]] = ENTRY
    after = set_member(text, path, ENTRY)
    assert json.loads(after) == document
    found = member_of(after, path)
    assert found is not None and json.loads(found) == ENTRY
    assert set_member(after, path, ENTRY) == after


@given(_DOCUMENTS, _STYLES)
def test_nothing_is_lost_from_the_text_around_a_new_member(document: dict[str, Any], style: Any) -> None:
    document.pop("new", None)
    text = json.dumps(document, **style)
    after = set_member(text, ("new",), 1)
    rest = iter(re.sub(r"\s", "", after))
    assert all(sign in rest for sign in re.sub(r"\s", "", text)), "the old text is a part of the new one, in order"


COMMENTED = """\
// my settings
{
  "$schema": "x", /* one
  two */
  mcp: {
    'servers': {
      "other": {"url": 'http://a//b', on: true,}, // stays
      // the last word
    },
  },
  "last": [1, 2,],
}
// end
"""


def test_comments_and_loose_spelling_stay() -> None:
    after = set_member(COMMENTED, PATH, {"a": 1})
    assert after == COMMENTED.replace(
        "      // the last word\n", '      // the last word\n      "kw": {\n        "a": 1\n      },\n'
    )
    assert set_member(after, PATH, {"a": 2}) == after.replace('"a": 1', '"a": 2')
    assert member_of(COMMENTED, ("last",)) == "[1, 2,]"
    assert member_of(COMMENTED, ("mcp", "servers", "none")) is None


@pytest.mark.parametrize("text", ["", "  \n", "// nothing yet\n"])
def test_an_empty_text_becomes_an_object(text: str) -> None:
    after = set_member(text, PATH, ENTRY)
    assert after.startswith(text) and json.loads(after.removeprefix(text)) == {"mcp": {"servers": {"kw": ENTRY}}}


def test_of_equal_names_the_last_one_counts() -> None:
    after = set_member('{"a": {"x": 1}, "a": {"y": 2}}', ("a", "kw"), 3)
    assert after == '{"a": {"x": 1}, "a": {"y": 2, "kw": 3}}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1', "line 1: a comma or }"),
        ('{\n"a" 1}', "line 2: a colon must come, got 1}"),
        ("{} {}", "the end of the file"),
        ("[1, 2]", "the whole is no object"),
        ('{"mcp": 3}', "mcp is no object"),
        ("{,}", "a name or }"),
        ('{"a": "x}', "a value"),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        set_member(text, PATH, ENTRY)


def test_ends_of_lines_of_another_system_are_read() -> None:
    assert json.loads(set_member('{\r\n  "a": 1\r\n}\r\n', ("b",), 2)) == {"a": 1, "b": 2}
