"""Drawings as SVG text: no library, no outside file; colours come from the page's CSS variables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kernelwright.report.figures import format_number

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 340, 62, 18, 22, 44


@dataclass(frozen=True)
class Point:
    """An accepted evaluation: its count, its speedup, and whether it became best or changed the design."""

    count: int
    speedup: float
    is_best: bool
    is_redesign: bool


def progress_curve(points: Sequence[Point], last_count: int) -> str:
    """Return the best speedup against counted evaluations, on a logarithmic axis.

    Every accepted candidate is a dot, promotions are filled, redesigns are numbered lines.
    """
    low, high = _limits([1.0, *(point.speedup for point in points)])
    parts = [_axes(low, high, max(1, last_count))]

    def place(count: float, speedup: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * count / max(1, last_count)
        up = (math.log(speedup) - math.log(low)) / (math.log(high) - math.log(low))
        return across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, max(0.0, up))

    path, best = [place(0, 1.0)], 1.0
    redesigns = 0
    for point in points:
        if point.is_best:
            path += [place(point.count, best), place(point.count, point.speedup)]
            best = point.speedup
        if point.is_redesign:
            redesigns += 1
            parts.append(_mark(place(point.count, low)[0], str(redesigns)))
    path.append(place(last_count, best))
    parts.append(f'<polyline class="best" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in path)}"/>')
    parts += [_dot(*place(point.count, point.speedup), point) for point in points]
    label = "Speedup over the reference against counted evaluations"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}"
        f'<text class="axis" x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        "counted evaluations</text></svg>"
    )


def share_bar(fraction: float) -> str:
    """Return a small horizontal bar that shows a fraction of 1."""
    width = 100 * min(1.0, max(0.0, fraction))
    return (
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="8"/><rect class="fill" width="{width:.1f}" height="8"/></svg>'
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / 1.08, max(*values, min(values) * 1.2) * 1.08


def _axes(low: float, high: float, last_count: int) -> str:
    parts = []
    for value in _ratio_ticks(low, high):
        up = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="axis" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{format_number(value)}x</text>'
        )
    step = _count_step(last_count)
    for count in range(0, last_count + 1, step):
        x = LEFT + (WIDTH - LEFT - RIGHT) * count / last_count
        parts.append(f'<text class="axis" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{count}</text>')
    return "".join(parts)


def _ratio_ticks(low: float, high: float) -> list[float]:
    decades = [10.0**power for power in range(-3, 6)]
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [step * decade for decade in decades for step in steps if low <= step * decade <= high]
        if len(ticks) >= 4:
            return ticks
    return [low * (high / low) ** (part / 4) for part in range(1, 4)]


def _count_step(last_count: int) -> int:
    return next((step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if last_count / step <= 10), 1000)


def _mark(x: float, text: str) -> str:
    return (
        f'<line class="redesign" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="redesign-label" x="{x:.1f}" y="{TOP - 6}" text-anchor="middle">{escape(text)}</text>'
    )


def _dot(x: float, y: float, point: Point) -> str:
    kind = "promoted" if point.is_best else "tried"
    text = f"evaluation {point.count}: {format_number(point.speedup)}x"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(text)}</title></circle>'
