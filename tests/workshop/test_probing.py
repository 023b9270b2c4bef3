"""Probe files run in the real sandbox and are timed on the real chip."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.errors import RequestError
from kernelwright.engineers.search.rates import Rates, probe_sources, rates_of
from kernelwright.sandbox import CaptureService
from kernelwright.workshop.probing import Prober, probe_names

HEADER = "import torch\nimport triton\nimport triton.language as tl\n"
KERNEL = """
@triton.jit
def spin(out, STEPS, N: tl.constexpr):
    x = tl.zeros([N], tl.float32)
    for step in range(STEPS):
        x = tl.exp2(x * 0.5)
    tl.store(out + tl.program_id(0) * N + tl.arange(0, N), x)

def probe_short():
    spin[(1,)](torch.empty(64, dtype=torch.float32), 1000, 64)

def probe_wrong():
    torch.empty(4) + 1

def probe_long():
    spin[(1,)](torch.empty(64, dtype=torch.float32), 100000, 64)
"""


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    with CaptureService() as capture:
        yield Prober(capture, load_chip("cpu").open)


def test_each_function_is_timed_and_a_wrong_one_spoils_no_other(prober: Prober) -> None:
    told = prober(HEADER + KERNEL)["probes"]
    assert isinstance(told, dict)
    assert list(told) == ["probe_short", "probe_wrong", "probe_long"]
    assert "status" in told["probe_wrong"] and "ns_min" not in told["probe_wrong"]
    line = (HEADER + KERNEL).splitlines().index("    torch.empty(4) + 1") + 1
    assert told["probe_wrong"]["code"] == [f"{line} | torch.empty(4) + 1"]
    assert told["probe_short"]["launches"] == 1
    assert 0 < told["probe_short"]["ns_min"] <= told["probe_short"]["ns_median"]
    assert told["probe_long"]["ns_min"] > 10 * told["probe_short"]["ns_min"]


def test_every_probe_of_the_search_works_on_this_chip(prober: Prober) -> None:
    times: dict[str, float] = {}
    for source in probe_sources():
        told = prober(source)["probes"]
        assert isinstance(told, dict)
        for name, answer in told.items():
            assert "ns_min" in answer, (name, answer)
            times[name.removeprefix("probe_")] = answer["ns_min"]
    rates = rates_of(times, {})
    assert rates.dot_rate(64) > rates.dot_rate(16) / 2 > 0
    assert rates != Rates() and rates.stream_gb_per_s > 0.1


def test_files_without_probes_are_refused() -> None:
    for text in ("x = 1", "def prob(): pass", "def probe(:"):
        with pytest.raises(RequestError):
            probe_names(text)
    assert probe_names("def probe(): pass\ndef probe_b(): pass\ndef other(): pass") == ("probe", "probe_b")
