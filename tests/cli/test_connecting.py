"""Pointing clients at the tools, as people do it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kernelwright.workshop.clients.catalogue import CLIENTS
from kernelwright.workshop.clients.skill import skill_text
from tests.cli.commands import Ran, command, environment, run

pytest.importorskip("tomlkit")
pytest.importorskip("ruamel.yaml")

DOCUMENT = Path(__file__).parents[2] / "docs" / "agents.md"
URL = "http://127.0.0.1:8765/mcp"


def config(folder: Path, *arguments: str) -> Ran:
    """Run `mcp-config` as a user whose home and project lie in `folder`."""
    (folder / "project").mkdir(exist_ok=True)
    around = {**environment(folder / "state"), "HOME": str(folder / "home")}
    done = subprocess.run(
        command("mcp-config", *arguments), cwd=folder / "project", env=around, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_what_is_printed_starts_this_installation_on_what_was_asked(tmp_path: Path) -> None:
    asked = ("--problem", "rms-norm-residual", "--chip", "m890", "--suite", "smoke", "--evals", "5", "--hours", "1.5")
    ran = config(tmp_path, "--client", "claude-code", *asked)
    assert (ran.code, list((tmp_path / "project").iterdir())) == (0, [])
    server = json.loads(ran.out)["mcpServers"]["kernelwright"]
    assert server["command"] == command()[0] and os.access(server["command"], os.X_OK)
    assert server["args"] == ["mcp", *asked]
    assert server["env"] == {"KERNELWRIGHT_HOME": str(tmp_path / "state")}
    assert str(tmp_path / "project" / ".mcp.json") in ran.err


def test_without_a_problem_it_is_the_first_one_on_this_machine(tmp_path: Path) -> None:
    ran = config(tmp_path, "--client", "codex", "--json")
    assert (ran.json["client"], ran.json["written"]) == ("codex", False)
    assert '"--problem", "extend-attention", "--chip", "cpu", "--suite", "cpu"' in str(ran.json["text"])


def test_paths_mean_the_same_from_every_folder(tmp_path: Path) -> None:
    problem = tmp_path / "project" / "mine"
    problem.parent.mkdir()
    shutil.copytree(Path(__file__).parents[2] / "src/kernelwright/problems/rms_norm_residual", problem)
    drawn = run(tmp_path / "state", "chips", "draw", "--family", "m890", "--seed", "3")
    (tmp_path / "project" / "chip.toml").write_text(drawn.out)
    ran = config(tmp_path, "--client", "hermes", "--problem", "./mine", "--chip", "chip.toml", "--suite", "smoke")
    assert ran.code == 0, ran.err
    assert f"- {problem}\n" in ran.out and f"- {tmp_path / 'project' / 'chip.toml'}\n" in ran.out


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_written_stands_beside_what_was_there(tmp_path: Path, name: str) -> None:
    first = config(tmp_path, "--client", name, "--http", URL, "--write", "--json")
    assert first.code == 0, first.err
    file, skill = Path(str(first.json["file"])), Path(str(first.json["skill"]))
    assert (file.read_text(), skill.read_text()) == (first.json["text"], skill_text())
    assert (first.json["written"], first.json["copies"]) == (True, [])
    comment = "# mine\n" if file.suffix in (".toml", ".yaml") else "// mine\n"
    file.write_text(comment + file.read_text().replace("8765", "1"))
    skill.write_text("changed by hand")
    second = config(tmp_path, "--client", name, "--http", URL, "--write")
    assert second.code == 0, second.err
    assert file.read_text() == comment + str(first.json["text"])
    assert skill.read_text() == skill_text()
    kept = [line.removeprefix("kept ") for line in second.out.splitlines() if line.startswith("kept ")]
    assert [Path(copy).parent for copy in kept] == [file.parent, skill.parent]
    assert ":1/mcp" in Path(kept[0]).read_text() and Path(kept[1]).read_text() == "changed by hand"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--client", "claude"), "Did you mean 'claude-code'?"),
        (("--client", "codex", "--problem", "extend-atention"), "Did you mean 'extend-attention'?"),
        (("--client", "codex", "--chip", "m980"), "Did you mean 'm890'?"),
        (("--client", "codex", "--run", "r", "--chip", "cpu"), "--chip does not go with --run"),
        (("--client", "codex", "--http", URL, "--suite", "cpu"), "--suite does not go with --http"),
        (("--client", "codex", "--http", URL, "--run", "r"), "one way to the tools"),
        (("--client", "codex", "--http", "localhost:80"), "--http must be an address"),
        (("--client", "codex", "--run", "nosuch"), "run 'nosuch' is not known"),
        (("--client", "codex", "--evals", "0"), "--evals must be at least 1"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = config(tmp_path, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err and len(ran.err.splitlines()) == 1


def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    file = tmp_path / "project" / ".mcp.json"
    file.write_text('{"mcpServers": [}')
    ran = config(tmp_path, "--client", "qoder", "--http", URL, "--write")
    assert ran.code == 2 and "must be JSON that can be read: line 1" in ran.err
    assert file.read_text() == '{"mcpServers": [}' and list(file.parent.iterdir()) == [file]


def test_the_skill_is_printed_as_it_is(tmp_path: Path) -> None:
    assert run(tmp_path, "skill").out == skill_text()


def test_an_agent_that_is_not_installed_is_told_before_a_run_is_opened(tmp_path: Path) -> None:
    done = subprocess.run(
        command("run", "rms-norm-residual", "--chip", "m890", "--engineer", "agent:qwen-code"), text=True, timeout=300,
        env={**environment(tmp_path), "PATH": str(tmp_path)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Install it: npm install -g @qwen-code/qwen-code" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_document_has_a_row_for_every_client() -> None:
    text = DOCUMENT.read_text()
    for name, client in CLIENTS.items():
        assert f"| {client.title} | `{name}` |" in text
        assert f"| {client.title} | `agent:{name}` |" in text
        assert client.install.split()[-1].strip("'") in text
