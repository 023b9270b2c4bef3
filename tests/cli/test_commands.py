"""What every command promises: where output goes, exit codes, no tracebacks, nearest names."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from tests.cli.commands import command, environment, run
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, script
from tests.runs.test_loop import start


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose ledger holds the closed run `r` and the open run `o`."""
    folder = tmp_path_factory.mktemp("home")
    ledger = SqlLedger(f"sqlite:///{folder / 'ledger.db'}")
    start(ledger, ScriptedBench(ScriptedEngineer(script(12))))
    for row in ledger.rows("r")[:12]:
        ledger.append("o", row.kind, json.loads(row.payload))
    ledger.close()
    return folder


def test_help_is_the_golden_one_and_quick(home: Path, golden: Callable[[str, str], None]) -> None:
    started = time.monotonic()
    ran = run(home, "--help")
    # A loose bound for busy machines: importing torch alone takes longer.
    assert time.monotonic() - started < 1.5
    assert ran.code == 0
    golden("help.txt", ran.out)


def test_help_and_readers_import_neither_torch_nor_triton(home: Path) -> None:
    code = (
        "import sys; from kernelwright.cli.entrance import exit_code_of;"
        "exit_code_of(['--help']); exit_code_of(['status', 'r']); exit_code_of(['report', 'r']);"
        "exit_code_of(['compare', 'r', 'o']);"
        "sys.exit(bool({'torch', 'triton', 'optuna'} & set(sys.modules)))"
    )
    interpreter = str(Path(command()[0]).parent / "python")
    done = subprocess.run([interpreter, "-c", code], capture_output=True, env=environment(home), check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("jduge",), "Did you mean 'judge'?"),
        (("judge", "extend-atention", "--chip", "cpu", "--candidate", __file__), "Did you mean 'extend-attention'?"),
        (("judge", "extend-attention", "--chip", "cpuu", "--candidate", __file__), "Did you mean 'cpu'?"),
        (("run", "extend-attention", "--chip", "cpu", "--engineer", "serch"), "Did you mean 'search'?"),
        (
            ("run", "extend-attention", "--chip", "cpu", "--engineer", "search", "--suite", "smoek"),
            "Did you mean 'smoke'?",
        ),
        (("status", "rr"), "Did you mean 'r'?"),
        (("compare", "r", "oo"), "Did you mean 'o'?"),
        (("bench", "dots"), "Did you mean 'dot'?"),
    ],
)
def test_an_unknown_name_is_exit_2_with_the_nearest(home: Path, arguments: tuple[str, ...], near: str) -> None:
    ran = run(home, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert near in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("judge", "extend-attention", "--chip", "cpu"),
        ("judge", "extend-attention", "--chip", "cpu", "--candidate", "missing.py"),
        ("run", "extend-attention", "--chip", "cpu", "--engineer", "search", "--evals", "0"),
        ("run", "extend-attention", "--chip", "cpu", "--engineer", "search", "--hours", "-1"),
        ("run", "extend-attention", "--chip", "cpu", "--engineer", "search", "--ledger", "nonsense"),
        ("steer", "r", "too late"),
        ("steer", "o", " "),
        ("show", "r:999"),
        ("show", "r:x"),
        ("show", "r:1", "--source"),
        ("export", "r", "/proc/nowhere/file"),
        ("report", "r", "--html", "/proc/nowhere/file"),
        ("compare", "r"),
        ("compare", "r", "r"),
        ("compare", "r", "o", "--html", "/proc/nowhere/file"),
        ("status", "r", "--colour"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(home: Path, arguments: tuple[str, ...]) -> None:
    ran = run(home, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "Traceback" not in ran.err


def test_with_json_an_error_is_one_object_too(home: Path) -> None:
    ran = run(home, "status", "rr", "--json")
    assert ran.code == 2
    assert "is not known" in str(ran.json["error"])


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("engineers", "--json"), {"engineers"}),
        (("chips", "--json"), {"chips"}),
        (("problems", "--json"), {"problems"}),
        (("history", "r", "--json"), {"run", "entries"}),
    ],
)
def test_json_is_exactly_one_object(home: Path, arguments: tuple[str, ...], keys: set[str]) -> None:
    ran = run(home, *arguments)
    assert ran.code == 0
    assert set(ran.json) == keys


