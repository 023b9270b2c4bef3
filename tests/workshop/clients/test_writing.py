"""Files are replaced whole or not at all, and what was there is kept beside them."""

import os
import time
from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError
from kernelwright.workshop.clients.catalogue import CLIENTS
from kernelwright.workshop.clients.client import Surroundings
from kernelwright.workshop.clients.connection import Local
from kernelwright.workshop.clients.writing import Planned, existing_text, plan_file, write_planned

NOON = time.strptime("2026-11-27 12:00:00", "%Y-%m-%d %H:%M:%S")


def plan(folder: Path, *arguments: str) -> Planned:
    where = Surroundings(folder, folder / "home", {}, existing_text)
    return plan_file(CLIENTS["claude-code"], Local("/kw", arguments), where)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_has_no_copy_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    assert write_planned(plan(tmp_path)) is None
    stamp = (tmp_path / ".mcp.json").stat().st_mtime_ns
    assert write_planned(plan(tmp_path)) is None
    assert (names(tmp_path), (tmp_path / ".mcp.json").stat().st_mtime_ns) == ([".mcp.json"], stamp)


def test_what_was_there_is_kept_with_its_mode_and_ends_of_lines(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_bytes(b'{\r\n  "a": 1\r\n}\r\n')
    file.chmod(0o600)
    copies = [write_planned(plan(tmp_path, text), lambda: NOON) for text in ("one", "two")]
    assert [copy and copy.name for copy in copies] == [
        ".mcp.json.before-20261127-120000",
        ".mcp.json.before-20261127-120000-2",
    ]
    assert copies[0] is not None and copies[0].read_bytes() == b'{\r\n  "a": 1\r\n}\r\n'
    assert file.read_bytes().startswith(b'{\r\n  "a": 1,')
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "mcp.json"
    real.write_text("{}")
    (tmp_path / ".mcp.json").symlink_to(real)
    write_planned(plan(tmp_path))
    assert (tmp_path / ".mcp.json").is_symlink() and "kernelwright" in real.read_text()


def test_a_file_that_cannot_be_read_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    for broken in (b'{"mcpServers": ', b"\xff\xfe{}", b'{"mcpServers": []}'):
        file.write_bytes(broken)
        with pytest.raises(RequestError, match="Nothing was changed"):
            plan(tmp_path)
        assert (file.read_bytes(), names(tmp_path)) == (broken, [".mcp.json"])


def test_a_file_that_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    (tmp_path / ".mcp.json").write_text('{"theirs": 1}')
    with pytest.raises(RequestError, match="it has changed"):
        write_planned(planned)
    assert (tmp_path / ".mcp.json").read_text() == '{"theirs": 1}'


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RequestError, match="must be writable"):
            write_planned(plan(tmp_path))
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_is_a_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").mkdir()
    with pytest.raises(RequestError, match="must be a text file that can be read"):
        plan(tmp_path)
