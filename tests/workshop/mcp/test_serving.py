"""The server as people start it for several clients: a process that serves HTTP."""

import asyncio
import contextlib
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelwright.workshop.mcp.http import Place
from tests.runs.scripted import candidate
from tests.workshop.mcp.clients import answer_of, call, http_client, refusal
from tests.workshop.mcp.test_stdio import command, entries, environment, kinds


@dataclass
class Served:
    """A serving process, and where it serves."""

    process: subprocess.Popen[str]
    place: Place
    told: list[str]

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    process = subprocess.Popen(
        command(folder, "--http", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(folder),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    try:
        told = [process.stderr.readline() for _ in range(3)]
        url, token = re.search(r"http://\S+", told[0]), re.search(r": (\S+)$", told[1])
        assert url is not None and token is not None, told
        yield Served(process, Place(url[0], token[1]), told)
    finally:
        process.kill()
        process.wait()
        assert process.stdout.read() == ""
        process.stdout.close()
        process.stderr.close()


def source(number: float) -> str:
    return candidate(number, f"arch{number}")


async def _evaluated(place: Place, name: str, numbers: tuple[float, ...]) -> list[object]:
    async with http_client(place, name) as client:
        return [(await call(client, "evaluate", {"source": source(number)}))["evaluation"] for number in numbers]


def test_two_clients_work_on_one_run_at_once_and_neither_spends_the_others_share(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        found = await asyncio.gather(
            _evaluated(place, "first", (1.1, 1.3)), _evaluated(place, "second", (1.2, 1.4)),
        )  # fmt: skip
        assert sorted(number for numbers in found for number in numbers) == [1, 2, 3, 4]  # type: ignore[type-var]
        # The share is the client's, not the session's.
        async with http_client(place, "first") as client:
            assert "may use 2 evaluations" in await refusal(client, "evaluate", {"source": source(1.5)})
            assert len((await call(client, "history"))["evaluations"]) == 4  # type: ignore[arg-type]
            assert (await call(client, "submit"))["run_goes_on_with"] == ["second"]
        async with http_client(place, "second") as client:
            assert (await call(client, "submit"))["submitted"] is not None
            run = (await call(client, "notes"))["run"]
            while isinstance(run, dict) and run["state"] == "judging":
                run = (await call(client, "notes"))["run"]
            assert isinstance(run, dict) and run["result"]["geomean_speedup"] == 1.4

    with serving(tmp_path, "--pace", "0.2", "--share", "2") as served:
        asyncio.run(work(served.place))
        # A closed run is told of for a while, then the process ends by itself.
        assert served.process.wait(60) == 0
    evaluated = [e.payload for e in entries(tmp_path) if e.kind == "tool_call" and e.payload["name"] == "evaluate"]
    assert sorted(str(payload["client"]) for payload in evaluated) == ["first", "first", "second", "second"]
    assert kinds(tmp_path)[-1] == "closed"


def test_the_token_is_its_owners_alone_and_stays_that_of_the_run(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.place.url.startswith("http://127.0.0.1:")
        (file,) = (tmp_path / "home" / "mcp").glob("*.token")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() == served.place.token
        asyncio.run(_evaluated(served.place, "a", (1.5,)))
        assert served.end() == 130
    assert kinds(tmp_path) == ["opened", "session", "reference", "evaluation", "tool_call"]
    assert not list((tmp_path / "home" / "mcp").glob("*.json"))
    with serving(tmp_path) as again:
        assert again.place.token == served.place.token
        assert asyncio.run(_evaluated(again.place, "a", (1.5,))) == [1]


def test_a_token_of_ones_own_is_taken_and_one_that_others_may_read_is_not(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-my-own\n")
    file.chmod(0o600)
    with serving(tmp_path, "--token-file", str(file)) as served:
        assert served.place.token == "a-token-of-my-own"
    for mode, text, why in ((0o644, "a-token-of-my-own", "chmod 600"), (0o600, "short", "at least 16")):
        file.write_text(text)
        file.chmod(mode)
        refused = subprocess.run(
            command(tmp_path, "--http", "--token-file", str(file)), capture_output=True, text=True, check=False,
            env=environment(tmp_path),
        )  # fmt: skip
        assert (refused.returncode, refused.stdout) == (2, "")
        assert why in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_who_starts_a_second_process_is_told_where_the_run_is_served(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        asyncio.run(_evaluated(served.place, "a", (1.5,)))
        done = subprocess.run(
            command(tmp_path), input="", capture_output=True, text=True, env=environment(tmp_path), check=False
        )
        assert done.returncode == 2
        assert f"process {served.process.pid} is writing it now. Connect to it at {served.place.url}" in done.stderr


def test_an_interrupt_in_an_evaluation_ends_a_serving_process_and_the_run_stays_open(tmp_path: Path) -> None:
    async def begin(place: Place) -> None:
        async with http_client(place) as client:
            begun = answer_of(await client.call_tool("evaluate", {"source": source(1.5)}))
            assert begun["state"] == "running"

    with serving(tmp_path, "--pace", "300", "--patience", "0.2") as served:
        asyncio.run(begin(served.place))
        assert served.end() == 130
    assert kinds(tmp_path) == ["opened", "session", "reference"]