def test_status_tells_counts_from_the_record(home: Path) -> None:
    value = run(home, "status", "r", "--json").json
    assert (value["phase"], value["evaluations"], value["redesigns"]) == ("closed", 12, 2)
    assert value["is_live"] is False
    assert run(home, "status", "o", "--json").json["phase"] == "working"


def test_history_and_the_source_of_an_evaluation_can_be_read(home: Path) -> None:
    entries = run(home, "history", "r", "--json").json["entries"]
    assert isinstance(entries, list)
    assert run(home, "show", entries[0]["entry"], "--source").out == script(1)[0]
    assert json.loads(run(home, "show", "r").out)["kind"] == "closed"


def test_runs_are_compared_as_a_table_as_json_and_as_a_page(home: Path) -> None:
    table = run(home, "compare", "r", "o")
    assert table.code == 0
    assert table.out.splitlines()[0] == "scripted on paper, suite smoke"
    assert table.out.splitlines()[-1] == "next: kernelwright report r"
    value = run(home, "compare", "r", "o", "--json").json
    assert set(value) == {"problem", "chip", "suite", "emulated", "runs", "notes"}
    runs = value["runs"]
    assert isinstance(runs, list)
    assert [(one["run"], one["phase"], one["usage"]) for one in runs] == [("r", "closed", None), ("o", "working", None)]
    assert runs[0]["evaluations_to"] == {"2x": None, "4x": None, "8x": None}
    page = home / "compare.html"
    assert run(home, "compare", "r", "o", "--html", str(page)).code == 0
    assert "<svg" in page.read_text()


def test_steering_an_open_run_is_kept_for_it(home: Path) -> None:
    assert run(home, "steer", "o", "try split-KV").code == 0
    ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}")
    assert [(r.command, r.text) for r in ledger.requests("o")] == [("steer", "try split-KV")]
    ledger.close()


def test_watching_a_closed_run_prints_its_entries_and_ends(home: Path) -> None:
    lines = run(home, "watch", "r").out.splitlines()
    assert "opened" in lines[0]
    assert "closed" in lines[-2]
    assert lines[-1] == "next: kernelwright report r"


def test_a_report_is_text_or_one_file(home: Path, tmp_path: Path) -> None:
    assert "final kernel accepted" in run(home, "report", "r").out
    assert run(home, "report", "r", "--html", str(tmp_path / "r.html")).code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_a_pipe_that_closes_early_is_silent(home: Path) -> None:
    shell = f"{command()[0]} history r --all --json | head -c 10"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment(home), check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("what", ["entry", "blob"])
def test_verify_refuses_a_record_with_one_changed_byte(home: Path, tmp_path: Path, what: str) -> None:
    database = tmp_path / "ledger.db"
    database.write_bytes((home / "ledger.db").read_bytes())
    for blob in (home / "blobs").rglob("*"):
        if blob.is_file():
            (tmp_path / blob.relative_to(home)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / blob.relative_to(home)).write_bytes(blob.read_bytes())
    changed = database if what == "entry" else next(p for p in (tmp_path / "blobs").rglob("*") if p.is_file())
    content = bytearray(changed.read_bytes())
    at = content.index(b"geomean_speedup") if what == "entry" else 5
    content[at] ^= 1
    changed.write_bytes(content)
    ran = run(tmp_path, "verify", "r", "--json")
    assert ran.code == 1
    assert set(ran.json) == {"confirmed", "claimed", "measured", "chain_ok", "differences", "unsafe"}
    assert (ran.json["confirmed"], ran.json["chain_ok"]) == (False, False)
    assert ran.json["differences"]


def test_verify_refuses_a_bundle_with_one_changed_byte(home: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "r.tar.gz"
    assert run(home, "export", "r", str(bundle)).code == 0
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 0xFF
    bundle.write_bytes(content)
    ran = run(home, "verify", str(bundle), "--json")
    assert (ran.code, ran.json["chain_ok"]) == (1, False)


def test_an_interrupt_ends_with_a_word_and_code_130(home: Path) -> None:
    verifying = subprocess.Popen(
        command("verify", "r", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(home), start_new_session=True,
    )  # fmt: skip
    assert verifying.stderr is not None
    assert "checking the record" in verifying.stderr.readline()
    os.killpg(verifying.pid, signal.SIGTERM)
    out, err = verifying.communicate(timeout=60)
    assert verifying.returncode == 130
    assert json.loads(out)["error"] == "interrupted"
    assert err.splitlines()[-1] == "kernelwright: interrupted"
