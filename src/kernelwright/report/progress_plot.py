"""Best-so-far curves of several runs in one plot: told apart by dashes, marks and names, without any colour too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from kernelwright.report.figures import format_number
from kernelwright.report.plot_frame import COLOURS, Axis, Frame, drawing, limits, line, path, text

WIDTH, HEIGHT, LEFT, TOP, ACROSS, UP = 1000, 470, 70, 74, 660, 340
_ROW = 17.0
# About the width of a character of a name.
_CHARACTER = 7.0
_DASHES = ("", "9 4", "2 4", "12 4 2 4", "5 3", "16 5", "2 3 2 8", "9 3 2 3 2 3")
# Half the width of a mark.
_SIZE = 5.0


@dataclass(frozen=True)
class ProgressLine:
    """One run: (counted evaluation, speedup) at each new best, and how many evaluations it had in all."""

    name: str
    points: tuple[tuple[int, float], ...]
    evaluations: int


def progress_plot(title: str, lines: Sequence[ProgressLine]) -> str:
    """Return the plot; every run begins at the reference, 1x, and each of its marks is a new best."""
    last = max([1, *(one.evaluations for one in lines)])
    speedups = [1.0, *(speedup for one in lines for _, speedup in one.points)]
    low, high = limits(speedups, 1.08)
    y = Axis(low, max(high, low * 1.5), "best speedup over the reference so far")
    frame = Frame(LEFT, TOP, ACROSS, UP, Axis(0.0, float(last), "counted evaluations", is_log=False), y)
    parts = [text(LEFT - 44, 28, title, "title"), frame.axes(9)]
    parts.append(line(*frame.place(0.0, 1.0), *frame.place(float(last), 1.0), "thin"))
    ends = [_corners(one)[-1] for one in lines]
    for number, one in enumerate(lines):
        parts.append(_curve(frame, one, number))
    for number, (one, y_name) in enumerate(zip(lines, _apart([frame.place(*end)[1] for end in ends]), strict=True)):
        parts.append(_name(frame, one, number, ends[number], y_name))
    height = max(HEIGHT, TOP + _ROW * (len(lines) + 2))
    widest = max((len(_label(one)) for one in lines), default=0)
    return drawing(max(WIDTH, LEFT + ACROSS + 46 + _CHARACTER * widest), height, title, parts)


def _corners(one: ProgressLine) -> list[tuple[float, float]]:
    """Return the corners of the steps: level until a new best, then straight up."""
    corners, best = [(0.0, 1.0)], 1.0
    for count, speedup in one.points:
        corners += [(float(count), best), (float(count), speedup)]
        best = speedup
    return [*corners, (float(one.evaluations), best)]


def _curve(frame: Frame, one: ProgressLine, number: int) -> str:
    corners = [frame.place(*corner) for corner in _corners(one)]
    dashes = _DASHES[(number + number // COLOURS) % len(_DASHES)]
    marks = (
        mark(*frame.place(float(count), speedup), number, f"{one.name}, evaluation {count}: {format_number(speedup)}x")
        for count, speedup in one.points
    )
    return path(corners, f"line s{number % COLOURS}", dashes) + "".join(marks)


def _name(frame: Frame, one: ProgressLine, number: int, end: tuple[float, float], y_name: float) -> str:
    """Return the run's name beside the plot, its mark before it, and a thin line from the end of its curve."""
    x_end, y_end = frame.place(*end)
    x = frame.left + frame.width + 26
    lead = line(x_end + 3, y_end, x - 9, y_name, "thin")
    words = text(x + 10, y_name + 4, _label(one), f"f{number % COLOURS}")
    return lead + mark(x, y_name, number, one.name) + words


def _label(one: ProgressLine) -> str:
    return f"{one.name}, {format_number(one.points[-1][1])}x" if one.points else f"{one.name}, nothing above 1x"


def _apart(places: Sequence[float]) -> list[float]:
    """Return places as near to the given ones as rows of text allow, in the same order from top to bottom."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    found, above = [0.0] * len(places), -1e9
    for number in order:
        above = found[number] = max(places[number], above + _ROW)
    # What was pushed below the plot moves up again, with what stands right above it.
    below = TOP + UP + _ROW
    for number in reversed(order):
        below = found[number] = min(found[number], below - _ROW)
    return found


def mark(x: float, y: float, number: int, words: str) -> str:
    """Return a mark of the run's own shape; every second one is hollow."""
    shape = _SHAPES[number % len(_SHAPES)](x, y)
    is_hollow = (number // len(_SHAPES)) % 2 == 1
    kind = f"s{number % COLOURS} {'hollow' if is_hollow else f'f{number % COLOURS}'}"
    return f'<path class="{kind}" stroke-width="1.5" d="{shape}"><title>{escape(words)}</title></path>'


def _polygon(corners: Sequence[tuple[float, float]]) -> Callable[[float, float], str]:
    def shape(x: float, y: float) -> str:
        places = (f"{x + _SIZE * across:.1f} {y + _SIZE * down:.1f}" for across, down in corners)
        return "M" + " L".join(places) + " Z"

    return shape


def _circle(x: float, y: float) -> str:
    r = _SIZE * 0.9
    return f"M{x - r:.1f} {y:.1f} a{r:.1f} {r:.1f} 0 1 0 {2 * r:.1f} 0 a{r:.1f} {r:.1f} 0 1 0 {-2 * r:.1f} 0 Z"


_PLUS = (
    (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3), (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3),
    (-1, -0.3), (-0.3, -0.3),
)  # fmt: skip
_CROSS = tuple(((a - b) * 0.72, (a + b) * 0.72) for a, b in _PLUS)
_SHAPES: tuple[Callable[[float, float], str], ...] = (
    _circle,
    _polygon(((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85))),
    _polygon(((0, -1.05), (1, 0.85), (-1, 0.85))),
    _polygon(((0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0))),
    _polygon(_CROSS),
    _polygon(((0, 1.05), (1, -0.85), (-1, -0.85))),
    _polygon(_PLUS),
    _polygon(((-1.3, -0.45), (1.3, -0.45), (1.3, 0.45), (-1.3, 0.45))),
)
