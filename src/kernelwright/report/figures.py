"""Numbers as people read them: three significant digits, units, a dash where nothing applies."""

NONE = "-"


def format_number(value: float | None) -> str:
    """Return three significant digits, never in powers of ten between 0.001 and 100,000."""
    if value is None:
        return NONE
    if value == 0 or not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    text = f"{value:.3g}"
    return f"{float(text):,.0f}" if "e" in text else text


def format_ratio(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """Return a speedup as `7.91x`, with its 95 % interval if there is one."""
    if value is None:
        return NONE
    shown = f"{_three(value)}x"
    return f"{shown} [{_three(interval[0])}, {_three(interval[1])}]" if interval else shown


def format_ms(time_ns: float | None) -> str:
    """Return a time as milliseconds, without the unit."""
    return NONE if time_ns is None else format_number(time_ns / 1e6)


def format_percent(fraction: float | None) -> str:
    """Return a fraction as a whole percentage."""
    return NONE if fraction is None else f"{fraction:.0%}"


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _three(value: float) -> str:
    """Return three significant digits with trailing zeros: figures in a column stay comparable."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
