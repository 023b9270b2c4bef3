"""Workloads under the roofs of a chip. Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.report.figures import format_number
from kernelwright.report.plot_frame import COLOURS, Axis, Frame, dot, drawing, limits, line, path, short, text

WIDTH, HEIGHT, LEFT, TOP, ACROSS, UP = 1080.0, 560.0, 70.0, 78.0, 620.0, 420.0
_ROW = 18.0


@dataclass(frozen=True)
class Roof:
    """A limit: FLOP/s of a dot type, or bytes/s of a level (`is_slope`)."""

    name: str
    per_s: float
    is_slope: bool


@dataclass(frozen=True)
class RooflinePoint:
    """One workload: useful floating-point operations, compulsory bytes, time; `group` is its regime."""

    name: str
    group: str
    flops: float
    moved_bytes: float
    time_ns: float

    @property
    def intensity(self) -> float:
        """Return useful operations per compulsory byte."""
        return self.flops / self.moved_bytes

    @property
    def per_s(self) -> float:
        """Return useful operations per second."""
        return self.flops / self.time_ns * 1e9


def roofline_plot(title: str, roofs: Sequence[Roof], points: Sequence[RooflinePoint]) -> str:
    """Return the plot: points are numbered, the list beside them gives rates. `title` has to say emulated.

    Workloads without dot products have no place on it and are listed as such. Raises ValueError without roofs.
    """
    flat = [roof for roof in roofs if not roof.is_slope]
    slopes = [roof for roof in roofs if roof.is_slope]
    if not flat or not slopes:
        raise ValueError("a roofline must have a roof of each kind")
    placed = [point for point in points if point.flops > 0 and point.moved_bytes > 0]
    frame = _frame(flat, slopes, placed)
    parts = [text(LEFT - 44, 28, title, "title"), text(LEFT - 44, 46, _SUBTITLE, "soft"), frame.axes(9)]
    parts += [_flat_roof(frame, roof, slopes) for roof in flat]
    parts += [_slope(frame, roof, max(one.per_s for one in flat)) for roof in slopes]
    groups = list(dict.fromkeys(point.group for point in points))
    for number, point in enumerate(placed, start=1):
        parts.append(_numbered(frame, number, point, groups.index(point.group)))
    parts += _listed(placed, groups, [p.name for p in points if p not in placed])
    return drawing(WIDTH, max(HEIGHT, TOP + 40 + _ROW * (len(points) + len(groups) + 3)), title, parts)


_SUBTITLE = "useful operations (masked ones not counted) over compulsory bytes; every point and roof is emulated"


def _frame(flat: Sequence[Roof], slopes: Sequence[Roof], placed: Sequence[RooflinePoint]) -> Frame:
    top = max([*(roof.per_s for roof in flat), *(point.per_s for point in placed)])
    ridges = [roof.per_s / slope.per_s for roof in flat for slope in slopes]
    x = limits([*ridges, *(point.intensity for point in placed)], 2.0)
    low = min([min(roof.per_s for roof in flat) / 4, *(point.per_s / 1.6 for point in placed)])
    return Frame(
        LEFT, TOP, ACROSS, UP, Axis(*x, "useful FLOP per compulsory byte"), Axis(low, top * 1.6, "useful FLOP/s")
    )


def _flat_roof(frame: Frame, roof: Roof, slopes: Sequence[Roof]) -> str:
    begin = max(frame.x.low, roof.per_s / max(slope.per_s for slope in slopes))
    x1, y = frame.place(begin, roof.per_s)
    x2 = frame.left + frame.width
    return line(x1, y, x2, y, "line s5") + text(x2 - 4, y - 5, f"{roof.name} {short(roof.per_s)}FLOP/s", "soft", "end")


def _slope(frame: Frame, roof: Roof, top: float) -> str:
    begin = max(frame.x.low, frame.y.low / roof.per_s)
    end = min(frame.x.high, top / roof.per_s)
    first, last = frame.place(begin, begin * roof.per_s), frame.place(end, end * roof.per_s)
    x, y = first[0] + (last[0] - first[0]) * 0.3, first[1] + (last[1] - first[1]) * 0.3
    angle = _degrees(first, last)
    label = f"{roof.name} {short(roof.per_s)}B/s"
    turned = text(0, -6, label, "soft", "middle")
    return (
        path([first, last], "line s5") + f'<g transform="translate({x:.1f} {y:.1f}) rotate({angle:.1f})">{turned}</g>'
    )


def _degrees(first: tuple[float, float], last: tuple[float, float]) -> float:
    return math.degrees(math.atan2(last[1] - first[1], last[0] - first[0]))


def _numbered(frame: Frame, number: int, point: RooflinePoint, group: int) -> str:
    x, y = frame.place(point.intensity, point.per_s)
    words = f"{point.name}: {short(point.per_s)}FLOP/s emulated at {format_number(point.intensity)} FLOP/byte"
    return dot(x, y, f"f{group % COLOURS}", words) + text(x + 7, y + 4, str(number), f"f{group % COLOURS}")


def _listed(placed: Sequence[RooflinePoint], groups: Sequence[str], missing: Sequence[str]) -> list[str]:
    x, y = LEFT + ACROSS + 28, TOP + 4
    parts = [text(x, y, "workload", "soft"), text(WIDTH - 100, y, "FLOP/byte", "soft", "end")]
    parts.append(text(WIDTH - 20, y, "FLOP/s", "soft", "end"))
    for number, point in enumerate(placed, start=1):
        y += _ROW
        colour = f"f{groups.index(point.group) % COLOURS}"
        parts.append(text(x, y, f"{number}  {point.name}", colour))
        parts.append(text(WIDTH - 100, y, format_number(point.intensity), "soft", "end"))
        parts.append(text(WIDTH - 20, y, short(point.per_s), "soft", "end"))
    y += _ROW / 2
    for index, group in enumerate(groups):
        y += _ROW
        parts.append(dot(x + 4, y - 4, f"f{index % COLOURS}", group) + text(x + 16, y, group, "soft"))
    for name in missing:
        y += _ROW
        parts.append(text(x, y, f"{name}: no dot products, no place here", "soft"))
    return parts
