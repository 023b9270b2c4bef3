"""Entries in TOML and YAML files: what is there stays, comments too."""

import io
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.workshop.clients.documents import Setting, Syntax, text_with

tomlkit = pytest.importorskip("tomlkit")
ruamel = pytest.importorskip("ruamel.yaml")

ENTRY = {"command": "/bin/kw", "args": ["mcp"], "env": {"A": "b"}, "timeout": 300}
KEYS = ("mcp_servers", "kernelwright")


def put(syntax: Syntax, text: str, entry: dict[str, Any] | None = None) -> str:
    return text_with(Setting(syntax, KEYS, ENTRY if entry is None else entry), text)


def read(syntax: Syntax, text: str) -> Any:
    return tomllib.loads(text) if syntax == "toml" else ruamel.YAML(typ="safe", pure=True).load(text)


def yaml_of(document: dict[str, Any]) -> str:
    written = io.StringIO()
    writer = ruamel.YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump(document, written)
    return written.getvalue()


TOML = """\
# mine
model = "x" # the good one

[mcp_servers.other]
command = "a"

[tui]
theme = 'dark'
"""
YAML = """\
# mine
model:
    default: "x"  # the good one
tools:
    - a
    - b: 1

mcp_servers:
    # first
    other:
        command: 'a'
        args: [1, 2]
last: {a: b}
"""


@pytest.mark.parametrize(("syntax", "text"), [("toml", TOML), ("yaml", YAML)])
def test_every_line_stays_and_the_entry_comes_and_changes(syntax: Syntax, text: str) -> None:
    after = put(syntax, text)
    assert [line for line in text.splitlines() if line not in after.splitlines()] == []
    wanted = read(syntax, text)
    wanted["mcp_servers"]["kernelwright"] = ENTRY
    assert read(syntax, after) == wanted
    assert put(syntax, after) == after
    again = put(syntax, after, {**ENTRY, "timeout": 5, "args": ["mcp", "--run", "r"]})
    wanted["mcp_servers"]["kernelwright"] = {**ENTRY, "timeout": 5, "args": ["mcp", "--run", "r"]}
    assert read(syntax, again) == wanted
    assert [line for line in text.splitlines() if line not in again.splitlines()] == []


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("toml", ""),
        ("toml", "# only a comment"),
        ("toml", "[mcp_servers]\n"),
        ("toml", 'mcp_servers = { other = { command = "a" } }\n'),
        ("toml", "[mcp_servers.a]\nx = 1\n\n[b]\ny = 1\n\n[mcp_servers.c]\nz = 1\n"),
        ("toml", '[mcp_servers.kernelwright]\n# kept\nold = 1\n[mcp_servers.kernelwright.env]\nZ = "1"\n[z]\na = 1\n'),
        ("toml", '[mcp_servers]\nkernelwright.command = "old"\n'),
        ("yaml", ""),
        ("yaml", "# only a comment\n"),
        ("yaml", "mcp_servers:\n"),
        ("yaml", "mcp_servers: {other: {command: a}}\n"),
        ("yaml", "a: 1\nmcp_servers:\n  kernelwright:\n    old: 1  # gone with it\n  other: {x: y}\n"),
    ],
)
def test_however_the_place_is_written_the_entry_fits(syntax: Syntax, text: str) -> None:
    after = put(syntax, text)
    wanted = read(syntax, text) or {}
    wanted["mcp_servers"] = {**(wanted.get("mcp_servers") or {}), "kernelwright": ENTRY}
    assert read(syntax, after) == wanted
    assert [line for line in text.splitlines() if line.startswith("#") and line not in after] == []


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("toml", "a = \n"),
        ("toml", "mcp_servers = 3\n"),
        ("toml", "a = 1\na = 2\n"),
        ("yaml", "a: [1\n"),
        ("yaml", "- a\n"),
        ("yaml", "mcp_servers: 3\n"),
        ("yaml", "a: 1\na: 2\n"),
        ("json", "{"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(syntax: Syntax, text: str) -> None:
    with pytest.raises(ValueError) as told:
        put(syntax, text)
    assert "\n" not in str(told.value)


_SIMPLE = st.integers() | st.booleans() | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
_NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)


@given(st.dictionaries(_NAMES, _SIMPLE | st.dictionaries(_NAMES, _SIMPLE, max_size=3), max_size=5))
def test_any_file_says_afterwards_what_it_said_and_the_entry(document: dict[str, Any]) -> None:
    texts: dict[Syntax, str] = {"toml": tomlkit.dumps(document), "yaml": yaml_of(document)}
    for syntax, text in texts.items():
        after = put(syntax, text if document else "")
        assert read(syntax, after) == {**document, "mcp_servers": {"kernelwright": ENTRY}}
