"""A competent model behind the command line: the real judge on an emulated chip, and the record of the script."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelwright.cli.bench import WiredBench
from kernelwright.cli.opening import Request, describe_setup, open_under
from kernelwright.core.candidate import Candidate
from kernelwright.core.final import Setup
from kernelwright.engineers.scripted import ScriptedEngineer, ToolCall
from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run, fold, work_differences
from tests.cli.commands import Ran, run
from tests.endpoint.competent import CHIP, PROBLEM, STEPS, SUITE, competent, source
from tests.endpoint.server import Endpoint, serving
from tests.engineers.model.runs import KEY

RUN = ("run", PROBLEM, "--chip", CHIP, "--suite", SUITE, "--evals", "5", "--engineer", "model", "--model")
NAME = "openai-compatible:competent"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with serving(competent, keys=(KEY,), models=("competent",)) as found:
        monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", found.url)
        monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", KEY)
        yield found


def refused(home: Path, *arguments: str) -> str:
    """Return the one line with which a run is refused, before anything is opened or asked."""
    ran: Ran = run(home, *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert not (home / "ledger.db").exists()
    (line,) = ran.err.splitlines()
    assert KEY not in line
    return line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "--model must hold names like provider:model, such as qwen:qwen3-max, got 'nothing'"),
        (("quen:x",), "provider 'quen' is not known"),
        ((NAME, "--islands", "99"), "--islands must be a whole number from 1 to 16, got 99"),
        ((NAME, "--window", "10"), "--window must be a whole number from 8000"),
        ((NAME, "--usd", "1"), "--usd needs the price of every model, none is known for openai-compatible:competent"),
        ((NAME, "--tokens", "0"), "--tokens must be at least 1, got 0"),
        (("qwen:qwen3-max",), "needs a key. Set the environment variable DASHSCOPE_API_KEY"),
    ],
)
def test_wrong_wishes_are_refused_in_one_line(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    assert told in refused(tmp_path, *RUN, *arguments)
    assert endpoint.requests == 0


def test_a_wrong_key_is_refused_before_a_run_is_opened(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "wrong-key-0123456789")
    line = refused(tmp_path, *RUN, NAME)
    assert "must be asked with a key that its provider takes" in line and "wrong-key" not in line


@pytest.mark.slow
def test_a_competent_model_leaves_the_record_of_the_script_and_its_kernel(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    store = SqlLedger()
    # Named so that it comes first; in process a run ends with the first call after it was submitted.
    open_under(store, "0-scripted", describe_setup(Request(PROBLEM, CHIP, "model", SUITE, evals=5)))
    script = ScriptedEngineer([*(ToolCall(name, arguments) for name, arguments in STEPS), ToolCall("notes")])

    def bench(given: Setup, secret: int) -> WiredBench:
        return WiredBench("0-scripted", given, secret, lambda line: None, script)

    conduct_run(store, "0-scripted", bench, lambda line: None)
    store.close()
    ran = run(tmp_path, *RUN, NAME, "--json", timeout=900)
    assert ran.code == 0, ran.err
    assert endpoint.requests == len(STEPS)
    store = SqlLedger()
    first, second = (store.entries(name) for name in sorted(store.runs()))
    store.close()
    assert work_differences(first, second) == ()
    best = fold(second).best
    assert best is not None and best.candidate_sha256 == Candidate(source("second")).sha256
    assert f"{NAME} takes about" in ran.err and "no price is known" in ran.err
    assert KEY not in ran.out + ran.err
    assert KEY.encode() not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
