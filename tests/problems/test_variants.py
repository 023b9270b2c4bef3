import pytest

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload
from kernelwright.problems import load_problem
from kernelwright.problems.variants import MODEL_FACTORS, vary_workload


def _full(problem: str, name: str) -> Workload:
    return next(w for w in load_problem(problem).suite("full", 0).workloads if w.name == name)


def test_key_value_heads_change_alone() -> None:
    found = vary_workload(_full("extend-attention", "cold-8b"), "kv_heads", "x0.5")
    assert found is not None
    assert (found.params["q_heads"], found.params["kv_heads"], found.params["qk_width"]) == (32, 4, 128)


def test_heads_that_do_not_divide_are_left_out() -> None:
    assert vary_workload(_full("extend-attention", "cold-8b"), "kv_heads", "3") is None
    assert vary_workload(_full("extend-attention", "cold-vision"), "kv_heads", "x4") is None


def test_wider_heads_are_fewer() -> None:
    found = vary_workload(_full("paged-decode-attention", "steady-8b"), "head_dim", "256")
    assert found is not None and found.params["heads"] == [16, 4, 256, 256]


def test_latent_attention_keeps_its_shape() -> None:
    for factor, value in (("kv_heads", "x2"), ("head_dim", "x0.5")):
        assert vary_workload(_full("extend-attention", "verify-mla"), factor, value) is None


def test_trees_have_no_window() -> None:
    assert vary_workload(_full("extend-attention", "verify-next"), "window", "512") is None
    found = vary_workload(_full("extend-attention", "cold-8b"), "window", "512")
    assert found is not None and found.params["window"] == 512


def test_a_cache_of_another_sixteen_bit_type_is_left_out() -> None:
    workload = _full("extend-attention", "cold-8b")
    assert vary_workload(workload, "kv_dtype", "f16") is None
    found = vary_workload(workload, "kv_dtype", "f8e4m3fn")
    assert found is not None and found.params["pool_dtype"] == "f8e4m3fn"


@pytest.mark.parametrize("factor", MODEL_FACTORS)
def test_varied_workloads_still_have_inputs(factor: str) -> None:
    problem = load_problem("extend-attention")
    for workload in problem.suite("smoke", 0).workloads:
        for value in MODEL_FACTORS[factor].defaults:
            found = vary_workload(workload, factor, value)
            if found is not None:
                problem.work(found)


@pytest.mark.parametrize(("factor", "value"), [("kv_heads", "many"), ("window", "x2"), ("kv_dtype", "f4")])
def test_values_that_are_none_are_refused(factor: str, value: str) -> None:
    with pytest.raises(RequestError, match=factor):
        vary_workload(_full("extend-attention", "cold-8b"), factor, value)


def test_problems_without_heads_are_refused() -> None:
    with pytest.raises(RequestError, match="attention"):
        vary_workload(load_problem("matmul").suite("smoke", 0).workloads[0], "kv_heads", "4")
