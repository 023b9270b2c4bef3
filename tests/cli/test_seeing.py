"""`profile` and `codesign`: names, files, JSON, and the word emulated by every time."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kernelwright.cli.entrance import exit_code_of
from tests.chips.emulated.trace_format import check_trace
from tests.cli.commands import run


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("profile", "matmull", "--chip", "m890"), "Did you mean 'matmul'?"),
        (("profile", "matmul", "--chip", "m891"), "Did you mean 'm890'?"),
        (("profile", "matmul", "--chip", "m890", "--suite", "smoek"), "Did you mean 'smoke'?"),
        (("profile", "matmul", "--chip", "m890", "--suite", "smoke", "--workload", "tail"), "Did you mean 'tails'?"),
        (("profile", "matmul", "--chip", "m890", "--suite", "smoke", "--trace", "t.json"), "add --workload NAME"),
        (("profile", "matmul", "--chip", "cpu"), "must be an emulated one"),
        (("codesign", "matmul", "--chip", "m890", "--vary", "hbm_gbs"), "Did you mean 'hbm_gb_s'?"),
        (("codesign", "matmul", "--chip", "m890", "--vary", "units=8:4:1"), "a range must rise"),
        (("codesign", "matmul", "--chip", "m890", "--suite", "smoke", "--vary", "kv_head"), "Did you mean 'kv_heads'?"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], near: str
) -> None:
    assert exit_code_of(list(arguments)) == 2
    said = capsys.readouterr().err
    assert near in said and "Traceback" not in said


def test_a_profile_has_counters_a_trace_and_a_roofline(tmp_path: Path) -> None:
    trace, plot, page = (tmp_path / name for name in ("trace.json", "roofline.svg", "profile.html"))
    ran = run(
        tmp_path, "profile", "matmul", "--chip", "m890", "--suite", "smoke", "--workload", "tails", "--json",
        "--trace", str(trace), "--svg", str(plot), "--html", str(page),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["emulated"] is True
    (workload,) = found["workloads"]  # type: ignore[misc]
    (launch,) = workload["launches"]  # type: ignore[has-type]
    counters = {name: value for name, value, _, _ in launch["counters"]}
    assert counters["ppu__time_duration.sum"] == launch["time_ns"] > 0
    assert launch["explanation"].startswith("emulated: ")
    assert check_trace(trace.read_text()) == []
    assert "emulated" in json.loads(trace.read_text())["otherData"]
    assert "emulated" in "".join(ElementTree.fromstring(plot.read_text()).itertext())
    assert "emulated" in page.read_text()


@pytest.mark.slow
def test_a_sweep_tells_sensitivities_and_a_front(tmp_path: Path) -> None:
    page = tmp_path / "sweep.html"
    ran = run(
        tmp_path, "codesign", "extend-attention", "--chip", "m890", "--suite", "smoke", "--vary",
        "units=20/60,hbm_gb_s,kv_heads=x2,window", "--tune-kernel", "--kernels", "3", "--json", "--html", str(page),
        "--svg", str(tmp_path / "sweep"),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["emulated"] is True and found["area_standing"] == "assumed"
    assert [factor["name"] for factor in found["factors"]] == ["units", "hbm_gb_s"]  # type: ignore[attr-defined]
    assert any(design["on_front"] for design in found["designs"])  # type: ignore[attr-defined]
    assert "assumed" in page.read_text() and "emulated" in page.read_text()
    for name in ("sensitivity", "factors", "area"):
        ElementTree.fromstring((tmp_path / f"sweep-{name}.svg").read_text())
