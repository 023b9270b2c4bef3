"""Real clients, from their registries, reach the same kernel as a script in process: by their own file, and supervised.

Behind each is the competent player, over the wire that the client speaks. What they leave in the ledger must be equal.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kernelwright.cli.bench import WiredBench
from kernelwright.cli.opening import Request, describe_setup, open_under
from kernelwright.core.entry import Entry
from kernelwright.core.final import Setup
from kernelwright.engineers.scripted import ScriptedEngineer, ToolCall
from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run, fold, work_differences
from kernelwright.workshop.clients.connection import TOKEN_VARIABLE
from kernelwright.workshop.mcp.http import served
from kernelwright.workshop.tools import TOOLS
from tests.cli.commands import command as kernelwright
from tests.clients.driving import DRIVEN, home_with
from tests.clients.installing import NPM, VARIABLE, Installed, install
from tests.endpoint.competent import CHIP, PROBLEM, STEPS, SUITE, competent
from tests.endpoint.server import Endpoint, serving

pytestmark = pytest.mark.slow

EVALUATIONS = "5"
ASKED = ("--chip", CHIP, "--suite", SUITE, "--evals", EVALUATIONS)
RUN_S = 1800
SKILL = "Make a GPU or CPU kernel faster"


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of installations."""
    kept = os.environ.get(VARIABLE)
    folder = Path(kept).expanduser().absolute() if kept else tmp_path_factory.mktemp("clients")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Kernelwright home that all runs share: one key, so that equal runs have equal secrets."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def inside(state: Path) -> Iterator[tuple[Entry, ...]]:
    """Yield the record of the competent script, played in process."""
    before = os.environ.get("KERNELWRIGHT_HOME")
    os.environ["KERNELWRIGHT_HOME"] = str(state)
    try:
        store = SqlLedger()
        open_under(store, "inside", describe_setup(Request(PROBLEM, CHIP, "mcp", SUITE, evals=int(EVALUATIONS))))
        # In process a run ends with the first call after it was submitted.
        worker = ScriptedEngineer([*(ToolCall(name, arguments) for name, arguments in STEPS), ToolCall("notes")])

        def bench(given: Setup, secret: int) -> WiredBench:
            return WiredBench("inside", given, secret, lambda line: None, worker)

        conduct_run(store, "inside", bench, lambda line: None)
        entries = store.entries("inside")
        store.close()
        yield entries
    finally:
        if before is None:
            del os.environ["KERNELWRIGHT_HOME"]
        else:
            os.environ["KERNELWRIGHT_HOME"] = before


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield the home of a user, new; its name is short, since clients put sockets there."""
    with tempfile.TemporaryDirectory(prefix="kw-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def around(installed: Installed, home: Path, state: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a user who has the client, and nothing else of this test's."""
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "SSL_CERT_FILE", "PYTHONPATH")}
    return {
        **kept, **more, "PATH": installed.path, "HOME": str(home), "KERNELWRIGHT_HOME": str(state), "NO_COLOR": "1",
    }  # fmt: skip


