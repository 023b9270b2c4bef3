"""A number from outside, with where it comes from."""

from dataclasses import dataclass

Value = int | float | bool | tuple[int, ...]

# published: the vendor's repositories or documents; press: what was announced; measured: timed on silicon and
# published; derived: arithmetic on those; assumed: ours, to be swept between low and high.
STANDINGS = ("published", "press", "measured", "derived", "assumed")


@dataclass(frozen=True)
class Fact:
    """One field of a profile; engineers see it if `public`; `low` and `high` are its range where it is not known."""

    value: Value
    standing: str
    source: str
    public: bool = False
    low: float | None = None
    high: float | None = None
