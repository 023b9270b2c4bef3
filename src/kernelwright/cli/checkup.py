"""Each thing that Kernelwright needs of a machine, tried."""

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelwright.core.errors import KernelwrightError
from kernelwright.ledger import SqlLedger, default_url

if TYPE_CHECKING:
    from kernelwright.sandbox import Check

NEEDED_MEMORY_GB = 4.0
# What a confinement does not hide although every attempt of the self-check fails.
LIMITS = {"bubblewrap": "", "sandlock": "; names and sizes of files can be found by guessing", "unsafe": ""}


@dataclass(frozen=True)
class Checked:
    """One thing: whether it works, what was found, and what to do if it does not."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    optional: bool = False


def checkup() -> tuple[Checked, ...]:
    """Return every check, in the order in which a run meets them."""
    tried = (_python, _memory, _ledger, _triton, _compiler, _chip, _emulator, _gpu)
    return (*(_safely(check) for check in tried), *_sandbox())


def _safely(check: Callable[[], Checked]) -> Checked:
    try:
        return check()
    except Exception as error:  # whatever breaks is what the check-up is for
        return Checked(check.__name__.lstrip("_"), False, " ".join(str(error).split())[:200], "reinstall kernelwright")


def _python() -> Checked:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    ok = sys.version_info >= (3, 11) and sys.platform == "linux"
    return Checked("python", ok, found, "" if ok else "use Python 3.11 or newer on Linux")


def _memory() -> Checked:
    from kernelwright.cli.machine import machine_facts  # noqa: PLC0415  # lazy

    facts = machine_facts()
    ok = float(str(facts["memory_gb"])) >= NEEDED_MEMORY_GB
    advice = "" if ok else f"suite cpu needs about {NEEDED_MEMORY_GB:g} GB; use --suite smoke"
    return Checked(
        "machine", ok, f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gb']} GB", advice, True
    )


def _ledger() -> Checked:
    ledger = SqlLedger()
    count = len(ledger.runs())
    ledger.close()
    return Checked("ledger", True, f"{default_url()}, {count} runs")


def _triton() -> Checked:
    from kernelwright.cli.machine import package_versions  # noqa: PLC0415  # lazy

    found = package_versions()
    ok = "missing" not in found.values()
    advice = "" if ok else "pip install torch==2.13.0, then kernelwright"
    return Checked("packages", ok, ", ".join(f"{name} {version}" for name, version in found.items()), advice)


def _compiler() -> Checked:
    """Run a real kernel through the Triton plug-in."""
    from kernelwright.compiler.checkup import check_compiler  # noqa: PLC0415  # slow, and may fail to import

    ok, found = check_compiler()
    return Checked("compiler", ok, f"a Triton kernel ran natively: {found}", "" if ok else "report a bug")


def _chip() -> Checked:
    from kernelwright.chips.catalogue import load_chip  # noqa: PLC0415  # lazy

    spec = load_chip("cpu").spec
    return Checked("chip cpu", True, f"{spec.title}, {spec.threads} threads")


def _emulator() -> Checked:
    """Lower, trace and time a small kernel on an emulated chip, twice."""
    from kernelwright.chips.emulated.checkup import check_emulator  # noqa: PLC0415  # lazy: needs Triton and Numba

    ok, found = check_emulator()
    return Checked("emulator", ok, found, "" if ok else "report a bug")


def _gpu() -> Checked:
    from kernelwright.compiler.checkup import gpu_name  # noqa: PLC0415  # slow

    found = gpu_name()
    return Checked("GPU", bool(found), found or "none", "" if found else "none is needed", optional=True)


def _sandbox() -> tuple[Checked, ...]:
    from kernelwright.sandbox import choose_sandbox, self_check  # noqa: PLC0415  # lazy

    advice = (
        "allow unprivileged user namespaces, or install bubblewrap or kernelwright[sandlock]; --unsafe works without"
    )
    try:
        sandbox = choose_sandbox()
        checks = self_check(sandbox)
    except KernelwrightError as error:
        return (Checked("sandbox", False, str(error), advice),)
    blocked = sum(check.blocked for check in checks)
    found = f"{sandbox.confinement}: {blocked} of {len(checks)} ways out are blocked{LIMITS[sandbox.confinement]}"
    return (
        Checked("sandbox", blocked == len(checks), found, "" if blocked == len(checks) else advice),
        *(
            Checked(f"sandbox: {check.name}", check.blocked, _said(check), "" if check.blocked else advice)
            for check in checks
        ),
    )


def _said(check: "Check") -> str:
    return f"{'blocked' if check.blocked else 'NOT blocked'}: {check.detail}"
