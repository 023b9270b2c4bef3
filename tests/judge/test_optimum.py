"""The optimum of a fixed space and the regret against it, with a stand-in for the emulator."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.problem import Suite
from kernelwright.judge import EmulatedJudge
from kernelwright.judge.optimum import Best, Optimum, find_optimum, regret_of
from kernelwright.problems.contract import TileConfig
from kernelwright.problems.extend_attention import PROBLEM
from kernelwright.sandbox import CaptureService
from tests.chips.emulated import modelled_clockwork
from tests.judge.conftest import SECRET
from tests.judge.test_emulated import _chip

NAMES = ("cold-mla", "hit-scaled", "hidden-chunked")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedJudge]:
    modelled_clockwork.install(monkeypatch)
    suite = Suite("smoke", tuple(w for w in PROBLEM.suite("smoke", SECRET).workloads if w.name in NAMES))
    with CaptureService() as capture:
        made = EmulatedJudge(PROBLEM, (suite, suite), _chip(), capture, (SECRET, SECRET))
        yield made
        made.close()


def _tiled(judge: EmulatedJudge, block_m: int, warps: int) -> str:
    keys = {PROBLEM.baselines.tuning.key(w) for w in judge.workloads}
    return PROBLEM.baselines.tuning.source(dict.fromkeys(keys, TileConfig(block_m, 32, warps)))


def test_the_best_of_each_public_workload_is_found_and_kept(judge: EmulatedJudge, tmp_path: Path) -> None:
    chip = judge._chip
    space = [(f"{m} rows, {warps} warps", _tiled(judge, m, warps)) for m in (16, 64) for warps in (4, 8)]
    sources = [*space, ("no candidate", "import os\n")]
    lines: list[str] = []
    found = find_optimum(judge, chip, sources, tmp_path, lines.append)  # type: ignore[arg-type]
    assert (found.size, found.failed) == (5, 1)
    # The stand-in's time falls with fewer programs and more warps; of equal ones the first is taken.
    labels = {name: best.label for name, best in found.best.items()}
    assert labels == {"cold-mla": "64 rows, 8 warps", "hit-scaled": "16 rows, 8 warps"}
    assert lines[0] == "optimum: 5 candidates on 2 workloads" and "min left" in lines[1]
    lines.clear()
    assert find_optimum(judge, chip, sources, tmp_path, lines.append) == found  # type: ignore[arg-type]
    assert lines == []


def test_regret_is_the_mean_ratio_to_the_best_and_a_faster_kernel_is_the_best(judge: EmulatedJudge) -> None:
    verdict = judge(Candidate(PROBLEM.baselines.reference()), 1, lambda _line: None)
    assert verdict.is_accepted, verdict.reason
    rows = tuple(replace(w, candidate_ns=1000.0) for w in verdict.workloads)
    optimum = Optimum({"cold-mla": Best(640, "tall"), "hit-scaled": Best(2000, "slow")}, 2, 0)
    regret = regret_of(replace(verdict, workloads=rows), optimum)
    assert regret.value == pytest.approx(1.25 - 1)
    assert [(row.name, row.optimum_ns, row.label) for row in regret.workloads] == [
        ("cold-mla", 640, "tall"),
        ("hit-scaled", 1000, "the run's own kernel"),
    ]
