"""Tiny workloads, one a feature."""

from kernelwright.core.problem import Workload
from kernelwright.problems.extend_attention import PROBLEM

__all__ = ["PROBLEM", "smoke", "tiny"]
SECRET = 20260501

_PLAIN: dict[str, object] = {
    "q_heads": 4, "kv_heads": 2, "qk_width": 16, "v_width": 16, "extend": [5, 3], "prefix": [7, 4], "dtype": "f16",
    "pool_dtype": "f16",
}  # fmt: skip

TINY: dict[str, dict[str, object]] = {
    "plain": {},
    "bf16": {"dtype": "bf16", "pool_dtype": "bf16"},
    "no prefix": {"prefix": [0, 0]},
    "empty and single": {"extend": [0, 1, 4, 0], "prefix": [3, 0, 5, 0]},
    "bidirectional": {"causal": False},
    "window": {"window": 3},
    "window of nothing else": {"window": 0},
    "window, bidirectional": {"window": 2, "causal": False},
    "sinks": {"sinks": True},
    "cap": {"logit_cap": 5.0},
    "scaled pool": {"k_scale": 0.5, "v_scale": 2.0},
    "fp8 pool": {"pool_dtype": "f8e4m3fn", "k_scale": 1.5, "v_scale": 0.75},
    "tree": {"tree": True},
    "tree over prefix": {"tree": True, "skip_prefix_mask": False, "prefix": [17, 9]},
    "narrow values": {"v_width": 8},
    "odd width": {"qk_width": 20, "v_width": 12},
    "own scale": {"sm_scale": 0.4},
    "shared start": {"prefix": [7, 6, 2], "extend": [2, 3, 4], "shared_prefix": 5},
    "all at once": {"window": 4, "sinks": True, "logit_cap": 9.0, "k_scale": 0.8, "v_scale": 1.25},
}


def tiny(name: str, **params: object) -> Workload:
    """Return the tiny workload of that name, `params` on top."""
    return Workload(name, "chunked", False, {**_PLAIN, **TINY.get(name, {}), **params})


def smoke() -> tuple[Workload, ...]:
    """Return every workload of the smoke suite, hidden ones included."""
    return PROBLEM.suite("smoke", SECRET).workloads
