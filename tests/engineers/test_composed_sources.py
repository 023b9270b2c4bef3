"""Every fragment that the composer knows computes extend attention, in all its features."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.engineers.search.architecture import Architecture, Design, Tiles, parse_design
from kernelwright.engineers.search.composer import compose
from tests.engineers.cases import CASES

SMALL = Tiles(block_rows=16, block_keys=32, block_new=32, block_edge=16, split_keys=16, items=2)
PLAIN = Architecture()
FULL = Architecture(
    grid="table", loops="apart", softmax="exp2", rows="group", prefix="split", key_load="transposed_tile",
    items="several", per_regime=True,
)  # fmt: skip
DESIGNS = {
    "plain": Design(PLAIN, SMALL),
    "padded": Design(PLAIN.changed(grid="padded", loops="apart"), SMALL),
    "table": Design(PLAIN.changed(grid="table", softmax="exp2"), SMALL),
    "group": Design(PLAIN.changed(rows="group", key_load="transposed_tile"), SMALL),
    "split": Design(PLAIN.changed(grid="table", prefix="split"), SMALL),
    "several": Design(PLAIN.changed(grid="table", items="several", rows="group", loops="apart"), SMALL),
    "regimes": Design(
        FULL.changed(items="one", slots="ahead", key_load="by_regime", order="by_regime", distances="narrow"),
        replace(SMALL, as_tile=1),
        {"chunk/64": replace(SMALL, tiles_first=1), "few/128": SMALL},
    ),
    "full": Design(FULL, Tiles(split_keys=16), {"few/128": SMALL, "chunk/64": SMALL}),
}


def errors_of(folder: Path, dtype: str, pool: str, **environment: str) -> dict[tuple[str, str], float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.engineers.cases", str(folder), dtype, pool]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **environment}, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {(row["candidate"], row["case"]): row["rel_l2"] for row in rows}


def run_program(program: str, candidate: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, str(candidate)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.py").write_text(compose(DESIGNS[name]))


def test_every_choice_is_exact_in_triton_s_interpreter(tmp_path: Path) -> None:
    write(tmp_path, *DESIGNS)
    errors = errors_of(tmp_path, "f16", "f16", TRITON_INTERPRET="1")
    assert len(errors) == len(DESIGNS) * len(CASES)
    assert {key: error for key, error in errors.items() if not error < 1e-3} == {}


@pytest.mark.parametrize(("name", "pool"), [("plain", "bf16"), ("full", "f8e4m3fn")])
def test_candidates_are_exact_when_compiled_for_this_machine(tmp_path: Path, name: str, pool: str) -> None:
    write(tmp_path, name)
    errors = errors_of(tmp_path, "bf16", pool)
    assert len(errors) == len(CASES)
    assert {key: error for key, error in errors.items() if not error < 5e-3} == {}


def test_a_wrong_fragment_would_be_seen(tmp_path: Path) -> None:
    text = compose(DESIGNS["plain"]).replace("n[None, :] <= position[:, None]", "n[None, :] < position[:, None]")
    (tmp_path / "late.py").write_text(text)
    errors = errors_of(tmp_path, "f16", "f16", TRITON_INTERPRET="1")
    assert errors["late", "mix"] > 1e-2


def test_slots_beyond_two_to_the_31_elements_are_reached(tmp_path: Path) -> None:
    (tmp_path / "full.py").write_text(compose(DESIGNS["full"]))
    program = """
import sys, torch
from pathlib import Path
from tests.engineers.cases import load
entry = load(Path(sys.argv[1])).extend_attention_fwd
slots, width = 1_100_000, 2048  # the pool's pages stay untouched but for one row: 2.25 GB of addresses
pool = torch.empty(slots * width, dtype=torch.float8_e4m3fn).view(slots, width // 64, 64)
heads = width // 64
assert (slots - 1) * width > 2**31
pool[-1] = torch.ones(heads, 64).to(pool.dtype)
q = torch.zeros(1, heads, 64, dtype=torch.bfloat16)
new = torch.zeros(1, heads, 64, dtype=torch.bfloat16)
out = torch.empty(1, heads, 64, dtype=torch.bfloat16)
starts = torch.tensor([0, 1], dtype=torch.int32)
entry(q, new, new, out, pool, pool, starts, starts, torch.tensor([slots - 1]), None, True, None, 1, 1.0, 1.0)
assert torch.all(out == 0.5), out
"""
    done = run_program(program, tmp_path / "full.py")
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_call_with_too_many_tiles_for_a_table_is_exact_without_one(tmp_path: Path) -> None:
    (tmp_path / "full.py").write_text(compose(DESIGNS["full"]))
    program = """
import sys, torch
from pathlib import Path
from tests.engineers.cases import load
from kernelwright.core.problem import Workload
from kernelwright.problems.extend_attention.inputs import make_inputs
from kernelwright.problems.extend_attention.oracle import attend
module = load(Path(sys.argv[1]))
tables = []
made = module._flat
module._flat = lambda rows, device: tables.append(len(rows)) or made(rows, device)
lengths = (1, 2, 0) * 800
params = dict(q_heads=2, kv_heads=1, qk_width=16, v_width=16, extend=lengths, prefix=(20,) * len(lengths))
inputs = make_inputs(Workload("many", "test", False, params), seed=1)
module.extend_attention_fwd(*inputs.values.values())
exact = attend(inputs)
assert tables == [3200], tables  # 1600 pieces and as many merges
params |= dict(extend=(1, 2, 1) * 1300, prefix=(20,) * 3900)
inputs = make_inputs(Workload("more", "test", False, params), seed=1)
module.extend_attention_fwd(*inputs.values.values())
exact = attend(inputs)
assert tables == [3200], tables  # 1600 pieces and as many merges
error = float((inputs.tensor("o_extend").double() - exact).norm() / exact.norm())
assert error < 5e-3, error
"""
    done = run_program(program, tmp_path / "full.py")
    assert done.returncode == 0, done.stderr[-2000:]


def test_sources_say_what_they_are_and_equal_designs_give_equal_text() -> None:
    for design in DESIGNS.values():
        source = compose(design)
        assert parse_design(source) == design
        assert compose(design) == source
        ast.parse(source)
    assert parse_design("import triton\n") is None


def test_choices_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="split prefix needs grid='table'"):
        Architecture(prefix="split")
    with pytest.raises(ValueError, match="several items"):
        Architecture(items="several")
    with pytest.raises(ValueError, match="order by regime"):
        Architecture(order="by_regime")
