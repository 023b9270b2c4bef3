"""How each client is started, and what is read of its output; samples are what the clients really wrote."""

import itertools
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kernelwright.engineers.agents.catalogue import KINDS
from kernelwright.engineers.agents.json_lines import MessageStream, ThreadEvents
from kernelwright.engineers.agents.kind import Launch, Reader, Said, Task, Used
from kernelwright.engineers.agents.prompts import prompt
from kernelwright.workshop.clients.catalogue import CLIENTS
from kernelwright.workshop.clients.connection import Remote
from kernelwright.workshop.clients.skill import skill_text

ruamel = pytest.importorskip("ruamel.yaml")

URL = "http://127.0.0.1:7/mcp?client=x"
TOKEN = "tok-of-this-run-alone"
BEARER = f"Bearer {TOKEN}"
VARIABLE = "Bearer ${KERNELWRIGHT_TOKEN}"


def task(folder: Path, **given: Any) -> Task:
    return Task(
        "/bin/client", Remote(URL), TOKEN, folder / "work", folder / "state", "begin", folder / "home", {}, **given
    )


def launched(name: str, folder: Path, **given: Any) -> tuple[Launch, dict[str, str]]:
    launch = KINDS[name].launch(task(folder, **given))
    return launch, {path.name: text for path, text in launch.files.items()}


def reports(reader: Reader, lines: list[object]) -> list[Said | Used]:
    found = [
        report for line in lines for report in reader.line((line if isinstance(line, str) else json.dumps(line)) + "\n")
    ]
    return [*found, *reader.end()]


def test_every_client_that_has_a_file_can_be_an_engineer_by_the_same_name() -> None:
    assert list(KINDS) == list(CLIENTS)


@pytest.mark.parametrize("name", KINDS)
def test_no_command_line_holds_the_token_and_every_session_has_model_and_prompt(name: str, tmp_path: Path) -> None:
    launch, files = launched(name, tmp_path, model="a-model")
    assert TOKEN not in " ".join(launch.command) and "a-model" in launch.command
    assert "begin" in launch.command or files["prompt.md"] == "begin"
    assert all(path.is_relative_to(tmp_path / "state") for path in (*launch.files, *launch.links))
    without, _ = launched(name, tmp_path)
    assert "--model" not in without.command


@pytest.mark.parametrize(
    ("name", "bearer"), [("claude-code", VARIABLE), ("qwen-code", BEARER), ("qoder", BEARER), ("openclaw", VARIABLE)]
)
def test_the_tools_stand_in_a_file_of_the_session(name: str, bearer: str, tmp_path: Path) -> None:
    _, files = launched(name, tmp_path)
    said = json.loads(files["openclaw.json" if name == "openclaw" else "mcp.json"])
    servers = said["mcp"]["servers"] if name == "openclaw" else said["mcpServers"]
    server = servers["kernelwright"]
    assert (server.get("url") or server["httpUrl"], server["headers"]) == (URL, {"Authorization": bearer})


def test_claude_code_has_our_tools_alone_and_a_limit_of_money(tmp_path: Path) -> None:
    launch, _ = launched("claude-code", tmp_path, usd_left=1.5)
    command = list(launch.command)
    assert command[command.index("--tools") + 1] == "" and command[command.index("--max-budget-usd") + 1] == "1.5000"
    assert "--strict-mcp-config" in command and "CLAUDECODE" in launch.without


def test_codex_is_told_by_settings_that_are_toml(tmp_path: Path) -> None:
    command = launched("codex", tmp_path)[0].command
    settings = [given for flag, given in itertools.pairwise(command) if flag == "--config"]
    found = tomllib.loads("\n".join(settings))
    server = found["mcp_servers"]["kernelwright"]
    assert (server["url"], server["bearer_token_env_var"], server["required"]) == (URL, "KERNELWRIGHT_TOKEN", True)
    assert found["approval_policy"] == "never"


