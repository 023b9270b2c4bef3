"""Bundles, and executing a claim again."""

import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import Json, LedgerUrl, RunName, Unsafe
from kernelwright.cli.output import Output

if TYPE_CHECKING:
    from kernelwright.core.candidate import Candidate
    from kernelwright.core.final import Setup
    from kernelwright.core.verdict import Verdict
    from kernelwright.ledger import SqlLedger
    from kernelwright.runs import Verification


def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the .tar.gz goes.")],
    ledger: LedgerUrl = None,
) -> None:
    """Write a run to one file: all entries and every source they name."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger, export_bundle  # noqa: PLC0415

    store = SqlLedger(ledger)
    name = find_run(store, run)
    export_bundle(store, name, file)
    print(f"wrote {file}, {file.stat().st_size / 1e3:,.0f} kB")
    print(f"next: kernelwright verify {file}")


def verify(
    target: Annotated[str, typer.Argument(metavar="RUN|FILE", help="A run of the ledger, or an exported bundle.")],
    ledger: LedgerUrl = None,
    unsafe: Unsafe = False,
    json: Json = False,
) -> int:
    """Check a run's record, then judge its final kernel again, fresh; exit 1 unless the claim holds."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger, import_bundle  # noqa: PLC0415
    from kernelwright.runs import Verification  # noqa: PLC0415

    output = Output(json)
    if not Path(target).is_file():
        store = SqlLedger(ledger)
        return _show(_verify(store, find_run(store, target), unsafe, output), output)
    with tempfile.TemporaryDirectory(prefix="kernelwright-verify-") as folder:
        copy = SqlLedger(f"sqlite:///{folder}/ledger.db")
        run, findings = import_bundle(Path(target), copy)
        if findings:
            texts = tuple(finding.text for finding in findings)
            return _show(Verification(False, None, None, False, texts), output)
        return _show(_verify(copy, run, unsafe, output), output)


def _verify(store: "SqlLedger", run: str, unsafe: bool, output: Output) -> "Verification":
    from kernelwright.core.errors import HarnessError  # noqa: PLC0415  # lazy
    from kernelwright.runs import Verification, setup_of, verify_run  # noqa: PLC0415

    output.say(f"checking the record of run {run}")
    faults = tuple(finding.text for finding in store.check_chain(run))
    if faults:
        return Verification(False, None, None, False, faults)
    entries = store.entries(run)
    setup = setup_of(entries)

    def rejudge(kernel: "Candidate", secret: int) -> "Verdict":
        output.say("judging the final kernel again, from its stored source, with new inputs")
        verdict = _judge_again(kernel, secret, setup, unsafe, output)
        if verdict.status == "harness_error":
            raise HarnessError(f"the final kernel could not be judged again: {verdict.reason}")
        return verdict

    return verify_run(entries, faults, store.blob, rejudge, _changes_since(setup))


def _changes_since(setup: "Setup") -> tuple[str, ...]:
    """Return what the run's figures rest on that is another now, a line each."""
    from kernelwright.chips.catalogue import chip_sha256, load_chip  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.problems import load_problem, problem_sha256  # noqa: PLC0415

    changes = []
    if setup.problem_sha256 and setup.problem_sha256 != (now := problem_sha256(load_problem(setup.problem))):
        changes.append(
            f"problem: the folder's files are not those of the run ({setup.problem_sha256[:12]}, now {now[:12]})"
        )
    if setup.chip_sha256 and setup.chip_sha256 != (now := chip_sha256(load_chip(setup.chip))):
        changes.append(f"chip: its numbers are not those of the run ({setup.chip_sha256[:12]}, now {now[:12]})")
    return tuple(changes)


def _judge_again(kernel: "Candidate", secret: int, setup: "Setup", unsafe: bool, output: Output) -> "Verdict":
    from kernelwright.chips.catalogue import load_chip  # noqa: PLC0415  # lazy: these rooms need torch
    from kernelwright.chips.emulated.chip import EmulatedChip  # noqa: PLC0415
    from kernelwright.judge import make_judge  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415
    from kernelwright.sandbox import CaptureService, choose_sandbox  # noqa: PLC0415

    problem = load_problem(setup.problem)
    # A bundle comes from a stranger: that its run was unsafe does not make this unsafe.
    # The run's own hidden workloads, from its revealed secret; the inputs come from a new one.
    chip, fresh = load_chip(setup.chip), secrets.randbits(62)
    if isinstance(chip, EmulatedChip):
        chip.work_out_afresh()
    with CaptureService(choose_sandbox(unsafe), cores=chip.spec.threads) as capture:
        judge = make_judge(problem, setup.suite, chip, capture, secret, fresh)
        try:
            return judge(kernel, secrets.randbits(62), output.phase)
        finally:
            judge.close()


def _show(found: "Verification", output: Output) -> int:
    from rich.console import Console  # noqa: PLC0415  # lazy

    from kernelwright.report import format_ratio  # noqa: PLC0415

    def draw(console: Console) -> None:
        chain = "whole" if found.chain_ok else "BROKEN"
        console.print(f"record {chain}, claimed {format_ratio(found.claimed)}, measured {format_ratio(found.measured)}")
        if found.emulated:
            equal = "equal to the nanosecond on every workload" if found.confirmed else "compared to the nanosecond"
            console.print(f"times are emulated, {equal}")
        if found.unsafe:
            console.print("unsafe: no sandbox held the candidates, the claim holds against honest ones only")
        for text in _first(found.differences):
            console.print(f"differs: {text}", soft_wrap=True)
        console.print("confirmed" if found.confirmed else "NOT confirmed")

    # On a real chip there is nothing to say about emulation.
    shown = {key: value for key, value in found.__dict__.items() if key != "emulated" or value}
    output.result(shown, draw)
    return 0 if found.confirmed else 1


def _first(differences: Sequence[str]) -> list[str]:
    limit = 20
    more = [f"and {len(differences) - limit} more"] if len(differences) > limit else []
    return [*differences[:limit], *more]
