"""What is known of a chip, as a table: every number with unit, standing, range and source."""

from collections.abc import Mapping, Sequence

from kernelwright.report.figures import NONE, format_quantity
from kernelwright.report.tables import Table


def chip_table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """Return one line a fact; rows as `chips.emulated.view` makes them."""
    lines = tuple(
        (
            str(row["field"]),
            _value(row["value"], str(row["unit"])),
            str(row["standing"]),
            _range(row["low"], row["high"], str(row["unit"])),
            "hidden" if row["hidden"] else "",
            str(row["source"]),
        )
        for row in rows
    )
    headings = ("field", "value", "standing", "range", "engineers", "source")
    return Table(title, headings, lines, left=len(headings))


def _value(value: object, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        joint = " x " if unit == "m x n x k" else " "
        return joint.join(map(str, value)) if value else "none"
    if isinstance(value, int | float):
        return format_quantity(value, unit)
    return str(value)


def _range(low: object, high: object, unit: str) -> str:
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return NONE
    if low == high:
        return "fixed"
    first, last = format_quantity(low, unit), format_quantity(high, unit)
    number, _, suffix = first.partition(" ")
    return f"{number if last.endswith(f' {suffix}') else first} to {last}"