def test_hermes_has_a_home_with_the_users_configuration_and_logins(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".hermes"
    user.mkdir(parents=True)
    (user / "config.yaml").write_text("# mine\nmodel:\n  default: good\nagent: {verbose: true}\n")
    launch, files = launched("hermes", tmp_path)
    said = ruamel.YAML(typ="safe", pure=True).load(files["config.yaml"])
    assert (said["model"], said["agent"]) == ({"default": "good"}, {"verbose": True, "max_turns": 100_000})
    assert said["mcp_servers"]["kernelwright"]["headers"] == {"Authorization": VARIABLE}
    assert launch.environment["HERMES_HOME"] == str(tmp_path / "state" / "home")
    assert launch.links[tmp_path / "state" / "home" / ".env"] == user / ".env"


def test_openclaw_includes_the_users_configuration_where_there_is_one(tmp_path: Path) -> None:
    assert "$include" not in json.loads(launched("openclaw", tmp_path)[1]["openclaw.json"])
    user = tmp_path / "home" / ".openclaw" / "openclaw.json"
    user.parent.mkdir(parents=True)
    user.write_text("{}")
    launch, files = launched("openclaw", tmp_path)
    assert json.loads(files["openclaw.json"])["$include"] == [str(user)]
    assert launch.environment["OPENCLAW_INCLUDE_ROOTS"] == str(user.parent)


def test_the_stream_of_claude_code_is_counted_once_a_message_and_made_whole_at_the_end() -> None:
    def message(name: str, text: str, read: int, cached: int, written: int) -> dict[str, Any]:
        usage = {"input_tokens": read, "cache_read_input_tokens": cached, "output_tokens": written}
        content = [{"type": "text", "text": text}] if text else [{"type": "tool_use", "name": "x", "input": {}}]
        return {"type": "assistant", "message": {"id": name, "model": "opus", "content": content, "usage": usage}}

    total = {"input_tokens": 30, "cache_read_input_tokens": 1000, "output_tokens": 77}
    found = reports(
        MessageStream(),
        [
            {"type": "system", "subtype": "init", "tools": []},
            message("a", "I look", 10, 0, 1),
            message("a", "", 10, 0, 1),
            "not json",
            message("b", "", 20, 1000, 1),
            {"type": "user", "message": {"content": "x"}},
            {"type": "result", "is_error": False, "usage": total, "total_cost_usd": 0.5, "result": "done"},
        ],
    )
    assert found == [
        Said("I look"),
        Used("opus", 10, 1),
        Used("opus", 1020, 1),
        Used("opus", 0, 75, 0.5),
    ]


def test_a_session_that_fails_says_why() -> None:
    line = {"type": "result", "is_error": True, "result": "Not logged in · Please run /login", "usage": {}}
    assert reports(MessageStream(), [line]) == [Said("Not logged in · Please run /login")]
    line = {"type": "result", "is_error": True, "error": {"message": "No auth type is selected."}, "usage": {}}
    assert reports(MessageStream(), [line]) == [Said("No auth type is selected.")]


def test_the_events_of_codex_tell_words_and_tokens_of_turns() -> None:
    usage = {"input_tokens": 9771, "cached_input_tokens": 500, "output_tokens": 7, "reasoning_output_tokens": 0}
    found = reports(
        ThreadEvents("m"),
        [
            {"type": "thread.started", "thread_id": "x"},
            {"type": "item.completed", "item": {"id": "item_0", "type": "error", "message": "metadata not found"}},
            {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": "I look"}},
            {"type": "item.completed", "item": {"id": "item_2", "type": "mcp_tool_call", "server": "k", "error": None}},
            {"type": "turn.failed", "error": {"message": "stream disconnected"}},
            {"type": "turn.completed", "usage": usage},
        ],
    )
    assert found == [Said("metadata not found"), Said("I look"), Said("stream disconnected"), Used("m", 9771, 7)]


def test_hermes_tells_its_tokens_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    usage = {"input_tokens": 50_912, "output_tokens": 1564, "cache_read_tokens": 88, "model": "scripted"}
    for status, usd in (("unknown", None), ("estimated", 0.25)):
        (tmp_path / "state" / "usage.json").write_text(
            json.dumps({**usage, "estimated_cost_usd": 0.25, "cost_status": status})
        )
        found = reports(KINDS["hermes"].reader(task(tmp_path)), ["The best kernel is submitted."])
        assert found == [Said("The best kernel is submitted."), Used("scripted", 51_000, 1564, usd)]
    (tmp_path / "state" / "usage.json").unlink()
    assert reports(KINDS["hermes"].reader(task(tmp_path)), []) == []


def test_openclaw_tells_everything_in_one_object_at_the_end(tmp_path: Path) -> None:
    told = {
        "ok": True,
        "final": "done",
        "usage": {"input": 40, "output": 5, "cacheRead": 2},
        "model": "m",
        "costUsd": 0.1,
    }
    lines: list[object] = list(json.dumps(told, indent=2).splitlines())
    assert reports(KINDS["openclaw"].reader(task(tmp_path)), lines) == [Said("done"), Used("m", 42, 5, 0.1)]
    failed = {"ok": False, "final": "", "error": {"message": "no such model", "kind": "exception"}}
    assert reports(KINDS["openclaw"].reader(task(tmp_path)), [failed]) == [Said("no such model")]


@pytest.mark.parametrize("lines", [["", "[]", "null", "{}", '{"type": 3}', '{"type": "assistant", "message": 3}']])
def test_output_that_says_nothing_known_reports_nothing(lines: list[object], tmp_path: Path) -> None:
    for name in ("claude-code", "codex", "qwenpaw", "openclaw"):
        assert reports(KINDS[name].reader(task(tmp_path)), lines) == []


def test_the_skill_is_part_of_the_first_prompt() -> None:
    assert "## The loop" in prompt(0) and not prompt(0).startswith("---") and "name: kernelwright" not in prompt(0)
    assert skill_text().count("---\n") == 2


def test_qwenpaw_is_driven_by_this_interpreter(tmp_path: Path) -> None:
    command = launched("qwenpaw", tmp_path)[0].command
    assert command[:3] == (sys.executable, "-m", "kernelwright.engineers.agents.acp")
    assert command[command.index("--") + 1 :][:2] == ("/bin/client", "acp")
