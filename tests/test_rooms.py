"""The room table and the words of the project hold in every file, also where imports hide in functions."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "kernelwright"

# docs/rooms.md says the same in words; a change to it is a design note.
MAY_IMPORT = {
    "core": set[str](),
    "problems": {"core"},
    "engineers": {"core", "workshop"},
    "workshop": {"core"},
    "sandbox": {"core"},
    "compiler": {"core"},
    "chips": {"core", "compiler"},
    "judge": {"core", "problems", "sandbox", "chips"},
    "ledger": {"core"},
    "runs": {"core"},
    "report": {"core", "ledger"},
}
ROOMS = {*MAY_IMPORT, "cli"}
MAY_IMPORT["cli"] = ROOMS
KNOW_TORCH = {"problems", "sandbox", "compiler", "chips", "judge"}
REFUSED_FILES = {"utils", "helpers", "common", "manager", "base"}
REFUSED_FUNCTIONS = re.compile(r"^_*(do|handle|process|get)_")
# Triton prescribes the names of its drivers' methods.
PRESCRIBED_FOLDER = Path("compiler/plugin")
PRESCRIBED = {"get_device_properties"}

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(file: Path) -> str:
    first = file.relative_to(SOURCE).parts[0]
    return "" if first.endswith(".py") else first


def imports_of(file: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Return every imported module's name, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            if node.module == "kernelwright":
                yield from ((f"kernelwright.{alias.name}", node) for alias in node.names)
            else:
                yield "." * node.level + (node.module or ""), node


def named(file: Path) -> str:
    return str(file.relative_to(SOURCE))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_file_imports_only_what_its_room_may(file: Path) -> None:
    room = room_of(file)
    for name, _ in imports_of(file):
        assert not name.startswith("."), f"{named(file)}: imports are absolute, found {name}"
        parts = name.split(".")
        if parts[0] == "kernelwright" and len(parts) > 1 and parts[1] in ROOMS - {room}:
            assert room, f"{named(file)} belongs to no room and imports {name}"
            assert parts[1] in MAY_IMPORT[room], f"{room} must not import {parts[1]} ({named(file)})"
        if parts[0] in ("torch", "triton"):
            assert room in KNOW_TORCH, f"{room} must not import {parts[0]} ({named(file)})"


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "core"], ids=named)
def test_core_needs_nothing_but_the_standard_library(file: Path) -> None:
    for name, _ in imports_of(file):
        assert name.split(".")[0] in {*sys.stdlib_module_names, "kernelwright"}


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "sandbox"], ids=named)
def test_in_the_sandbox_only_the_child_knows_torch(file: Path) -> None:
    if "child" not in file.parts:
        assert not [name for name, _ in imports_of(file) if name.split(".")[0] in ("torch", "triton")]


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_pickle_crosses_a_process_border(file: Path) -> None:
    refused = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
    assert not [name for name, _ in imports_of(file) if name.split(".")[0] in refused]


@pytest.mark.parametrize("file", FILES, ids=named)
def test_names_say_what_things_are(file: Path) -> None:
    assert file.stem not in REFUSED_FILES
    assert not REFUSED_FILES & set(file.relative_to(SOURCE).parts)
    if file.relative_to(SOURCE).is_relative_to(PRESCRIBED_FOLDER):
        return
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name not in PRESCRIBED:
            assert not REFUSED_FUNCTIONS.match(node.name), f"{named(file)}: {node.name}"


def test_every_folder_is_a_room_of_the_table() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == ROOMS


def test_the_table_is_the_one_that_people_read() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", (SOURCE.parent.parent / "docs" / "rooms.md").read_text(), re.M)
    told = {room: set(re.findall(r"`(\w+)`", may)) for room, may in rows}
    assert told == {**MAY_IMPORT, "cli": {"all"}}
