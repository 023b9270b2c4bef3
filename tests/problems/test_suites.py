"""The suites keep every rule that the problem sets, whatever the secret."""

import math
from collections.abc import Callable

import pytest

from kernelwright.core.errors import UnknownNameError
from kernelwright.core.problem import Suite, Workload
from kernelwright.core.work import Peaks
from kernelwright.problems.extend_attention.shape import REGIMES, Shape, parse_shape
from tests.problems.workloads import PROBLEM

SUITES = ("smoke", "cpu", "full")
SECRETS = (0, 1, 20260501)

FEATURES: dict[str, Callable[[Shape], bool]] = {
    "logit cap": lambda s: s.logit_cap > 0,
    "sinks": lambda s: s.sinks,
    "window": lambda s: s.window > 0,
    "tree, prefix skipped": lambda s: s.tree and s.skip_prefix_mask,
    "tree over prefix": lambda s: s.tree and not s.skip_prefix_mask and max(s.prefix) > 0,
    "not causal": lambda s: not s.causal,
    "two widths": lambda s: s.qk_width != s.v_width,
    "width no power of two": lambda s: bool(s.qk_width & (s.qk_width - 1)),
    "two KV heads, grouped": lambda s: s.kv_heads >= 2 and s.q_heads // s.kv_heads >= 2,
    "E > 128": lambda s: max(s.extend) > 128,
    "P >= 4096": lambda s: max(s.prefix) >= 4096,
    "odd lengths": lambda s: any(e % 16 for e in s.extend) and any(p % 16 for p in s.prefix),
    "odd last lengths": lambda s: s.extend[-1] % 16 > 0 and s.prefix[-1] % 16 > 0,
    "E = 0": lambda s: 0 in s.extend,
    "E = 1": lambda s: 1 in s.extend,
    "P = 0": lambda s: 0 in s.prefix,
    "scales on fp8": lambda s: s.pool_dtype == "f8e4m3fn" and s.k_scale != 1 != s.v_scale,
    "scales on 16 bit": lambda s: s.pool_dtype != "f8e4m3fn" and s.k_scale != 1 != s.v_scale,
    "shared start": lambda s: s.shared_prefix > 0,
    "fp16": lambda s: s.dtype == "f16",
}

# Hq, Hkv, Dqk, Dv as served, and the divisors allowed on a small chip.
HEAD_SHAPES = {
    "Qwen3-8B, Llama-3.1-8B": (32, 8, 128, 128),
    "Qwen3-32B": (64, 8, 128, 128),
    "Qwen3-30B-A3B": (32, 4, 128, 128),
    "Qwen3-235B-A22B": (64, 4, 128, 128),
    "Qwen3-Next, Qwen3.6-35B-A3B": (16, 2, 256, 256),
    "Qwen3.6-27B": (24, 4, 256, 256),
    "gpt-oss": (64, 8, 64, 64),
    "MLA absorbed": (128, 1, 576, 512),
    "MLA not absorbed": (128, 128, 192, 128),
}


def _suite(name: str, secret: int = 20260501) -> Suite:
    return PROBLEM.suite(name, secret)


def _heads(workload: Workload) -> tuple[int, int, int, int]:
    shape = parse_shape(workload)
    return shape.q_heads, shape.kv_heads, shape.qk_width, shape.v_width


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_somewhere_among_the_public_workloads(suite: str, feature: str) -> None:
    assert any(FEATURES[feature](parse_shape(w)) for w in _suite(suite).public)


@pytest.mark.parametrize("suite", SUITES)
def test_every_regime_is_among_the_public_workloads(suite: str) -> None:
    assert {w.regime for w in _suite(suite).public} == set(REGIMES)


@pytest.mark.parametrize("suite", ["cpu", "full"])
def test_every_regime_is_among_the_hidden_workloads(suite: str) -> None:
    assert sorted(w.regime for w in _suite(suite).workloads if w.hidden) == sorted(REGIMES)


