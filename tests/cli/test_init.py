"""`kernelwright init` as people use it, and what the commands say about folders."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from tests.cli.commands import Ran, command, environment
from tests.problems.kernel_files import PRODUCT, PRODUCT_ORACLE, definition, solution, workloads

OPTIONS = (
    "--kernel", "kernel.py", "--oracle", "oracle.py", "--tensor", "a: bf16[M, K]", "--tensor", "b: bf16[K, N]",
    "--output", "c: bf16[M, N]", "--size", "M=20 K=16 N=33",
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with what people start from."""
    folder = tmp_path / "work"
    folder.mkdir()
    files = {
        "kernel.py": PRODUCT, "oracle.py": PRODUCT_ORACLE, "definition.json": definition(),
        "workloads.jsonl": workloads(3, 9), "solution.json": solution(),
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def run_in(place: Path, *arguments: str) -> Ran:
    done = subprocess.run(
        command(*arguments), cwd=place, capture_output=True, text=True, env=environment(place.parent / "home"),
        timeout=300, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_a_kernel_file_and_an_oracle_become_a_problem_and_the_next_command_is_said(place: Path) -> None:
    ran = run_in(place, "init", "product", *OPTIONS)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "made product: product(a, b, c), 1 public and 1 hidden workloads that differ in M",
        "next: kernelwright judge ./product --chip cpu --candidate ./product/reference.py",
    ]
    names = {str(path.relative_to(place / "product")) for path in (place / "product").rglob("*") if path.is_file()}
    assert names == {
        "problem.toml", "README.md", "reference.py", "inputs.py", "oracle.py", "plain_oracle.py", "suites/smoke.toml",
        "suites/cpu.toml",
    }  # fmt: skip


def test_a_definition_with_workloads_and_a_solution_becomes_a_problem(place: Path) -> None:
    flash = ("--flashinfer", "definition.json", "--workloads", "workloads.jsonl", "--kernel", "solution.json")
    ran = run_in(place, "init", "norm", *flash, "--json")
    assert ran.code == 0
    assert ran.json["arguments"] == ["x", "scale", "eps", "out", "inv_rms"]
    assert ran.json["workloads"] == ["1-rows3", "2-rows9"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("product", *OPTIONS[2:]), "a kernel file must be named: add --kernel FILE"),
        (("product", *OPTIONS[:2], *OPTIONS[4:]), "an oracle must be named: add --oracle FILE"),
        (("product", *OPTIONS[:-2]), 'size K must have a value in every workload: --size'),
        (("product", *OPTIONS, "--tensor", "b: bf16[K, N]"), "must be described once"),
        (("product", *OPTIONS, "--gate", "c=x"), "a gate must be written like c=1e-3"),
        (("product", *OPTIONS, "--gate", "c=2"), "a gate must lie between 0 and 1"),
        (("product", *OPTIONS, "--workloads", "workloads.jsonl"), "--workloads must come with --flashinfer"),
        (("product", *OPTIONS, "--flashinfer", "definition.json"), "--flashinfer gives oracle and outputs itself"),
        (("product", "--flashinfer", "definition.json"), "a kernel file must be named"),
        (("../product", *OPTIONS), "a problem's name must be letters"),
        (("work", *OPTIONS), "folder work must not exist yet"),
        (("product", "--kernel", "missing.py"), "missing.py: No such file"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_one_line_and_nothing_is_written(arguments: tuple[str, ...], says: str, place: Path) -> None:
    (place / "work").mkdir()
    before = sorted(place.parent.rglob("*"))
    ran = run_in(place, "init", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1
    assert [path for path in sorted(place.parent.rglob("*")) if "home" not in path.parts] == before


def test_a_kernel_file_that_the_judge_would_refuse_is_refused_at_once(place: Path) -> None:
    (place / "kernel.py").write_text("import numpy\n" + PRODUCT)
    ran = run_in(place, "init", "product", *OPTIONS)
    assert (ran.code, (place / "product").exists()) == (2, False)
    assert "must be one that the judge accepts as a candidate, line 1:" in ran.err


def test_ctrl_c_while_the_oracle_runs_leaves_nothing(place: Path) -> None:
    oracle = "import os\nimport signal\n\n\ndef f(a, b):\n    os.kill(os.getpid(), signal.SIGINT)\n    return a @ b\n"
    (place / "oracle.py").write_text(oracle)
    ran = run_in(place, "init", "product", *OPTIONS)
    assert (ran.code, ran.err.splitlines()[-1]) == (130, "kernelwright: interrupted")
    assert not (place / "product").exists()


def test_the_built_in_search_refuses_a_folder_before_a_run_is_opened(place: Path) -> None:
    assert run_in(place, "init", "product", *OPTIONS).code == 0
    ran = run_in(place, "run", "./product", "--chip", "cpu", "--engineer", "search", "--suite", "smoke")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "engineer 'search' must get a problem that it knows, only extend-attention" in ran.err
    assert not (place.parent / "home" / "ledger.db").exists()


def test_after_a_verdict_on_a_folder_nothing_is_proposed_that_cannot_work(place: Path) -> None:
    assert run_in(place, "init", "product", *OPTIONS).code == 0
    (place / "mine.py").write_text("def product(:\n")
    options = ("--chip", "cpu", "--candidate", "mine.py")
    ran = run_in(place, "judge", "./product", *options)
    assert ran.code == 1 and "compile_error" in ran.out
    assert ran.out.splitlines()[-1] == f"next: change mine.py, then kernelwright judge ./product {' '.join(options)}"


ENGINEER = """\
from pathlib import Path

from kernelwright.engineers.scripted import ScriptedEngineer, ToolCall

SOURCE = Path(__file__).with_name("candidate.py").read_text()


class Patient(ScriptedEngineer):
    def __init__(self):
        wrong = SOURCE.replace("tl.store(", "tl.store(1 + ")
        sources = (("check", wrong), ("check", SOURCE), ("evaluate", SOURCE))
        calls = [ToolCall("brief"), *(ToolCall(tool, {"source": source}) for tool, source in sources)]
        super().__init__([*calls, ToolCall("history")], "patient")
"""


def install_engineer(folder: Path, candidate: str) -> dict[str, str]:
    """Return an environment in which the engineer `patient` is installed, who tries one candidate."""
    about = folder / "patient-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: patient\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[kernelwright.engineers]\npatient = patient_engineer:Patient\n")
    (folder / "patient_engineer.py").write_text(ENGINEER)
    (folder / "candidate.py").write_text(candidate)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.mark.slow
def test_any_engineer_works_on_a_folder_and_a_changed_one_is_not_confirmed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_in(place, "init", "product", *OPTIONS).code == 0
    source = (place / "product" / "reference.py").read_text().replace("K, 32, 32, 32)", "K, 16, 32, 32)")
    for name, value in install_engineer(place.parent / "site", source).items():
        monkeypatch.setenv(name, value)
    options = ("--chip", "cpu", "--engineer", "patient", "--suite", "smoke", "--evals", "2", "--json")
    ran = run_in(place, "run", "./product", *options)
    assert (ran.json["engineer"], ran.json["evaluations"]) == ("patient", 1), ran.err
    name = str(ran.json["run"])
    entries = [json.loads(run_in(place, "show", f"{name}:{number}").out) for number in (1, 4, 5, 6)]
    setup = entries[0]["payload"]["setup"]
    assert setup["problem"] == str(place / "product") and len(setup["problem_sha256"]) == 64
    calls = {entry["payload"].get("name"): entry["payload"].get("result", {}) for entry in entries[1:]}
    assert calls["brief"]["entry"] == "product"
    ledger = SqlLedger(f"sqlite:///{place.parent / 'home' / 'ledger.db'}")
    assert "bf16 [M, K]" in ledger.blob(calls["brief"]["text"]["blob"]).decode()
    ledger.close()
    assert {workload["hidden"] for workload in calls["brief"]["workloads"]} == {False}
    (place / "product" / "README.md").write_text("other rules")
    verified = run_in(place, "verify", name, "--json")
    assert (verified.code, verified.json["confirmed"], verified.json["chain_ok"]) == (1, False, True)
    assert "the folder's files are not those of the run" in str(verified.json["differences"])
