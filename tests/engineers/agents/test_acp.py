"""A session over the Agent Client Protocol, with an agent that asks for permissions and misbehaves as asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

AGENT = """
import json, sys
def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
def chunk(**more):
    update = {"sessionUpdate": "agent_message_chunk", **more}
    send(method="session/update", params={"sessionId": "s", "update": update})
print("a line that is no message", flush=True)
heard = []
for line in sys.stdin:
    message = json.loads(line)
    heard.append(message)
    if message.get("method") == "initialize":
        send(id=message["id"], result={"protocolVersion": 1})
    elif message.get("method") == "session/new":
        send(id=message["id"], result={"sessionId": "s"})
    elif message.get("method") == "session/set_model":
        send(id=message["id"], result={})
    elif message.get("method") == "session/prompt":
        prompt = message["id"]
        chunk(content={"type": "text", "text": "I "})
        chunk(content={"type": "text", "text": "look"})
        usage = {"inputTokens": 12, "outputTokens": 3, "model": "m"}
        chunk(content={"type": "text", "text": ""}, _meta={"usage": usage})
        options = [{"kind": "allow_once", "optionId": "yes"}, {"kind": "reject_once", "optionId": "no"}]
        for at, title in enumerate(("driver:mcp:acp_1 requires approval", "execute_shell_command")):
            params = {"sessionId": "s", "options": options, "toolCall": {"title": title}}
            send(id=100 + at, method="session/request_permission", params=params)
        send(id=200, method="fs/read_text_file", params={"path": "/etc/passwd"})
    elif message.get("id") == 200:
        if sys.argv[2] == "fail":
            send(id=prompt, error={"code": 1, "message": "no model"})
        elif sys.argv[2] == "die":
            break
        else:
            send(id=prompt, result={"stopReason": "end_turn"})
open(sys.argv[1], "w").write(json.dumps(heard))
"""


def drive(folder: Path, how: str, *more: str) -> tuple[int, list[dict[str, object]], list[dict[str, object]]]:
    """Return the exit code, the lines written, and what the agent heard."""
    (folder / "agent.py").write_text(AGENT)
    (folder / "prompt.md").write_text("begin")
    heard = folder / "heard.json"
    command = [sys.executable, "-m", "kernelwright.engineers.agents.acp", "--prompt-file", str(folder / "prompt.md")]
    command += ["--server", "kernelwright", "--url", "http://127.0.0.1:7/mcp", "--token-variable", "THE_TOKEN", *more]
    command += ["--", sys.executable, str(folder / "agent.py"), str(heard), how]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "THE_TOKEN": "t-1"}
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines, json.loads(heard.read_text()) if heard.exists() else []


def test_words_and_tokens_are_told_and_our_tools_alone_permitted(tmp_path: Path) -> None:
    code, lines, heard = drive(tmp_path, "end", "--model", "good")
    usage = {"inputTokens": 12, "outputTokens": 3, "model": "m"}
    assert (code, lines) == (0, [{"said": "I look"}, {"used": usage}])
    asked = {message["method"]: message["params"] for message in heard if "method" in message}
    assert list(asked) == ["initialize", "session/new", "session/set_model", "session/prompt"]
    opened = asked["session/new"]
    assert isinstance(opened, dict)
    header = {"name": "Authorization", "value": "Bearer t-1"}
    server = {"type": "http", "name": "kernelwright", "url": "http://127.0.0.1:7/mcp", "headers": [header]}
    assert opened["mcpServers"] == [server]
    answers = {message["id"]: message for message in heard if "method" not in message}
    assert [answers[at]["result"] for at in (100, 101)] == [
        {"outcome": {"outcome": "selected", "optionId": "yes"}},
        {"outcome": {"outcome": "selected", "optionId": "no"}},
    ]
    assert "error" in answers[200]


def test_an_agent_that_fails_or_dies_is_exit_code_1(tmp_path: Path) -> None:
    for how, words in (("fail", "no model"), ("die", "the agent ended without an answer")):
        code, lines, _ = drive(tmp_path, how)
        assert code == 1 and words in str(lines[-1]["said"])