@pytest.mark.parametrize("model", HEAD_SHAPES)
def test_every_head_shape_is_in_suite_cpu_divided_by_4_or_8(model: str) -> None:
    q, kv, *widths = HEAD_SHAPES[model]
    allowed = {(q // by, max(kv // by, 1), *widths) for by in (4, 8)}
    assert allowed & {_heads(w) for w in _suite("cpu").workloads}


@pytest.mark.parametrize("model", HEAD_SHAPES)
def test_every_head_shape_is_in_suite_full_as_served(model: str) -> None:
    assert HEAD_SHAPES[model] in {_heads(w) for w in _suite("full").workloads}


def test_suite_cpu_has_at_most_12_public_and_6_hidden_workloads_each_of_moderate_size() -> None:
    suite = _suite("cpu")
    assert len(suite.public) <= 12 and len(suite.workloads) - len(suite.public) <= 6
    for workload in suite.workloads:
        work = PROBLEM.work(workload)
        assert 0.24e9 <= work.dot_flops <= 1.5e9, workload.name
        assert work.moved_bytes <= 60e6, workload.name


@pytest.mark.parametrize("name", SUITES)
def test_names_differ_and_public_workloads_do_not_depend_on_the_secret(name: str) -> None:
    suites = [_suite(name, secret) for secret in SECRETS]
    names = [w.name for w in suites[0].workloads]
    assert len(set(names)) == len(names)
    assert all(s.public == suites[0].public for s in suites)


@pytest.mark.parametrize("name", SUITES)
def test_hidden_lengths_come_from_the_secret_alone_at_nearly_the_same_cost(name: str) -> None:
    hidden = [[w for w in _suite(name, secret).workloads if w.hidden] for secret in range(40)]
    assert hidden[3] == [w for w in _suite(name, 3).workloads if w.hidden]
    for same in zip(*hidden, strict=True):
        assert len({str(w.params["extend"]) + str(w.params["prefix"]) for w in same}) > 30
        flops = [PROBLEM.work(w).dot_flops for w in same]
        assert max(flops) / min(flops) < 2.2
        public = {(*_heads(w), parse_shape(w).extend, parse_shape(w).prefix) for w in _suite(name).public}
        assert not public & {(*_heads(w), parse_shape(w).extend, parse_shape(w).prefix) for w in same}


def _holds(workload: Workload, suite: str) -> bool:
    """Return whether the lengths are those of the regime; suite smoke is too small for ranges."""
    s = parse_shape(workload)
    total_e, total_p, longest = sum(s.extend), sum(s.prefix), max(s.extend)
    if workload.regime == "cold":
        return total_p == 0 and len(s.extend) > 1
    if workload.regime == "single":
        return len(s.extend) == 1 and longest > 128
    if workload.regime == "chunked":
        in_range = suite != "full" or (total_e >= 1.4e3 and total_p >= 8e3)
        return in_range and all(
            p >= (3 if suite == "smoke" else 4) * e for e, p in zip(s.extend, s.prefix, strict=True)
        )
    if workload.regime == "hit":
        in_range = all(64 <= e <= 1024 and 4096 <= p <= 65536 for e, p in zip(s.extend, s.prefix, strict=True))
        return total_p > 8 * total_e and (in_range or suite == "smoke")
    if workload.regime == "verify":
        return all(2 <= e <= 8 and p <= 131072 for e, p in zip(s.extend, s.prefix, strict=True))
    return longest * len(s.extend) > 3 * total_e


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("secret", range(20))
def test_lengths_are_those_of_the_regime(suite: str, secret: int) -> None:
    for workload in _suite(suite, secret).workloads:
        assert _holds(workload, suite), workload


def test_full_reaches_the_ends_of_the_ranges() -> None:
    shapes = [(w.regime, parse_shape(w)) for w in _suite("full").public]
    assert any(r == "verify" and max(s.prefix) == 131072 for r, s in shapes)
    assert any(r == "hit" and max(s.prefix) > 64000 for r, s in shapes)
    assert any(r == "chunked" and s.extend == (2048,) and s.prefix == (8192,) for r, s in shapes)


def test_the_figure_without_ragged_keeps_most_workloads() -> None:
    suite = _suite("cpu")
    assert sum(w.regime == "ragged" for w in suite.workloads) == 2


@pytest.mark.parametrize("suite", SUITES)
def test_the_tuned_reference_tells_regimes_apart_as_the_suite_does_where_shapes_allow(suite: str) -> None:
    for workload in _suite(suite).workloads:
        regime, width = PROBLEM.baselines.tuning.key(workload).split("/")
        assert int(width) == parse_shape(workload).qk_width
        if suite == "cpu":
            assert regime == workload.regime, workload.name


def test_what_bounds_a_workload_follows_the_rule_of_its_suite() -> None:
    workload = _suite("cpu").public[0]
    flops = PROBLEM.work(workload).dot_flops

    def peaks(dot: float, stream: float) -> Peaks:
        return Peaks(stream, {"bf16": dot, "f16": dot}, 1e9, 1e4)

    assert PROBLEM.bound(workload, "cpu", peaks(flops / 260e-6, math.inf)) == "compute"
    assert PROBLEM.bound(workload, "cpu", peaks(flops / 240e-6, math.inf)) == "latency"
    assert PROBLEM.bound(workload, "full", peaks(flops / 240e-6, math.inf)) == "compute"
    assert PROBLEM.bound(workload, "cpu", peaks(flops / 260e-6, 1e6)) == "bandwidth"


def test_the_brief_holds_rules_and_public_workloads_only() -> None:
    brief = PROBLEM.brief("cpu")
    assert brief.workloads == _suite("cpu").public
    assert not any(w.hidden for w in brief.workloads)
    assert "def extend_attention_fwd(" in brief.reference and brief.entry == "extend_attention_fwd"
    for argument in PROBLEM.make_inputs(brief.workloads[0], 0, None, 0).values:
        assert argument in brief.text


def test_an_unknown_suite_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'smoke'"):
        PROBLEM.suite("smok", 0)
