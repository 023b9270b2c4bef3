"""Plots: well-formed, within their frame, every figure there, emulated said."""

from xml.etree import ElementTree

import pytest

from kernelwright.report.codesign import (
    FactorView,
    ModelView,
    SweepView,
    TradeView,
    ValueView,
    bars_of,
    curves_of,
    sweep_page,
    tables_of,
    trades_of,
)
from kernelwright.report.plot_frame import Axis
from kernelwright.report.profile import LaunchView, WorkloadView, explanations, launch_table, profile_page
from kernelwright.report.roofline import Roof, RooflinePoint, roofline_plot

ROOFS = (Roof("bf16", 4e14, False), Roof("f8", 8e14, False), Roof("memory", 4e12, True))
POINTS = (
    RooflinePoint("cold <1>", "cold", 1e12, 1e9, 1e7),
    RooflinePoint("verify", "verify", 1e9, 1e9, 1e6),
    RooflinePoint("norm", "norm", 0.0, 1e9, 1e6),
)
VALUES = tuple(ValueView(v, 400 + v, 40 / v, {"cold": 40 / v, "verify": None}, {"a": f"k{v:g}"}) for v in (20, 40, 80))
FACTOR = FactorView("units", "", "usable units", 40, -1.0, {"cold": -1.0, "verify": None}, VALUES)
DESIGNS = (
    TradeView("as the profile has it", 440.0, 1.0, None, True, True),
    TradeView("units 80", 480.0, 0.5, 0.52, True, False),
    TradeView("units 20, hbm 2", 430.0, None, None, False, False),
)
VIEW = SweepView(
    "extend-attention", "m890", "full", "wave", "area proxy (assumed)", "areas are a proxy", {"a": 1000, "b": None},
    {"a": "k40", "b": ""}, (FACTOR,), DESIGNS,
    (ModelView("kv_heads", "x2", "query heads stay", 1.1, {"cold": 1.1}, 3, {}, {"b": "does not fit"}),),
)  # fmt: skip
LAUNCH = LaunchView(
    "attend", (8, 1, 2), 15000, "memory", 1.5, 2, "registers", {"memory": 0.8}, {"copies": 0.4},
    (("ppu__time_duration.sum", 15000.0, "ns", "published"),), "emulated: memory is busy", ("memory is busy",),
)  # fmt: skip


def _words(svg: str) -> str:
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(root.itertext())


def _places(svg: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    circles = [e for e in root.iter() if e.tag.endswith("circle")]
    return [(float(e.attrib["cx"]), float(e.attrib["cy"])) for e in circles]


def test_a_roofline_names_roofs_and_workloads() -> None:
    words = _words(roofline_plot("matmul on m890 (emulated)", ROOFS, POINTS))
    for expected in ("bf16 400TFLOP/s", "memory 4TB/s", "cold <1>", "100T", "norm: no dot products", "emulated"):
        assert expected in words


def test_points_lie_within_the_drawing() -> None:
    for svg in (roofline_plot("t", ROOFS, POINTS), trades_of(VIEW)):
        root = ElementTree.fromstring(svg)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        assert all(0 < x < width and 0 < y < height for x, y in _places(svg))


def test_a_roofline_needs_roofs() -> None:
    with pytest.raises(ValueError, match="roof"):
        roofline_plot("t", ROOFS[:1], POINTS)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.4), (0.02, 7.0), (3e12, 9e14), (1e-3, 1e6)])
def test_ticks_of_a_logarithmic_axis_are_few_and_inside(low: float, high: float) -> None:
    ticks = Axis(low, high, "x").ticks(8)
    assert 2 <= len(ticks) <= 8 and all(low <= tick <= high for tick in ticks)


def test_sweep_plots_show_factors_and_the_front() -> None:
    assert "units" in _words(bars_of(VIEW)) and "-1.00" in _words(bars_of(VIEW))
    assert "all workloads" in _words(curves_of(VIEW))
    assert "units 80" in _words(trades_of(VIEW)) and "assumed" in _words(trades_of(VIEW))


def test_a_sweep_page_says_emulated_assumed_and_what_does_not_run() -> None:
    page = sweep_page(VIEW, "M890-class, estimated.")
    for expected in ("emulated", "assumed", "kv_heads x2: b does not run: does not fit", "k80", "<svg"):
        assert expected in page


def test_tables_of_a_sweep_show_where_the_kernel_changes() -> None:
    table = next(table for table in tables_of(VIEW) if "kernel" in table.title)
    assert ("units", "80", "a", "k40", "k80") in table.rows


def test_a_profile_says_emulated_by_its_times_and_why_a_workload_has_none() -> None:
    views = (
        WorkloadView("a", "cold", 15000, 0, (LAUNCH,)),
        WorkloadView("b", "hit", None, 0, (), "m890 <has> no rate"),
    )
    assert explanations(views) == ("a: emulated: memory is busy", "b: not timed: m890 <has> no rate")
    table = launch_table(views)
    assert "emulated" in " ".join(table.headings) and len(table.rows[1]) == len(table.headings)
    page = profile_page("Profile", "lead", roofline_plot("t", ROOFS, POINTS), views)
    assert "m890 &lt;has&gt; no rate" in page and "ppu__time_duration.sum" in page and "15.0 us" not in page
