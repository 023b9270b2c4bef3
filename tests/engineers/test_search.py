"""The built-in engineer over the real workshop, ledger and run, against a chip that is a model."""

from pathlib import Path

import pytest

from kernelwright.core.verdict import Verdict
from kernelwright.engineers.search.architecture import Design, parse_design
from tests.engineers.modelled import ModelBench, work_on


def designs_of(bench: ModelBench) -> list[Design]:
    found = [parse_design(source) for source in bench.sources]
    return [design for design in found if design is not None]


def test_it_redesigns_tunes_and_spends_its_budget_on_different_candidates(tmp_path: Path) -> None:
    bench = ModelBench(tmp_path)
    state = work_on(bench, evaluations=40)
    assert (state.counted, state.phase) == (40, "closed")
    assert len(set(bench.sources)) == len(bench.sources)
    assert state.redesigns >= 3
    designs = designs_of(bench)
    assert designs[0].architecture.rows == "tokens"
    best = parse_design(bench.sources[[e.is_best for e in state.evaluations].index(True)])
    assert best is not None
    final = max(state.evaluations, key=lambda e: e.verdict.geomean_speedup or 0.0)
    first = state.evaluations[0].verdict.geomean_speedup
    assert first is not None and final.verdict.geomean_speedup is not None
    assert final.verdict.geomean_speedup > 1.5 * first
    last = designs[final.number - 1]
    assert last.architecture.per_regime and last.architecture.rows == "group"
    assert len(set(last.by_regime.values())) > 1


def test_equal_seeds_try_equal_candidates_and_other_seeds_others(tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        bench = ModelBench(tmp_path / name)
        work_on(bench, evaluations=25, seed=seed)
        runs.append(bench.sources)
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("stop_after", [1, 9])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path, stop_after: int) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = ModelBench(tmp_path / "whole")
    work_on(whole, evaluations=18)
    broken = ModelBench(tmp_path / "broken", stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        work_on(broken, evaluations=18)
    rest = ModelBench(tmp_path / "broken")
    state = work_on(rest, evaluations=18)
    assert state.counted == 18
    assert broken.sources + rest.sources == whole.sources


def test_an_op_that_the_compiler_refuses_is_designed_around(tmp_path: Path) -> None:
    def refuse(design: Design, source: str) -> Verdict | None:
        if design.architecture.key_load == "transposed_pointers":
            return Verdict("compile_error", "op 'tt.load' with transposed pointers is not covered, line 31", {})
        if "tl.exp2(" in source:
            return Verdict("compile_error", "op 'math.exp2' is not covered, line 60 of mine.py", {"op": "math.exp2"})
        return None

    bench = ModelBench(tmp_path, refuse)
    state = work_on(bench, evaluations=30)
    accepted = [e for e in state.evaluations if e.verdict.is_accepted]
    assert len(accepted) > 20
    architectures = {d.architecture for d in designs_of(bench)}
    assert sum(a.softmax == "exp2" for a in architectures) <= 1
    assert any("check says compile_error" in note for note in state.notes)


def test_a_choice_that_gives_wrong_answers_is_given_up(tmp_path: Path) -> None:
    def refuse(design: Design, source: str) -> Verdict | None:
        if design.architecture.rows == "group":
            return Verdict("incorrect", "workload 'cold-8b': relative L2 0.7, gate 1e-2", {"workload": "cold-8b"})
        return None

    bench = ModelBench(tmp_path, refuse)
    state = work_on(bench, evaluations=30)
    assert [e.verdict.status for e in state.evaluations].count("incorrect") == 1
    final = max(state.evaluations, key=lambda e: e.verdict.geomean_speedup or 0.0)
    first = state.evaluations[0].verdict.geomean_speedup
    assert first is not None and final.verdict.geomean_speedup is not None
    assert final.verdict.geomean_speedup > 2 * first


def test_tiles_that_pass_a_limit_are_not_tried_again_on_that_regime(tmp_path: Path) -> None:
    def refuse(design: Design, source: str) -> Verdict | None:
        for key in ("cold/128", "hit/128"):
            tiles = design.by_regime.get(key, design.tiles)
            if tiles.block_rows * tiles.block_keys > 64 * 128:
                name = "cold-8b" if key == "cold/128" else "hit-8b-f16"
                return Verdict("over_limit", f"workload '{name}': tile too large", {"workload": name})
        return None

    bench = ModelBench(tmp_path, refuse)
    state = work_on(bench, evaluations=40)
    refused = [e for e in state.evaluations if e.verdict.status == "over_limit"]
    assert 0 < len(refused) < 15
    final = max(state.evaluations, key=lambda e: e.verdict.geomean_speedup or 0.0)
    assert designs_of(bench)[final.number - 1].architecture.per_regime


def test_when_nothing_is_ever_accepted_it_stops_by_itself(tmp_path: Path) -> None:
    bench = ModelBench(tmp_path, lambda design, source: Verdict("runtime_error", "launch failed", {}))
    state = work_on(bench, evaluations=40)
    assert (state.counted, state.best) == (0, None)
    assert 0 < bench.checks < 30
