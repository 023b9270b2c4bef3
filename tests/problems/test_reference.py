"""The reference against the oracle, run by Triton's interpreter in a process of its own.

In fp16: the interpreter is wrong for bf16.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import TileConfig
from tests.problems.workloads import PROBLEM, smoke

_CHILD = """
import dataclasses, importlib.util, json, sys
from kernelwright.problems.extend_attention import PROBLEM as problem
from kernelwright.problems.extend_attention.gates import check_output
from kernelwright.problems.extend_attention.oracle import attend
spec = importlib.util.spec_from_file_location("candidate", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
found = {}
for workload in problem.suite("smoke", 20260501).workloads:
    params = {**workload.params, "dtype": "f16"}
    if params.get("pool_dtype", "bf16") == "bf16":
        params["pool_dtype"] = "f16"
    inputs = problem.make_inputs(dataclasses.replace(workload, params=params), 3)
    expected = attend(inputs)
    module.extend_attention_fwd(*inputs.values.values())
    report = check_output({"o_extend": inputs.tensor("o_extend")}, inputs, expected)
    found[workload.name] = [report.passed, report.rel_l2, report.reason]
print(json.dumps(found))
"""


def _interpreted(source: str, folder: Path) -> dict[str, tuple[bool, float, str]]:
    path = folder / "candidate.py"
    path.write_text(source)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, tuple[bool, float, str]] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def reference_errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bool, float, str]]:
    return _interpreted(PROBLEM.baselines.reference(), tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def tuned_errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bool, float, str]]:
    configs = {PROBLEM.baselines.tuning.key(w): TileConfig(16, 64) for w in smoke()}
    return _interpreted(PROBLEM.baselines.tuning.source(configs), tmp_path_factory.mktemp("tuned"))


@pytest.mark.parametrize("workload", smoke(), ids=lambda w: w.name)
def test_the_reference_agrees_with_float64(
    workload: Workload, reference_errors: dict[str, tuple[bool, float, str]]
) -> None:
    passed, rel_l2, reason = reference_errors[workload.name]
    assert passed, reason
    assert rel_l2 < 1e-3


@pytest.mark.parametrize("workload", smoke(), ids=lambda w: w.name)
def test_the_tuned_reference_agrees_with_float64(
    workload: Workload, tuned_errors: dict[str, tuple[bool, float, str]]
) -> None:
    passed, rel_l2, reason = tuned_errors[workload.name]
    assert passed, reason
    assert rel_l2 < 1e-3


def test_sources_are_candidate_files() -> None:
    configs = {PROBLEM.baselines.tuning.key(w): TileConfig(64, 64) for w in smoke()}
    for source in (PROBLEM.baselines.reference(), PROBLEM.baselines.tuning.source(configs)):
        tree = ast.parse(source)
        roots = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert {root.split(".")[0] for root in roots} <= {"triton", "torch", "math", "typing"}
        assert any(isinstance(n, ast.FunctionDef) and n.name == PROBLEM.entry for n in tree.body)


def test_a_wrong_tuning_key_is_refused() -> None:
    with pytest.raises(RequestError, match="regime/Dqk"):
        PROBLEM.baselines.tuning.source({"verify": TileConfig(16, 16)})


def test_the_tuning_space_has_the_references_own_tiles_where_requests_fill_them() -> None:
    cold = next(w for w in PROBLEM.suite("cpu", 0).workloads if w.name == "cold-8b")
    space = PROBLEM.baselines.tuning.space(cold, has_warps=False)
    assert TileConfig(64, 128) in space
    assert len(set(space)) == len(space) >= 12
    assert len(PROBLEM.baselines.tuning.space(cold, has_warps=True)) == 6 * len(space)
