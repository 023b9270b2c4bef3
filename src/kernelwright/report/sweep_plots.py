"""What a design sweep showed: sensitivities as bars, times as curves, and times against area."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kernelwright.report.figures import format_number
from kernelwright.report.plot_frame import COLOURS, Axis, Frame, dot, drawing, limits, line, path, text

WIDTH = 900.0
_BAR = 26.0
_PANEL_W, _PANEL_H, _COLUMNS = 290.0, 230.0, 3


@dataclass(frozen=True)
class Bar:
    """One factor: its elasticity (d log time / d log factor: -1 means twice the factor halves the time)."""

    name: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Times of one group by the value of a factor, relative to the time at `base`."""

    group: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """One factor with a curve for each group."""

    factor: str
    unit: str
    base: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Trade:
    """One design: area proxy, time relative to the base design, and what it is called."""

    name: str
    area: float
    time: float
    on_front: bool
    is_base: bool


def sensitivity_plot(title: str, bars: Sequence[Bar], subtitle: str) -> str:
    """Return horizontal bars around zero, longest first; left means that more of the factor makes it faster."""
    ordered = sorted(bars, key=lambda bar: (-abs(bar.value), bar.name))
    most = max([0.05, *(abs(bar.value) for bar in ordered)])
    left, top, across = 210.0, 84.0, 470.0
    frame = Frame(
        left, top, across, _BAR * max(1, len(ordered)),
        Axis(-most * 1.1, most * 1.1, "elasticity: change of log time over change of log factor", is_log=False),
        Axis(0.0, 1.0, "", is_log=False),
    )  # fmt: skip
    zero = frame.place(0.0, 0.0)[0]
    bottom = top + frame.height
    parts = [text(26, 28, title, "title"), text(26, 47, subtitle, "soft")]
    for value in frame.x.ticks(7):
        x = frame.place(value, 0.0)[0]
        parts += [line(x, top, x, bottom, "grid"), text(x, bottom + 17, format_number(value), "soft", "middle")]
    parts.append(text(left + across / 2, bottom + 37, frame.x.label, "soft", "middle"))
    parts.append(text(zero - 8, top - 9, "more is faster", "soft", "end") + text(zero + 8, top - 9, "slower", "soft"))
    for index, bar in enumerate(ordered):
        y = top + _BAR * index + 4
        x = frame.place(bar.value, 0.0)[0]
        colour = "f0" if bar.value <= 0 else "f1"
        parts.append(
            f'<rect class="{colour}" x="{min(x, zero):.1f}" y="{y:.1f}" width="{abs(x - zero):.1f}" height="18"/>'
        )
        parts.append(text(left - 12, y + 14, bar.name, "", "end"))
        parts.append(text(left + across + 12, y + 14, f"{bar.value:+.2f}  {bar.note}", "soft"))
    parts.append(line(zero, top, zero, bottom, "thin"))
    return drawing(WIDTH, bottom + 56, title, parts)


def curves_plot(title: str, panels: Sequence[Panel], subtitle: str) -> str:
    """Return a panel a factor: time over the base design's, by regime, both axes logarithmic."""
    groups = list(dict.fromkeys(curve.group for panel in panels for curve in panel.curves))
    rows = -(-len(panels) // _COLUMNS)
    top = 100.0
    parts = [text(26, 28, title, "title"), text(26, 47, subtitle, "soft"), *_legend(groups, 70)]
    times = [time for panel in panels for curve in panel.curves for _, time in curve.points]
    y_axis = Axis(*limits([1.0, *times], 1.08), "time / base")
    for index, panel in enumerate(panels):
        column, row = index % _COLUMNS, index // _COLUMNS
        parts.append(_panel(panel, groups, y_axis, (column * _PANEL_W + 62, top + row * _PANEL_H + 24)))
    return drawing(WIDTH, top + rows * _PANEL_H + 14, title, parts)


def _panel(panel: Panel, groups: Sequence[str], y_axis: Axis, corner: tuple[float, float]) -> str:
    values = [value for curve in panel.curves for value, _ in curve.points]
    label = f"{panel.factor} ({panel.unit})" if panel.unit else panel.factor
    frame = Frame(*corner, _PANEL_W - 80, _PANEL_H - 90, Axis(*limits(values, 1.05), label), y_axis)
    parts = [frame.axes(5)]
    base = frame.place(panel.base, y_axis.low)[0]
    parts.append(line(base, frame.top, base, frame.top + frame.height, "thin dash"))
    for curve in panel.curves:
        colour = groups.index(curve.group) % COLOURS
        parts.append(path([frame.place(*point) for point in curve.points], f"line s{colour}"))
    return "".join(parts)


def pareto_plot(title: str, trades: Sequence[Trade], subtitle: str, area_label: str) -> str:
    """Return designs by area proxy and time; those that no other beats in both are joined and named."""
    left, top, across, up = 70.0, 84.0, 560.0, 380.0
    front = sorted((trade for trade in trades if trade.on_front), key=lambda trade: trade.area)
    frame = Frame(
        left, top, across, up,
        Axis(*limits([t.area for t in trades], 1.04), area_label),
        Axis(*limits([t.time for t in trades], 1.04), "geometric mean of time / base (emulated)"),
    )  # fmt: skip
    parts = [text(26, 28, title, "title"), text(26, 47, subtitle, "soft"), frame.axes(7)]
    steps = [frame.place(trade.area, trade.time) for trade in front[:1]]
    for before, trade in pairwise(front):
        steps += [frame.place(trade.area, before.time), frame.place(trade.area, trade.time)]
    parts.append(path(steps, "line s0"))
    for trade in sorted(trades, key=lambda one: (one.is_base, one.on_front)):
        kind = "f1" if trade.is_base else "f0" if trade.on_front else "f5"
        words = f"{trade.name}: area {format_number(trade.area)}, time {format_number(trade.time)} of base (emulated)"
        parts.append(
            dot(*frame.place(trade.area, trade.time), kind, words, 5.0 if trade.on_front or trade.is_base else 3.0)
        )
    labelled: list[tuple[float, float]] = []
    for number, trade in enumerate(front, start=1):
        x, y = frame.place(trade.area, trade.time)
        # A number over another one tells nothing; the list beside the plot has them all.
        if all(abs(x - other[0]) > 16 or abs(y - other[1]) > 12 for other in labelled):
            labelled.append((x, y))
            parts.append(text(x + 6, y - 7, str(number), "f0"))
    x, y = left + across + 26, top + 6
    for number, trade in enumerate(front, start=1):
        parts.append(text(x, y, f"{number}  {trade.name}", "f0"))
        y += 17
    parts.append(dot(x + 4, y + 8, "f1", "base") + text(x + 16, y + 12, "the chip as its profile has it", "soft"))
    return drawing(WIDTH + 80, max(top + up + 56, y + 30), title, parts)


def _legend(groups: Sequence[str], y: float) -> list[str]:
    parts, x = [], 26.0
    for index, group in enumerate(groups):
        parts.append(line(x, y - 4, x + 18, y - 4, f"line s{index % COLOURS}") + text(x + 24, y, group, "soft"))
        x += 44 + 7.0 * len(group)
    return parts
