"""Which suite a command means."""

from kernelwright.core.errors import UnknownNameError


def choose_suite(problem: str, chip: str, suite: str | None) -> str:
    """Return the suite: the given one, else cpu on chip cpu and full elsewhere.

    Raises UnknownNameError, with the nearest name, for a problem, chip or suite that does not exist.
    """
    from kernelwright.chips.catalogue import chip_names  # noqa: PLC0415  # lazy
    from kernelwright.problems import load_problem, problem_names  # noqa: PLC0415  # needs torch

    if problem not in problem_names():
        raise UnknownNameError("problem", problem, problem_names())
    if chip not in chip_names():
        raise UnknownNameError("chip", chip, chip_names())
    chosen = suite or ("cpu" if chip == "cpu" else "full")
    suites = load_problem(problem).suites
    if chosen not in suites:
        raise UnknownNameError("suite", chosen, suites)
    return chosen