def do(command: tuple[str, ...] | list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end and return its output; its errors are part of what a failure shows."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def newest(state: Path) -> tuple[str, tuple[Entry, ...]]:
    store = SqlLedger(f"sqlite:///{state / 'ledger.db'}")
    name = store.runs()[-1]
    entries = store.entries(name)
    store.close()
    return name, entries


def assert_same_kernel(entries: tuple[Entry, ...], inside: tuple[Entry, ...]) -> None:
    best, ours = fold(entries).best, fold(inside).best
    assert best is not None and ours is not None
    found, wanted = (e.verdict.geomean_speedup for e in (best, ours))
    assert (best.candidate_sha256, found) == (ours.candidate_sha256, wanted)
    assert work_differences(inside, entries) == ()


def assert_offered(endpoint: Endpoint, prefix: str) -> None:
    offered = {tool.name for asked in endpoint.seen for tool in asked.tools}
    assert {f"{prefix}{name}" for name in TOOLS} <= offered


def configure(name: str, project: Path, environment: Mapping[str, str], *asked: str) -> None:
    asked = asked or ("--problem", PROBLEM, *ASKED)
    do(kernelwright("mcp-config", "--client", name, "--write", *asked), project, environment)


def assert_told_of_skill(endpoint: Endpoint) -> None:
    texts = [message.text for asked in endpoint.seen for message in asked.messages]
    texts += [f"{tool.description}{tool.schema}" for asked in endpoint.seen for tool in asked.tools]
    assert any(SKILL in text for text in texts)


@pytest.mark.parametrize("name", DRIVEN)
def test_a_client_reaches_the_same_kernel_by_the_file_that_mcp_config_writes(
    name: str, clients: Path, state: Path, inside: tuple[Entry, ...], home: Path
) -> None:
    installed, driven = install(name, clients), DRIVEN[name]
    project = home / "project"
    project.mkdir()
    with serving(competent, keep=500) as endpoint:
        home_with(driven.files(endpoint), home)
        environment = around(installed, home, state, driven.environment(endpoint))
        configure(name, project, environment)
        for command in (*driven.before, driven.begin):
            do(command, project, environment)
        assert_offered(endpoint, driven.prefix)
        run, _ = newest(state)
        # The server ended with its client: the last judgement is made by whoever goes on.
        do(kernelwright("resume", run), project, environment)
    _, entries = newest(state)
    assert fold(entries).end_reason == "submitted by the engineer"
    assert all(entry.payload.get("client") not in (None, "") for entry in entries if entry.kind == "tool_call")
    assert_same_kernel(entries, inside)


@pytest.mark.parametrize("name", DRIVEN)
def test_a_client_reaches_the_same_kernel_as_an_engineer(
    name: str, clients: Path, state: Path, inside: tuple[Entry, ...], home: Path
) -> None:
    installed, driven = install(name, clients), DRIVEN[name]
    with serving(competent, keep=500) as endpoint:
        home_with(driven.files(endpoint), home)
        environment = around(installed, home, state, driven.environment(endpoint))
        do(kernelwright("run", PROBLEM, *ASKED, "--engineer", f"agent:{name}", "--json"), home, environment)
        assert_offered(endpoint, driven.prefix)
    _, entries = newest(state)
    assert fold(entries).end_reason == "submitted by the engineer"
    assert {entry.payload["client"] for entry in entries if entry.kind == "tool_call"} == {name}
    assert_same_kernel(entries, inside)
    # A dozen requests, in which the text of three kernels is written.
    assert fold(entries).tokens > 2000
    assert not (home / "project").exists()


@pytest.mark.parametrize("name", DRIVEN)
def test_a_client_finds_a_served_run_by_its_address_and_the_skill_in_its_place(
    name: str, clients: Path, state: Path, home: Path
) -> None:
    installed, driven = install(name, clients), DRIVEN[name]
    project, calls = home / "project", list[str]()
    project.mkdir()

    def answer(tool: str, arguments: Mapping[str, object], client: str) -> Mapping[str, object]:
        calls.append(tool)
        return {}

    with served(answer) as place, serving(competent, keep=500) as endpoint:
        home_with(driven.files(endpoint), home)
        environment = around(installed, home, state, {**driven.environment(endpoint), TOKEN_VARIABLE: place.token})
        # Once it has run, QwenPaw reads another file, and lists the skill to be switched on.
        for later in ((), *driven.later):
            configure(name, project, environment, "--http", place.url)
            calls.clear()
            for command in (*driven.before, *later, driven.begin):
                do(command, project, environment)
            assert calls == [tool for tool, _ in STEPS]
        assert_told_of_skill(endpoint)


@pytest.mark.parametrize("by_address", [False, True])
def test_qoder_lists_the_tools_without_a_login(clients: Path, state: Path, home: Path, by_address: bool) -> None:
    installed = install("qoder", clients)
    project = home / "project"
    project.mkdir()
    with served(lambda tool, arguments, client: {}) as place:
        environment = around(installed, home, state, {TOKEN_VARIABLE: place.token})
        configure("qoder", project, environment, *(("--http", place.url) if by_address else ()))
        done = subprocess.run(
            ["qodercli", "-p", "begin", "--output-format", "stream-json", "--mcp-config", ".mcp.json",
             "--strict-mcp-config"],
            cwd=project, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    begun = next(event for event in events if event.get("subtype") == "init")
    assert {f"mcp__kernelwright__{name}" for name in TOOLS} <= set(begun["tools"])


def test_every_client_of_a_registry_is_tried() -> None:
    assert {*NPM, "hermes", "qwenpaw"} == {*DRIVEN, "qoder"}
