"""Files never leave their folder."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.core.errors import RequestError
from kernelwright.workshop.files import FILE_LIMIT_BYTES, Workspace


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\\..\\x", "a\0b"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError):
        Workspace(tmp_path / "files").write(name, "x")
    with pytest.raises(RequestError):
        Workspace(tmp_path / "files").read(name)


def test_a_link_inside_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "secret")
    files = Workspace(tmp_path / "files")
    assert files.names() == ()
    with pytest.raises(RequestError, match="leads out"):
        files.read("link")


def test_files_above_the_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=str(FILE_LIMIT_BYTES)):
        Workspace(tmp_path).write("big", "x" * (FILE_LIMIT_BYTES + 1))


@given(st.text(max_size=60))
def test_whatever_the_name_nothing_is_written_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    outer = tmp_path_factory.mktemp("outer")
    with contextlib.suppress(RequestError, OSError, UnicodeEncodeError):
        Workspace(outer / "files").write(name, "text")
    assert [path.name for path in outer.iterdir()] in ([], ["files"])
