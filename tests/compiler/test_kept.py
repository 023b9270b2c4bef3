"""Entries on disk are whole, and no more of them than the limit allows."""

import hashlib
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

from kernelwright.compiler.kept import read_entry, trim, write_entry


def entry(folder: Path, number: int, size_bytes: int = 100) -> Path:
    """Return an entry that was last used at second `number`."""
    path = folder / f"{number % 3:02}" / f"{number}.o"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size_bytes))
    os.utime(path, (number, number))
    return path


def test_within_the_limit_nothing_is_removed(tmp_path: Path) -> None:
    paths = [entry(tmp_path, number) for number in range(10)]
    trim(tmp_path, 1000)
    assert all(path.exists() for path in paths)


def test_what_was_longest_without_use_goes_first(tmp_path: Path) -> None:
    paths = [entry(tmp_path, number) for number in range(12)]
    os.utime(paths[0], (100, 0))  # written first, read last
    trim(tmp_path, 1000)
    assert [path.exists() for path in paths] == [True, *[False] * 5, *[True] * 6]


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    peaks = tmp_path / "peaks.json"
    peaks.write_bytes(bytes(500))
    path = entry(tmp_path, 1)
    trim(tmp_path, 50)
    assert peaks.exists()
    assert not path.exists()


def test_few_writes_look_at_the_size(tmp_path: Path) -> None:
    old = entry(tmp_path, 1)
    texts = (str(number).encode() for number in count())
    passing, looking = (
        next(text for text in texts if (hashlib.sha256(text).digest()[0] == 0) == looks) for looks in (False, True)
    )
    write_entry(tmp_path / "aa" / "new.o", passing, limit_bytes=60)
    assert old.exists()
    write_entry(tmp_path / "aa" / "new.o", looking, limit_bytes=60)
    assert not old.exists()
    assert read_entry(tmp_path / "aa" / "new.o") == looking


def test_processes_that_write_and_trim_at_once_leave_whole_entries(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kernelwright.compiler.kept import read_entry, trim, write_entry\n"
        "folder = Path(sys.argv[1])\n"
        "for number in range(300):\n"
        "    path = folder / f'{number % 7:02}' / f'{number % 50}.o'\n"
        "    write_entry(path, b'x' * (number % 50))\n"
        "    assert read_entry(path) in (None, b'x' * (number % 50))\n"
        "    trim(folder, 1000)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in left) <= 1000
    assert all(read_entry(path) is not None for path in left)


def test_a_folder_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    trim(tmp_path / "nowhere", 1)
