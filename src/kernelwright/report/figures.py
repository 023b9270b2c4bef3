"""Numbers as people read them: three significant digits, units, a dash where nothing applies."""

from collections.abc import Mapping

from kernelwright.core.timing import Conditions

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
    """Return a speedup as `7.91x`, with its 95 % interval if there is one; ratios of exact times have none."""
    if value is None:
        return NONE
    shown = f"{_three(value)}x"
    is_exact = interval is None or interval[0] == interval[1]
    return shown if interval is None or is_exact else f"{shown} [{_three(interval[0])}, {_three(interval[1])}]"


def format_ms(time_ns: float | None) -> str:
    """Return a time as milliseconds, without the unit."""
    return NONE if time_ns is None else format_number(time_ns / 1e6)


def format_percent(fraction: float | None) -> str:
    """Return a fraction as a whole percentage."""
    return NONE if fraction is None else f"{fraction:.0%}"


def format_noise(noise_floor: float | None) -> str:
    """Return how far the baseline seemed from itself, as a percentage with one decimal."""
    return NONE if noise_floor is None else f"{noise_floor:.1%}"


def format_conditions(conditions: Conditions) -> str:
    """Return one line on what the machine did while calls were timed; what it does not tell is called unknown."""
    waited = None if conditions.waited_ns is None else conditions.waited_ns / max(conditions.called_ns, 1)
    frequency = conditions.frequency_hz
    parts = [
        f"{_known(conditions.threads)} threads on cores {','.join(str(core) for core in conditions.cores)}",
        f"scheduling {_known(conditions.scheduling)}",
        f"governor {_known(conditions.governor)}",
        f"frequency {_known(None if frequency is None else f'{frequency / 1e9:.2f} GHz')}",
        f"waited {_known(None if waited is None else f'{waited:.1%}')}",
        f"stolen {_known(None if conditions.stolen_share is None else f'{conditions.stolen_share:.1%}')}",
        f"switches {_known(conditions.switches)}, moves {_known(conditions.migrations)}",
        f"load {_known(None if conditions.load is None else f'{conditions.load:.1f}')}",
        f"{conditions.repeated} polluted blocks repeated of {conditions.blocks}",
    ]
    return "   ".join(parts)


def _known(value: object) -> str:
    return "unknown" if value is None else str(value)


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


def format_split(seconds: Mapping[str, float]) -> str:
    """Return how long a judgement took, and its phases from 0.1 s, longest first."""
    apart = ("total", "kernels", "checked kernels")
    phases = sorted((s, name) for name, s in seconds.items() if name not in apart and s >= 0.1)
    parts = ", ".join(f"{name} {s:.1f}" for s, name in reversed(phases))
    return f"{seconds.get('total', 0):.1f} s: {parts}; kernels {seconds.get('kernels', 0):.1f} of it"


def format_quantity(value: float, unit: str) -> str:
    """Return a number with its unit: bytes in KiB or MiB where that is exact, large hertz and rates with a prefix.

    Rates have four digits, as other numbers that are not whole.
    """
    for exact, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if unit in ("B", "B/unit") and value >= exact and value % exact == 0:
            return f"{value / exact:,.0f} {name}{unit[1:]}"
    if unit in ("B", "Hz") or unit.endswith("/s"):
        for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
            if value >= size:
                return f"{value / size:.4g} {prefix}{unit}"
    number = f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
    return f"{number} {unit}".strip()
