"""A scatter of emulated against measured times, as an SVG file that stands alone."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 640, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 150, 46, 58
# Okabe and Ito's colours, told apart by readers with any colour vision.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:15px}"
    ".grid{stroke:#e3e3e3}.same{stroke:#222;stroke-width:1.2}.band{fill:#222;opacity:.07}circle{opacity:.55}</style>"
)


def scatter(title: str, groups: Mapping[str, Sequence[tuple[float, float]]], band: float) -> str:
    """Return a log-log drawing of (measured us, emulated us) pairs, a colour for each group.

    The line is where both are equal, the band reaches `band` percent to both sides. At least one pair is needed.
    """
    low, high = _limits([value for pairs in groups.values() for pair in pairs for value in pair])
    parts = [_frame(title, low, high), _band(low, high, band / 100)]
    for place, (name, pairs) in enumerate(groups.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        dots = "".join(
            f'<circle cx="{_across(measured, low, high):.1f}" cy="{_up(emulated, low, high):.1f}" r="2.6"/>'
            for measured, emulated in pairs
        )
        parts.append(f'<g fill="{colour}">{dots}</g>')
        y = _TOP + 14 + 20 * place
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 18}" cy="{y - 4}" r="5" fill="{colour}" style="opacity:1"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 30}" y="{y}">{escape(name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{_STYLE}<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    return math.log(min(values) / 1.2), math.log(max(values) * 1.2)


def _across(value: float, low: float, high: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log(value) - low) / (high - low)


def _up(value: float, low: float, high: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (math.log(value) - low) / (high - low)


def _frame(title: str, low: float, high: float) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>']
    for value in _ticks(low, high):
        x, y = _across(value, low, high), _up(value, low, high)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 14}" text-anchor="middle">measured, us</text>')
    y = (_TOP + bottom) / 2
    parts.append(f'<text transform="translate(20 {y:.0f}) rotate(-90)" text-anchor="middle">emulated, us</text>')
    return "".join(parts)


def _band(low: float, high: float, share: float) -> str:
    first, last = math.exp(low), math.exp(high)
    corners = [(first, first * (1 + share)), (last / (1 + share), last), (last, last), (last, last * (1 - share))]
    corners += [(first / (1 - share), first), (first, first)]
    points = " ".join(f"{_across(x, low, high):.1f},{_up(y, low, high):.1f}" for x, y in corners)
    line = f'<line class="same" x1="{_LEFT}" y1="{_HEIGHT - _BOTTOM}" x2="{_WIDTH - _RIGHT}" y2="{_TOP}"/>'
    return f'<polygon class="band" points="{points}"/>{line}'


def _ticks(low: float, high: float) -> list[float]:
    values = [step * 10.0**power for power in range(-3, 9) for step in (1, 2, 5)]
    inside = [value for value in values if low <= math.log(value) <= high]
    return inside if len(inside) <= 9 else [value for value in inside if f"{value:g}".startswith("1")]
