"""Runs candidate files on small workloads, as a program: `python -m tests.engineers.cases FOLDER DTYPE POOL`.

Prints one JSON line a candidate and workload: the relative L2 error against float64.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from kernelwright.core.problem import Workload
from kernelwright.problems.extend_attention.inputs import make_inputs
from kernelwright.problems.extend_attention.oracle import attend


def heads(q_heads: int, kv_heads: int, qk_width: int, v_width: int) -> dict[str, Any]:
    return {"q_heads": q_heads, "kv_heads": kv_heads, "qk_width": qk_width, "v_width": v_width}


# Between them: every feature, E = 0 and 1, P = 0, widths that are no power of two, groups that divide no tile.
CASES: dict[str, dict[str, Any]] = {
    "mix": {**heads(4, 2, 32, 32), "extend": (5, 0, 37, 1), "prefix": (17, 9, 0, 70)},
    "cap": {**heads(6, 2, 80, 96), "extend": (21, 3), "prefix": (33, 70), "logit_cap": 30.0},
    "window": {**heads(4, 1, 64, 32), "extend": (40, 1, 7), "prefix": (50, 90, 0), "window": 20, "sinks": True},
    "self": {**heads(2, 1, 16, 16), "extend": (20,), "prefix": (10,), "window": 0},
    "tree": {**heads(4, 2, 48, 40), "extend": (8, 3), "prefix": (50, 30), "tree": True},
    "tree prefix": {
        **heads(4, 2, 72, 72), "extend": (8, 3), "prefix": (50, 30), "tree": True, "skip_prefix_mask": False,
        "sinks": True, "k_scale": 0.5, "v_scale": 2.0,
    },
    "both ways": {
        **heads(2, 2, 32, 32), "extend": (30, 70), "prefix": (0, 40), "causal": False, "k_scale": 0.7, "v_scale": 1.3,
    },
}  # fmt: skip


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: str, dtype: str, pool_dtype: str) -> None:
    for path in sorted(Path(folder).glob("*.py")):
        module = load(path)
        for name, params in CASES.items():
            workload = Workload(name, "test", False, {**params, "dtype": dtype, "pool_dtype": pool_dtype})
            inputs = make_inputs(workload, seed=1)
            module.extend_attention_fwd(*inputs.values.values())
            output, exact = inputs.tensor("o_extend").double(), attend(inputs)
            error = float((output - exact).norm() / exact.norm())
            print(json.dumps({"candidate": path.stem, "case": name, "rel_l2": error}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
