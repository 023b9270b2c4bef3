"""What an engineer learned of an emulated chip, beside what is true of it."""

from collections.abc import Mapping, Sequence

from kernelwright.core.rates import TrueRate, flat_rates, noted_rates
from kernelwright.report.figures import NONE, format_number, format_quantity
from kernelwright.report.story import RunStory
from kernelwright.report.tables import Table

TITLE = "Rates of the chip: learned by probes, and true of its profile (emulated)"


def rate_tables(story: RunStory) -> tuple[Table, ...]:
    """Return the table of a closed run whose notebook holds rates and whose chip's are known; else nothing."""
    learned = flat_rates(noted_rates(story.notes))
    if story.phase != "closed" or not learned or not story.true_rates:
        return ()
    return (rate_table(learned, story.true_rates),)


def rate_table(learned: Mapping[str, float], true: Sequence[TrueRate]) -> Table:
    """Return one row a true rate, then one for each learned name that nothing is known to compare with."""
    rows = [_row(learned.get(rate.name), rate) for rate in true]
    known = {rate.name for rate in true}
    rows += [
        (name, "nothing known under this name", NONE, format_number(value), NONE, NONE)
        for name, value in learned.items()
        if name not in known
    ]
    headings = ("rate", "what is true", "standing", "learned", "true", "learned/true")
    return Table(TITLE, headings, tuple(rows), left=3)


def _row(learned: float | None, rate: TrueRate) -> tuple[str, ...]:
    seen = NONE if learned is None else format_quantity(learned, rate.unit)
    if rate.value is None:
        return (rate.name, f"none: {rate.basis}", NONE, seen, NONE, NONE)
    ratio = NONE if learned is None or not rate.value else f"{learned / rate.value:.2f}"
    return (rate.name, rate.basis, rate.standing, seen, format_quantity(rate.value, rate.unit), ratio)
