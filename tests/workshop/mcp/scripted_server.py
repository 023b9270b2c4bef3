"""The server process of `kernelwright mcp` over a scripted judge: real transports, desk, recorder and ledger.

`python -m tests.workshop.mcp.scripted_server FOLDER [--http] [--pace S] [--patience S] [--share N] [--evals N] ...`
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from kernelwright.cli.choosing import Chosen, Wanted, find_unfinished, require_unwritten
from kernelwright.cli.hosting import Host, over_http, over_stdio
from kernelwright.cli.opening import new_name
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import KernelwrightError
from kernelwright.core.final import Setup
from kernelwright.core.problem import Brief
from kernelwright.core.protocols import ChipSpec, Engineer, Recorder, Tools
from kernelwright.core.verdict import Verdict
from kernelwright.ledger import SqlLedger
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.workbench import Workbench
from tests.runs.scripted import ScriptedBench, verdict_of

CHIP = ChipSpec("paper", "a judge that reads the answer off the source", False, 2)
BRIEF = Brief("scripted", "Say a larger number.", "f", "# accepted 1.0 reference\n", ())


class PaperBench(ScriptedBench):
    """A scripted run with the workshop's own tools."""

    def __init__(self, folder: Path, worker: Engineer, pace_s: float = 0.0) -> None:
        super().__init__(worker, pace_s)
        self.folder = folder

    def tools(self, recorder: Recorder) -> Tools:
        return Workshop(Workbench(BRIEF, CHIP, recorder, _check, lambda source: {"probes": {}}, self.folder))


def _check(candidate: Candidate) -> Verdict:
    return verdict_of(candidate.source)


def setup(evaluations: int) -> Setup:
    # Called emulated, so that equal runs have equal secrets, and records.
    return Setup("scripted", "paper", "mcp", "smoke", 0, evaluations, None, emulated=True)


def ledger_of(folder: Path) -> SqlLedger:
    return SqlLedger(f"sqlite:///{folder / 'ledger.db'}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--share", type=int)
    parser.add_argument("--evals", type=int, default=20)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token-file", type=Path)
    given = parser.parse_args(arguments)

    def choose(wanted: Wanted) -> Chosen:
        store = ledger_of(given.folder)
        asked = setup(given.evals)
        found = None if wanted.new else find_unfinished(store, asked)
        if found is None:
            return Chosen(store, new_name(), asked)
        require_unwritten(store, found)
        return Chosen(store, found, None)

    def make_bench(
        name: str, asked: Setup, secret: int, engineer: Engineer, quiet: Callable[[str], None]
    ) -> PaperBench:
        return PaperBench(given.folder / "files", engineer, given.pace)

    host = Host(Wanted(None, None, given.new, None, given.share), choose, make_bench, given.patience, linger_s=2)
    try:
        return over_http(host, "127.0.0.1", given.port, given.token_file) if given.http else over_stdio(host)
    except KernelwrightError as error:
        print(f"kernelwright: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
