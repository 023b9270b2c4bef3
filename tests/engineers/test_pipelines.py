"""The search on chips with warps and pipelines: a chip whose optimum is known, probes, limits, the fixed space."""

import ast
import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.problem import Brief
from kernelwright.engineers.search.architecture import Architecture, Design, Tiles, parse_design
from kernelwright.engineers.search.pipeline_model import Frozen, fits, need_of, pipeline_ns
from kernelwright.engineers.search.pipeline_rates import (
    UNIT_GRIDS,
    PipelineRates,
    pipeline_probe_sources,
    pipeline_rates_from_notes,
    pipeline_rates_of,
)
from kernelwright.engineers.search.pipeline_tuner import pipeline_space, propose_tiles, starts
from kernelwright.engineers.search.playbook import ARCHITECTURES, playbook
from kernelwright.engineers.search.policy import STRONG, next_step
from kernelwright.engineers.search.predict import tiles_of
from kernelwright.engineers.search.rates import Rates, rates_from_notes
from kernelwright.engineers.search.scenes import Scene, scenes_of
from kernelwright.engineers.search.trials import Trial, best_of
from kernelwright.problems import load_problem
from kernelwright.workshop.probing import probe_names
from tests.engineers.modelled import ModelBench, work_on

CHIP = PipelineRates(units=39, launch_ns=6000.0, shared_bytes=262144)
RATES = Rates(pipelines=CHIP)
# How much a doubling away from the optimum costs, by size; as logarithm of time.
WEIGHTS = {
    "block_rows": 0.08, "block_keys": 0.05, "block_new": 0.05, "block_edge": 0.01, "warps": 0.08, "stages": 0.1,
    "as_tile": 0.06, "tiles_first": 0.05, "tabled": 0.05, "halves": 0.1,
}  # fmt: skip


def full(*names: str) -> Brief:
    brief = load_problem("extend-attention").brief("full")
    return replace(brief, workloads=tuple(w for w in brief.workloads if not names or w.name in names))


class KnownChip:
    """A chip on which the best tiles of each regime are drawn from a seed; rows of a warp matter by themselves."""

    def __init__(self, scenes: Sequence[Scene], seed: int) -> None:
        dice = random.Random(seed)
        self.best: dict[str, Tiles] = {}
        for scene in scenes:
            space = pipeline_space(STRONG, [scene])
            while scene.key not in self.best:
                tiles = Tiles(**{name: dice.choice(sizes) for name, sizes in space.items()})
                if fits(STRONG, tiles, scene, CHIP):
                    self.best[scene.key] = tiles

    def times_the_optimum(self, design: Design, scene: Scene) -> float:
        tiles, best = tiles_of(design, scene), self.best[scene.key]
        space = pipeline_space(STRONG, [scene])
        far = {name: math.log2(getattr(tiles, name) + 1) - math.log2(getattr(best, name) + 1) for name in WEIGHTS}
        lost = sum(weight * far[name] ** 2 for name, weight in WEIGHTS.items() if name in space)
        lost += 0.05 * (math.log2(tiles.block_rows / tiles.warps) - math.log2(best.block_rows / best.warps)) ** 2
        return math.exp(min(lost, 3.0))


def searched(scenes: Sequence[Scene], chip: KnownChip, evaluations: int) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(evaluations):
        step = next_step(scenes, RATES, trials, 0, evaluations - number)
        if step is None:
            break
        speedups = {scene.name: 1.0 / chip.times_the_optimum(step.design, scene) for scene in scenes}
        geomean = math.exp(sum(map(math.log, speedups.values())) / len(speedups))
        trials.append(Trial(step.design, "accepted", geomean=geomean, speedups=speedups, note=step.note))
    return trials


def regret(trials: Sequence[Trial]) -> float:
    best = best_of(trials)
    assert best is not None and best.geomean is not None
    return 1.0 / best.geomean - 1.0


def test_a_chip_whose_optimum_is_known_is_mastered_and_the_search_repeats_itself() -> None:
    scenes = scenes_of(full("cold-8b", "verify-next"))
    chip = KnownChip(scenes, 3)
    trials = searched(scenes, chip, 40)
    assert regret(trials) < 0.25 < regret(trials[:1])
    again = searched(scenes, chip, 40)
    assert [trial.design for trial in again] == [trial.design for trial in trials]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_150_evaluations_come_near_the_optimum_of_the_full_suite(seed: int) -> None:
    scenes = scenes_of(full())
    assert regret(searched(scenes, KnownChip(scenes, seed), 150)) < 0.25


