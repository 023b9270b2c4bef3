"""Clients installed from their registries, in a folder of their own each.

The folder is `KERNELWRIGHT_TEST_CLIENTS`, where installations stay and are used again, else one of the test session.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "KERNELWRIGHT_TEST_CLIENTS"
INSTALL_S = 900
# OpenClaw wants a Node that few machines have; the package `node` carries one, for all of them.
NPM = {
    "claude-code": ("@anthropic-ai/claude-code", "claude"),
    "qwen-code": ("@qwen-code/qwen-code", "qwen"),
    "qoder": ("@qoder-ai/qodercli", "qodercli"),
    "codex": ("@openai/codex", "codex"),
    "openclaw": ("openclaw", "openclaw"),
}
PIP = {"hermes": ("hermes-agent[mcp]", "hermes"), "qwenpaw": ("qwenpaw", "qwenpaw")}
_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRE|ENETUNREACH|ERR_SOCKET_TIMEOUT|name resolution|NewConnectionError|"
    r"ConnectTimeout|ReadTimeout|Network is unreachable|Could not fetch URL|502 Bad Gateway|503 Service"
)


@dataclass(frozen=True)
class Installed:
    """A client's command, and the path that it needs to run."""

    name: str
    program: Path
    path: str


def install(name: str, folder: Path) -> Installed:
    """Return the client, installed below `folder` if it is not there yet; skips where no registry can be reached."""
    return _with_npm(name, folder) if name in NPM else _with_pip(name, folder)


def _with_npm(name: str, folder: Path) -> Installed:
    package, command = NPM[name]
    node = folder / "node" / "node_modules" / "node" / "bin"
    if not (node / "node").exists():
        _npm("node", folder / "node", os.environ["PATH"])
    path = f"{node}:{os.environ['PATH']}"
    place = folder / name
    program = place / "node_modules" / ".bin" / command
    if not program.exists():
        # Without the tag npm takes an old version that suits an old Node.
        _npm(f"{package}@latest", place, path)
    return Installed(name, program, f"{program.parent}:{path}")


def _npm(package: str, place: Path, path: str) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, clients from its registry cannot be")
    place.mkdir(parents=True, exist_ok=True)
    _run(["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", package], {**os.environ, "PATH": path})


def _with_pip(name: str, folder: Path) -> Installed:
    package, command = PIP[name]
    place = folder / name
    program = place / "bin" / command
    if not program.exists():
        _run([sys.executable, "-m", "venv", str(place)], dict(os.environ))
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        _run([str(place / "bin" / "pip"), "install", "--quiet", package], environment)
    return Installed(name, program, f"{program.parent}:{os.environ['PATH']}")


def _run(command: list[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"the registry is too slow: {' '.join(command[-2:])} took more than {INSTALL_S} s")
    if done.returncode != 0:
        told = done.stderr + done.stdout
        if _UNREACHABLE.search(told):
            pytest.skip(f"the registry cannot be reached for {command[-1]}: {told.strip().splitlines()[-1][:200]}")
        pytest.fail(f"{' '.join(command)}: {told[-2000:]}")
