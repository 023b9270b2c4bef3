"""Which suite a command means."""

from kernelwright.core.errors import UnknownNameError


def choose_suite(problem: str, chip: str, suite: str | None) -> str:
    """Return the suite: the given one, else cpu on chip cpu and full elsewhere.

    Raises UnknownNameError, with the nearest name, for a problem, chip or suite that does not exist.
    """
    from kernelwright.chips.catalogue import require_chip  # noqa: PLC0415  # lazy
    from kernelwright.problems import load_problem  # noqa: PLC0415  # needs torch

    suites = load_problem(problem).suites
    require_chip(chip)
    chosen = suite or ("cpu" if chip == "cpu" else "full")
    if chosen not in suites:
        raise UnknownNameError("suite", chosen, suites)
    return chosen