def test_probes_are_told_in_a_note_of_names_and_read_back(tmp_path: Path) -> None:
    bench = ModelBench(tmp_path, emulated=True)
    state = work_on(bench, evaluations=3)
    notes = [note for note in state.notes if note.startswith("rates: ")]
    assert len(notes) == 1
    named = json.loads(notes[0].removeprefix("rates: "))
    assert {"dot_bf16_flops_per_s", "exp_per_s", "stream_bytes_per_s", "launch_ns", "shared_bytes", "units"} <= set(
        named
    )
    rates = rates_from_notes(tuple(state.notes))
    assert rates is not None and rates.has_pipelines()
    assert rates.pipelines == pipeline_rates_from_notes(tuple(state.notes))
    first = parse_design(bench.sources[0])
    assert first is not None and first.architecture == STRONG


def test_probe_files_are_few_and_name_each_probe_once() -> None:
    files = list(pipeline_probe_sources())
    names = [name for source in files for name in probe_names(source)]
    assert len(names) == len(set(names)) and len(files) <= 6
    for source in files:
        ast.parse(source)


def test_rates_follow_from_times_and_refusals() -> None:
    times = {"launch_1": 6000.0, "launch_8192": 14191.0, "dot_bf16": 6000.0 + 2e6, "exp": 6000.0 + 1e6}
    times["shared"] = 6000.0 + 1e6
    times |= {f"grid_{n}": 6000.0 + (1000.0 if n <= 39 else 2000.0) for n in UNIT_GRIDS}
    refused = {"wide_1024": "over_limit: tile needs 524288 bytes of on-chip memory, m890 has 262144. Reduce it."}
    rates = pipeline_rates_of(times, refused)
    assert (rates.units, rates.shared_bytes, rates.launch_ns) == (39, 262144, 6000.0)
    assert rates.dispatch_ns == pytest.approx(1.0)
    assert rates.dot_bf16_flops_per_s == pytest.approx(2 * 256 * 128 * 64 * 64 * 640 / 2e-3)
    assert rates.exp_per_s == pytest.approx(1024 * 4096 * 128 / 1e-3)
    assert rates.shared_bytes_per_s == pytest.approx(2 * 64 * 64 * 6 * 64 * 640 / 1e-3)
    assert pipeline_rates_of({"wide_256": 1.0}, {}).shared_bytes == 131072


def test_tiles_that_a_chip_would_refuse_are_not_proposed() -> None:
    (scene,) = scenes_of(full("single-27b"))
    small = PipelineRates(shared_bytes=100_000)
    frozen = Frozen(small)
    measured: dict[Tiles, float] = {}
    for number in range(30):
        tiles = propose_tiles(STRONG, [scene], frozen, measured, (), starts(STRONG, [scene], frozen))
        assert tiles is not None and tiles not in measured
        assert need_of(tiles, scene).shared_bytes <= 100_000
        measured[tiles] = -float(number)


def test_more_work_takes_more_predicted_time() -> None:
    (scene,) = scenes_of(full("chunked-32b"))
    longer = replace(scene, prefixes=(4 * scene.prefixes[0],))
    frozen = Frozen(CHIP)
    for tiles in starts(STRONG, [scene], frozen):
        assert pipeline_ns(STRONG, tiles, scene, frozen) < pipeline_ns(STRONG, tiles, longer, frozen)


def test_the_playbook_holds_every_architecture_and_stands_before_any_search() -> None:
    brief = full("cold-8b", "verify-mla")
    book = playbook(brief)
    assert book == playbook(brief)
    assert {design.architecture for _, design in book.designs} == set(ARCHITECTURES.values())
    assert all(isinstance(a, Architecture) and a.per_regime for a in ARCHITECTURES.values())
    found = list(book.candidates())
    assert len(found) == book.size == len({label for label, _ in found})
    assert 100 < book.choices < 2000
    assert parse_design(found[-1][1]) == book.designs[-1][1]


def test_every_regime_of_suite_full_occurs_in_suite_cpu() -> None:
    problem = load_problem("extend-attention")
    for secret in range(5):
        keys = {}
        for suite in ("cpu", "full"):
            brief = replace(problem.brief(suite), workloads=problem.suite(suite, secret).workloads)
            keys[suite] = {scene.key for scene in scenes_of(brief)}
        assert keys["full"] <= keys["cpu"]
