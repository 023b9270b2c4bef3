"""What a run is asked for, and the run that such a request opens."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernelwright.core.errors import RequestError

if TYPE_CHECKING:
    from kernelwright.core.final import Setup
    from kernelwright.ledger import SqlLedger

DEFAULT_EVALUATIONS = 60
# The entry of the problem whose space of candidates is written down.
PLAYBOOK_ENTRY = "extend_attention_fwd"
MOST_HOURS = 24 * 365


@dataclass(frozen=True)
class Request:
    """Everything that someone may ask of a new run; None is the default of the command line."""

    problem: str
    chip: str
    engineer: str
    suite: str | None = None
    evals: int | None = None
    hours: float | None = None
    seed: int = 0
    regret: bool = False
    unsafe: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    tokens: int | None = None
    usd: float | None = None


def require_budget(evals: int | None, hours: float | None) -> int | None:
    """Return the number of evaluations that was asked for, the default unless there is a limit of time."""
    if evals is not None and evals < 1:
        raise RequestError(f"--evals must be at least 1, got {evals}")
    if hours is not None and not 0 < hours < MOST_HOURS:
        raise RequestError(f"--hours must be above 0 and below a year, got {hours:g}")
    return DEFAULT_EVALUATIONS if evals is None and hours is None else evals


def describe_setup(asked: Request) -> "Setup":
    """Return what is fixed when the run opens, this machine included. Raises RequestError for what cannot be had."""
    from kernelwright.chips.catalogue import chip_sha256, load_chip  # noqa: PLC0415  # lazy: these rooms need torch
    from kernelwright.cli.machine import machine_facts, package_versions  # noqa: PLC0415
    from kernelwright.cli.suites import choose_suite  # noqa: PLC0415
    from kernelwright.core.final import Setup  # noqa: PLC0415
    from kernelwright.problems import load_problem, problem_sha256  # noqa: PLC0415
    from kernelwright.sandbox import choose_sandbox  # noqa: PLC0415

    evaluations = require_budget(asked.evals, asked.hours)
    loaded = load_problem(asked.problem)
    suite, machine = choose_suite(asked.problem, asked.chip, asked.suite), load_chip(asked.chip)
    spec = machine.spec
    if asked.regret and not (spec.emulated and loaded.entry == PLAYBOOK_ENTRY):
        raise RequestError(
            f"--regret needs an emulated chip and a problem with a playbook, got {asked.chip} and {asked.problem}"
        )
    shut_in = choose_sandbox(asked.unsafe).confinement
    return Setup(
        loaded.address, asked.chip, asked.engineer, suite, asked.seed, evaluations,
        None if asked.hours is None else asked.hours * 3600, emulated=spec.emulated, unsafe=asked.unsafe,
        machine={**machine_facts(), "threads": spec.threads, "confinement": shut_in},
        versions=package_versions(), problem_sha256=problem_sha256(loaded), chip_sha256=chip_sha256(machine),
        regret=asked.regret, options=asked.options, tokens=asked.tokens, usd=asked.usd,
    )  # fmt: skip


def new_name() -> str:
    """Return a name for a run that opens now: the time in UTC, and four letters drawn."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


def open_under(store: "SqlLedger", name: str, setup: "Setup") -> None:
    """Write the first entry of run `name`."""
    from kernelwright.ledger import installation_key  # noqa: PLC0415  # lazy
    from kernelwright.runs import open_run  # noqa: PLC0415

    open_run(store, name, setup, installation_key() if setup.emulated else None)
