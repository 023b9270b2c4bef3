"""How each client is pointed at the scripted endpoint, and told to begin, without a screen."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.endpoint.server import Endpoint

MODEL, KEY = "scripted", "dummy-key-of-tests"
ACP = Path(__file__).with_name("acp_session.py")


@dataclass(frozen=True)
class Driven:
    """One client: variables and files that name the endpoint, commands before its first session, and that session.

    `files` are relative to the home.
    """

    environment: Callable[[Endpoint], Mapping[str, str]]
    begin: tuple[str, ...]
    files: Callable[[Endpoint], Mapping[str, str]] = lambda endpoint: {}
    before: tuple[tuple[str, ...], ...] = ()
    # Commands before each further session on the same files.
    later: tuple[tuple[tuple[str, ...], ...], ...] = ()
    # What stands before the name of a tool.
    prefix: str = "mcp__kernelwright__"


def _openai(endpoint: Endpoint) -> Mapping[str, str]:
    return {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}


def _codex(endpoint: Endpoint) -> Mapping[str, str]:
    provider = f'[model_providers.here]\nname = "here"\nbase_url = "{endpoint.url}"\nenv_key = "HERE_KEY"\n'
    return {".codex/config.toml": f'model = "{MODEL}"\nmodel_provider = "here"\n\n{provider}wire_api = "responses"\n'}


def _hermes(endpoint: Endpoint) -> Mapping[str, str]:
    model = f"model:\n  provider: custom\n  base_url: {endpoint.url}\n  default: {MODEL}\n  api_key: {KEY}\n"
    return {".hermes/config.yaml": f"# mine\n{model}"}


def _openclaw(endpoint: Endpoint) -> Mapping[str, str]:
    model = {"id": MODEL, "name": MODEL, "contextWindow": 200_000, "maxTokens": 8192}
    provider = {"baseUrl": endpoint.url, "apiKey": KEY, "api": "openai-completions", "models": [model]}
    said = {
        "models": {"providers": {"here": provider}},
        "agents": {"defaults": {"model": f"here/{MODEL}"}},
        # Else the model must search for tools, and the competent one does not.
        "tools": {"toolSearch": False},
    }
    return {".openclaw/openclaw.json": "// mine\n" + json.dumps(said, indent=2)}


DRIVEN: Mapping[str, Driven] = {
    "claude-code": Driven(
        lambda endpoint: {
            "ANTHROPIC_BASE_URL": endpoint.root,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
        ("claude", "-p", "begin", "--allowedTools", "mcp__kernelwright"),
    ),
    "qwen-code": Driven(
        _openai, ("qwen", "begin", "-o", "stream-json"), before=(("qwen", "mcp", "approve", "kernelwright"),)
    ),
    "codex": Driven(
        lambda endpoint: {"HERE_KEY": KEY},
        (
            "codex",
            "exec",
            "--json",
            "--skip-git-repo-check",
            "-s",
            "read-only",
            "-c",
            "approval_policy=never",
            "-c",
            "mcp_servers.kernelwright.required=true",
            "begin",
        ),
        _codex,
    ),
    "hermes": Driven(lambda endpoint: {}, ("hermes", "-z", "begin"), _hermes),
    "openclaw": Driven(
        lambda endpoint: {},
        ("openclaw", "agent", "exec", "--cwd", ".", "--json", "--timeout", "1800", "begin"),
        _openclaw,
        prefix="kernelwright__",
    ),
    # Its command for one task has no MCP servers; over the Agent Client Protocol it has those of its file.
    "qwenpaw": Driven(
        _openai,
        (sys.executable, str(ACP), "qwenpaw", "acp", "--runtime-provider", "openai-env"),
        later=((("qwenpaw", "skills", "enable", "kernelwright"),),),
        prefix="kernelwright__",
    ),
}


def home_with(files: Mapping[str, str], home: Path) -> Path:
    """Write files below a home and return it."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return home
