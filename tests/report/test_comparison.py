"""Engineers side by side: a table, a plot that needs no colour, a page that needs nothing else."""

import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from kernelwright.core.run_figures import ModelUsage, RunFigures
from kernelwright.report import print_table
from kernelwright.report.comparison import Comparison, comparison_page, comparison_plot, comparison_table, runs_table
from kernelwright.report.progress_plot import ProgressLine, mark, progress_plot
from tests.report.test_report import Page

FIRST = RunFigures(
    "r-1", "search", "search", 0, "closed", "accepted", True, 7.912, (7.7, 8.1), 40, {"2x": 3, "4x": 11, "8x": None},
    {"incorrect": 0.1, "timeout": 0.05}, 4, 1234, 7300.0, 3725.0, None, 0.081, False, ((3, 2.5), (11, 4.5), (30, 7.9)),
)  # fmt: skip
SECOND = replace(
    FIRST, run="r-2", label="model <b>", engineer="model", speedup=2.1, ci95=None, evaluations=12, unsafe=True,
    evaluations_to={"2x": 9, "4x": None, "8x": None}, failed_share={"compile_error": 0.5}, best_so_far=((9, 2.1),),
    usage=ModelUsage(1_250_000, 32_000, 4.5, ("m",)), regret=None, phase="working", is_final=False,
)  # fmt: skip
NONE_FOUND = replace(
    FIRST, run="r-3", label="agent", speedup=None, ci95=None, evaluations=0, failed_share={}, best_so_far=(),
    final_status="no_candidate", is_final=False, evaluations_to={"2x": None, "4x": None, "8x": None},
)  # fmt: skip
BOTH = Comparison("matmul", "m890", "full", True, (FIRST, SECOND, NONE_FOUND), ("cpu differs: a (r-1), b (r-2)",))


def cells() -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in comparison_table(BOTH).rows}


def test_every_figure_has_a_row_and_every_run_a_column() -> None:
    table, rows = comparison_table(BOTH), cells()
    assert table.headings == ("", "search", "model <b>", "agent")
    assert rows["best over the reference (emulated)"] == ("7.91x [7.70, 8.10]", "2.10x", "-")
    assert rows["evaluations to 4x"] == ("11", "-", "-")
    assert rows["failed candidates"] == ("15%", "50%", "-")
    assert rows["failed: incorrect"] == ("10%", "-", "-")
    assert rows["failed: compile_error"] == ("-", "50%", "-")
    assert rows["tokens in"] == ("-", "1,250,000", "-")
    assert rows["US dollars"] == ("-", "4.5", "-")
    assert rows["worked on"] == ("1 h 2 min",) * 3
    assert rows["regret"] == ("8%", "-", "8%")
    assert {row[0]: row[4] for row in runs_table(BOTH).rows} == {
        "search": "accepted", "model <b>": "working, not yet judged again", "agent": "nothing beats the reference",
    }  # fmt: skip


def test_a_real_chip_s_table_says_nothing_of_emulation() -> None:
    assert "emulated" not in str(comparison_table(replace(BOTH, emulated=False)))


@pytest.mark.parametrize("width", [40, 200])
def test_a_terminal_of_any_width_shows_all_figures(width: int) -> None:
    screen = io.StringIO()
    print_table(comparison_table(BOTH), Console(file=screen, width=width, highlight=False, markup=False))
    assert "7.91x [7.70, 8.10]" in screen.getvalue() and "1,250,000" in screen.getvalue()


def test_curves_are_told_apart_without_colour() -> None:
    marks = [re.sub(r"\b[fs]\d", "", mark(50.0, 50.0, number, "")) for number in range(16)]
    assert len(set(marks)) == 16
    lines = [ProgressLine(f"run {number}", ((1, 1.5), (4, 2.0 + number)), 5) for number in range(16)]
    curves = re.findall(r"<polyline ([^>]*) points", progress_plot("x", lines))
    dashes = [re.sub(r'class="[^"]*"', "", curve).strip() for curve in curves]
    assert len(dashes) == 16 and len(set(dashes[:8])) == 8
    # Where dashes come again, marks are others.
    assert len({(dash, kind) for dash, kind in zip(dashes, marks, strict=True)}) == 16


def test_names_stand_apart_even_where_curves_end_together() -> None:
    drawing = progress_plot("x", [ProgressLine(f"run {n}", ((1, 3.0),), 5) for n in range(12)])
    places = [float(y) for y in re.findall(r'<text class="f\d" x="[\d.]+" y="([\d.]+)"', drawing)]
    gaps = [after - before for before, after in zip(sorted(places), sorted(places)[1:], strict=False)]
    assert len(places) == 12 and min(gaps) > 12


def test_a_plot_is_one_drawing_with_every_name_and_best_on_it() -> None:
    root = ElementTree.fromstring(comparison_plot(BOTH))
    said = " ".join(root.itertext())
    for words in ("search, 7.9x", "model <b>, 2.1x", "agent, nothing above 1x", "counted evaluations", "emulated"):
        assert words in said
    width = float(root.attrib["width"])
    assert all(float(text.attrib["x"]) < width for text in root.iter() if text.tag.endswith("text"))


@pytest.mark.parametrize("points", [(), ((1, 1.0),), ((1, 0.5), (2, 1e6))])
def test_any_progress_can_be_drawn(points: tuple[tuple[int, float], ...]) -> None:
    ElementTree.fromstring(progress_plot("x", [ProgressLine("a", points, len(points))]))


def test_the_page_needs_no_other_file_and_escapes_names() -> None:
    text = comparison_page(BOTH)
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "img", "b"} & set(page.tags)
    for words in ("matmul on m890 (emulated), suite full", "model <b>", "cpu differs", "without a sandbox: r-2"):
        assert words in page.text
