"""Reports: every figure is there, nothing is fetched, nothing from outside runs."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from kernelwright.cli.stories import story_of
from kernelwright.core.rates import TrueRate, flat_rates, noted_rates, rates_note
from kernelwright.core.timing import Conditions
from kernelwright.report import RunStory, format_html, format_ratio, print_report
from kernelwright.report.figures import format_conditions, format_duration, format_ms, format_noise, format_number
from kernelwright.report.svg import Point, progress_curve
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, script
from tests.runs.test_loop import open_ledger, start


@pytest.fixture
def story(tmp_path: Path) -> RunStory:
    ledger = open_ledger(tmp_path)
    start(ledger, ScriptedBench(ScriptedEngineer(script(20))))
    found = story_of(ledger.entries("r"), ledger.blob)
    promotions = tuple(replace(promotion, active_s=60.0 * i) for i, promotion in enumerate(found.promotions))
    # Times and hashes of a real run differ each time.
    return replace(found, promotions=promotions, opened_ns=1_800_000_000 * 10**9, active_s=3723.0, ledger_head="0" * 64)


def text_of(story: RunStory, width: int = 400) -> str:
    screen = io.StringIO()
    print_report(story, Console(file=screen, width=width, highlight=False, markup=False))
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines()) + "\n"


def test_the_terminal_report_is_the_golden_one(story: RunStory, golden: Callable[[str, str], None]) -> None:
    golden("report.txt", text_of(story))


def test_a_narrow_terminal_loses_no_figure(story: RunStory) -> None:
    figures = re.findall(r"[\d.]+x", text_of(story))
    assert re.findall(r"[\d.]+x", text_of(story, width=40)) == figures
    assert "…" not in text_of(story, width=40)


class Page(HTMLParser):
    """Collects tags, their attributes and the text of a page; fails on unbalanced ones."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(story: RunStory) -> Page:
    page = Page()
    page.feed(format_html(story))
    assert page.open == []
    return page


def test_the_page_needs_no_other_file_and_runs_no_script(story: RunStory) -> None:
    page = page_of(story)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "onclick", "onload")]
    assert "url(" not in format_html(story)
    assert "@import" not in format_html(story)


def test_the_page_holds_every_workload_the_kernel_and_how_to_verify(story: RunStory) -> None:
    text = page_of(story).text
    for needed in (
        "cold 2k",
        "ragged mix",
        "hidden hit (hidden)",
        story.source.splitlines()[0],
        "kernelwright verify r",
    ):
        assert needed in text
    assert story.final is not None
    assert story.final.tuned is not None
    assert format_ratio(story.final.tuned.geomean_speedup, story.final.tuned.ci95) in text


def test_what_a_candidate_or_a_person_wrote_cannot_become_markup(story: RunStory) -> None:
    hostile = "<script>alert(1)</script>"
    page = page_of(replace(story, source=hostile, notes=(hostile,), end_reason=hostile))
    assert "script" not in page.tags
    assert page.text.count(hostile) == 3


TRUE = (
    TrueRate("units", 39.0, "", "published", "units that can be used"),
    TrueRate("exp_per_s", 1.48512e12, "/s", "assumed", "results of exp"),
    TrueRate("dot_f8_flops_per_s", None, "FLOP/s", "", "the chip does not multiply f8"),
    TrueRate("dot_rows.64", 3.8e14, "FLOP/s", "assumed", "none of its own"),
)
LEARNED = {"units": 39, "exp_per_s": 1.4e12, "dot_rows": {"64": 1.9e14}, "my_own": 7.25, "note": "words"}


def test_rates_that_were_learned_stand_beside_the_true_ones_in_terminal_and_page(story: RunStory) -> None:
    known = replace(story, notes=("rates: {}", rates_note(LEARNED), "later"), true_rates=TRUE)
    lines = {line.split()[0]: line for line in text_of(known).splitlines() if line}
    assert lines["units"].split()[-3:] == ["39", "39", "1.00"]
    assert re.search(r"results of exp +assumed +1\.4 T/s +1\.485 T/s +0\.94$", lines["exp_per_s"])
    assert re.search(r"none: the chip does not multiply f8 +- +- +- +-$", lines["dot_f8_flops_per_s"])
    assert re.search(r"190 TFLOP/s +380 TFLOP/s +0\.50$", lines["dot_rows.64"])
    assert re.search(r"nothing known under this name +- +7\.25 +- +-$", lines["my_own"])
    text = page_of(known).text
    assert "1.485 T/s" in text and "learned/true" in text


@pytest.mark.parametrize("notes", [(), ("I found 39 units",), ("rates: {not json",), ("rates: [39]",), ("rates: {}",)])
def test_without_a_note_of_rates_there_is_no_table(story: RunStory, notes: tuple[str, ...]) -> None:
    told = text_of(replace(story, notes=notes, true_rates=TRUE))
    assert "learned" not in told


def test_an_open_run_does_not_tell_what_is_true(story: RunStory) -> None:
    known = replace(story, notes=(rates_note(LEARNED),), true_rates=TRUE, phase="working")
    assert "learned" not in text_of(known) and "results of exp" not in page_of(known).text


def test_the_newest_note_of_rates_counts_and_only_numbers_of_it() -> None:
    notes = (
        rates_note({"units": 1}),
        rates_note({"units": 2, "x": True, "y": float("inf"), "z": None}),
        "rates: broken",
    )
    assert flat_rates(noted_rates(notes)) == {"units": 2.0}


def test_an_open_run_and_one_without_a_kernel_have_reports(story: RunStory) -> None:
    empty = replace(story, final=None, promotions=(), evaluations=(), source="", counted=0, tuned=None)
    assert "nothing that was tried beats the reference" in text_of(empty)
    assert "open, phase working" in text_of(replace(empty, phase="working"))
    page_of(empty)


def test_the_curve_has_a_dot_for_each_accepted_candidate_and_a_line_for_each_redesign() -> None:
    points = [Point(1, 0.5, False, False), Point(2, 1.5, True, True), Point(4, 3.0, True, False)]
    drawing = progress_curve(points, 5)
    assert drawing.count("<circle") == 3
    assert drawing.count('class="promoted"') == 2
    assert drawing.count('class="redesign"') == 1
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawing)]
    assert heights[0] > heights[1] > heights[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.1234, "0.123"),
        (9.999, "10"),
        (1234.5, "1,230"),
        (1e-7, "1e-07"),
        (123456789.0, "1.23e+08"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_ratios_times_and_durations_read_well() -> None:
    assert format_ratio(7.912, (7.7, 8.104)) == "7.91x [7.70, 8.10]"
    assert format_ratio(None) == "-"
    assert format_ratio(123.4) == "123x"
    assert format_ms(61_234_567.0) == "61.2"
    assert [format_duration(s) for s in (5, 65, 3725)] == ["5 s", "1 min 5 s", "1 h 2 min"]


def test_conditions_are_one_line_and_say_what_is_unknown() -> None:
    known = Conditions((0, 1), 2, "real time", "performance", 2.5e9, 100, 80, 2, 0.015, 3, 0, 1.25, 30, 2)
    assert format_conditions(known) == (
        "2 threads on cores 0,1   scheduling real time   governor performance   frequency 2.50 GHz   waited 2.5%   "
        "stolen 1.5%   switches 3, moves 0   load 1.2   2 polluted blocks repeated of 30"
    )
    assert format_conditions(Conditions()).count("unknown") == 9
    assert format_noise(None) == "-" and format_noise(0.0123) == "1.2%"
