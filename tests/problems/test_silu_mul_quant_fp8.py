"""The gated layer with quantisation: oracle, inputs, gates, baselines and the judge."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch.nn import functional

from kernelwright.core.problem import Workload
from kernelwright.judge import CandidateJudge
from kernelwright.problems.contract import Answers, Inputs
from kernelwright.problems.rounding import E4M3, rounded
from kernelwright.sandbox import CaptureService
from tests.problems.folders import SEEDS, Fake, Params, called, changed, folder, left_behind, report_on, smoke
from tests.problems.judged import edited, opened, verdict_on

PROBLEM = folder("silu_mul_quant_fp8")
SMOKE = smoke(PROBLEM)
FULL = [workload for workload in SMOKE if workload.params["tokens"]]
BY_NAME = {workload.name: workload for workload in SMOKE}
GROUP = 128
Applies = Callable[[Params], bool]


def _halves(inputs: Inputs, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    gate, up = inputs.tensor("x").to(dtype).chunk(2, 1)
    return gate, up


def _groups(y: torch.Tensor, group: int = GROUP) -> torch.Tensor:
    return functional.pad(y, (0, -y.shape[1] % group)).view(len(y), -1, group)


def _scales(inputs: Inputs, y: torch.Tensor) -> torch.Tensor:
    most = inputs.values["amax_ub"]
    amax = _groups(y).abs().amax(2).clamp_min(inputs.number("eps"))
    return amax.clamp_max(inputs.number("amax_ub") if most is not None else math.inf) / 448


def _quantised(y: torch.Tensor, scales: torch.Tensor) -> Answers:
    wide = scales.repeat_interleave(GROUP, 1)[:, : y.shape[1]]
    return {"q": rounded(y.double() / wide.double(), E4M3), "scales": scales.double()}


def _from(product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Fake:
    """Return the fake that quantises rightly what `product` makes of gate and up."""

    def run(inputs: Inputs) -> Answers:
        y = product(*_halves(inputs))
        return _quantised(y, _scales(inputs, y))

    return run


def _silu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return gate * torch.sigmoid(gate) * up


def _with_scales(change: Callable[[Inputs, torch.Tensor, torch.Tensor], torch.Tensor]) -> Fake:
    """Return the fake that quantises the right product by `change` of (inputs, product, right scales)."""

    def run(inputs: Inputs) -> Answers:
        y = _silu(*_halves(inputs))
        return _quantised(y, change(inputs, y, _scales(inputs, y)))

    return run


def rounded_to_the_type_of_x(inputs: Inputs) -> Answers:
    y = _silu(*_halves(inputs)).to(inputs.tensor("x").dtype).double()
    return _quantised(y, _scales(inputs, y))


def no_eps(_inputs: Inputs, y: torch.Tensor, _scales: torch.Tensor) -> torch.Tensor:
    return _groups(y).abs().amax(2).clamp_min(1e-30) / 448


def largest_not_magnitude(inputs: Inputs, y: torch.Tensor, _right: torch.Tensor) -> torch.Tensor:
    return _scales(inputs, y.clamp_min(0))


def half_of_each_group(inputs: Inputs, y: torch.Tensor, _right: torch.Tensor) -> torch.Tensor:
    seen = _groups(y).clone()
    seen[..., GROUP // 2 :] = 0
    return _scales(inputs, seen.flatten(1))


def one_scale_a_token(_inputs: Inputs, _y: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    return scales.amax(1, keepdim=True).expand_as(scales)


def truncated(inputs: Inputs) -> Answers:
    y = _silu(*_halves(inputs))
    scales = _scales(inputs, y)
    exact = (y / scales.repeat_interleave(GROUP, 1)[:, : y.shape[1]]).clamp(-448, 448)
    near = rounded(exact, E4M3)
    low = rounded(exact * (1 - 2.0**-4), E4M3)
    return {"q": torch.where(near.abs() > exact.abs(), low, near), "scales": scales}


def tail_left_out(inputs: Inputs) -> Answers:
    answers = dict(PROBLEM.oracle(inputs))
    answers["q"] = answers["q"].clone()
    answers["q"][:, answers["q"].shape[1] // GROUP * GROUP :] = 0
    return answers


def not_saturated(inputs: Inputs) -> Answers:
    y = _silu(*_halves(inputs))
    scales = _scales(inputs, y)
    exact = y / scales.repeat_interleave(GROUP, 1)[:, : y.shape[1]]
    return {"q": torch.where(exact.abs() > 464, math.nan, rounded(exact, E4M3)), "scales": scales}


def exponential_overflows(inputs: Inputs) -> Answers:
    gate, up = _halves(inputs, torch.float32)
    y = gate * gate.exp() / (1 + gate.exp()) * up
    return _quantised(y, _scales(inputs, y))


def scales_inverted(inputs: Inputs) -> Answers:
    answers = PROBLEM.oracle(inputs)
    return {**answers, "scales": 1 / answers["scales"]}


def groups_shifted(inputs: Inputs) -> Answers:
    answers = PROBLEM.oracle(inputs)
    return {**answers, "scales": answers["scales"].roll(1, 1)}


def _many(params: Params) -> bool:
    return int(str(params["tokens"])) >= 8


def _always(_params: Params) -> bool:
    return True


FAKES: dict[str, tuple[Fake, Applies]] = {
    "halves-swapped": (_from(lambda gate, up: _silu(up, gate)), _always),
    "no-silu": (_from(lambda gate, up: gate * up), _always),
    "sigmoid-only": (_from(lambda gate, up: torch.sigmoid(gate) * up), _always),
    "gelu": (_from(lambda gate, up: functional.gelu(gate) * up), _always),
    "rounded-to-bf16": (_from(lambda gate, up: _silu(gate, up).bfloat16().double()), _many),
    "rounded-to-the-type-of-x": (rounded_to_the_type_of_x, _many),
    "no-eps": (_with_scales(no_eps), _many),
    "eps-added": (_with_scales(lambda i, _y, s: s + i.number("eps") / 448), _many),
    "largest-not-magnitude": (_with_scales(largest_not_magnitude), _many),
    "half-of-each-group": (_with_scales(half_of_each_group), _many),
    "one-scale-a-token": (_with_scales(one_scale_a_token), _many),
    "largest-code-240": (_with_scales(lambda _i, _y, s: s * 448 / 240), _always),
    "powers-of-two": (_with_scales(lambda _i, _y, s: s.log2().ceil().exp2()), _always),
    "scales-in-bf16": (_with_scales(lambda _i, _y, s: s.bfloat16().double()), _many),
    "bound-ignored": (_with_scales(lambda i, y, _s: _scales(changed(i, amax_ub=None), y)), lambda p: "amax_ub" in p),
    "not-saturated": (not_saturated, lambda p: "amax_ub" in p),
    "truncated": (truncated, _always),
    "tail-left-out": (tail_left_out, lambda p: int(str(p["width"])) % GROUP != 0),
    "exponential-overflows": (exponential_overflows, _many),
    "scales-inverted": (scales_inverted, _always),
    "groups-shifted": (groups_shifted, _always),
}


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_fails_on_every_smoke_workload_that_has_what_it_ignores(name: str) -> None:
    fake, applies = FAKES[name]
    caught = [w for w in FULL if applies(dict(w.params))]
    assert caught
    for workload in caught:
        for seed in SEEDS:
            assert not report_on(PROBLEM, workload, seed, fake).passed, f"{name} passed on {workload.name}"


def by_reciprocal(inputs: Inputs) -> Answers:
    gate, up = _halves(inputs, torch.float32)
    y = gate / (1 + torch.exp2(gate * -1.4426950408889634)) * up
    scales = _scales(inputs, y).float()
    wide = scales.reciprocal().repeat_interleave(GROUP, 1)[:, : y.shape[1]]
    codes = (y * wide).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"q": codes.double(), "scales": scales.double()}


def in_float32(inputs: Inputs) -> Answers:
    gate, up = _halves(inputs, torch.float32)
    y = functional.silu(gate) * up
    return _quantised(y, _scales(inputs, y).float())


@pytest.mark.parametrize("fake", [by_reciprocal, in_float32, PROBLEM.oracle])
def test_honest_float32_passes(fake: Fake) -> None:
    for workload in FULL:
        for seed in SEEDS:
            report = report_on(PROBLEM, workload, seed, fake)
            assert report.passed, report.reason
            assert report.by_output["scales"] < 2e-6 and report.by_output["q"] <= 1e-3


def _nearest_code(value: float, numbers: list[float]) -> float:
    """Return the nearest number of e4m3, the one with an even code between two."""
    return min(enumerate(numbers), key=lambda pair: (abs(pair[1] - abs(value)), pair[0] % 2))[1] * math.copysign(
        1, value
    )


@pytest.mark.parametrize("name", ["decode", "bounded", "one-token"])
def test_the_oracle_agrees_with_one_number_after_the_other(name: str) -> None:
    inputs = PROBLEM.make_inputs(BY_NAME[name], 3)
    numbers = torch.arange(127).to(torch.uint8).view(torch.float8_e4m3fn).double().tolist()
    answers, most = PROBLEM.oracle(inputs), inputs.values["amax_ub"]
    width = inputs.tensor("q").shape[1]
    for token, row in enumerate(inputs.tensor("x").double().tolist()[:9]):
        y = [g / (1 + math.exp(min(-g, 700))) * u for g, u in zip(row[:width], row[width:], strict=True)]
        for first in range(0, width, GROUP):
            part = y[first : first + GROUP]
            amax = max(*map(abs, part), inputs.number("eps"))
            scale = (amax if most is None else min(amax, inputs.number("amax_ub"))) / 448
            assert float(answers["scales"][token, first // GROUP]) == pytest.approx(scale, rel=1e-12)
            codes = [_nearest_code(value / scale, numbers) for value in part]
            assert answers["q"][token, first : first + GROUP].tolist() == codes


def test_twice_the_up_half_gives_twice_the_scales_and_the_same_codes() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["short-group"], 1)
    x = inputs.tensor("x").double()
    width = x.shape[1] // 2
    x[:, width:] *= 2
    without_eps = changed(inputs, eps=0.0)
    once, twice = PROBLEM.oracle(without_eps), PROBLEM.oracle(changed(without_eps, x=x))
    assert torch.equal(twice["scales"], 2 * once["scales"])
    assert torch.equal(twice["q"].nan_to_num(), once["q"].nan_to_num())


def test_inputs_hold_what_a_careless_scale_gets_wrong() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["short-group"], 1)
    gate, up = _halves(inputs)
    y = _silu(gate, up)
    amax = _groups(y).abs().amax(2)
    assert bool((amax == 0).any()) and bool(((amax > 0) & (amax < 1e-10)).any())
    assert float(amax.max()) > 65504 and float(gate.min()) < -100
    bounded = PROBLEM.make_inputs(BY_NAME["bounded"], 1)
    assert bool((_groups(_silu(*_halves(bounded))).abs().amax(2) > bounded.number("amax_ub")).any())
    assert inputs.tensor("scales").stride() == (1, inputs.tensor("q").shape[0])


def test_the_work_is_the_traffic_and_an_exponential_an_element() -> None:
    work = PROBLEM.work(BY_NAME["short-group"])
    assert work.moved_bytes == 33 * (2 * 2 * 720 + 720 + 4 * 6)
    assert work.exp_count == 33 * 720 and work.dot_flops == 0


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_every_way_to_call_the_library_passes(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2)
    for number in range(len(PROBLEM.baselines.library(inputs))):
        way, _, own = called(PROBLEM, inputs, number)
        outputs = {name: own.tensor(name) for name in own.answers}
        report = PROBLEM.check(outputs, inputs, PROBLEM.oracle(inputs))
        assert report.passed, f"{way.name}: {report.reason}"


def test_an_output_that_nothing_is_written_to_never_passes() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["decode"], 1)
    expected = PROBLEM.oracle(inputs)
    outputs = left_behind(expected, inputs)
    for name in inputs.outputs:
        assert not PROBLEM.check({**outputs, name: inputs.tensor(name)}, inputs, expected).passed


@pytest.fixture(scope="module")
def judge(capture: CaptureService) -> Iterator[CandidateJudge]:
    yield from opened(PROBLEM, capture)


WRONG = {
    "strides-of-scales-ignored": (
        "incorrect",
        [("token * stride_token + group * stride_group", "token * groups + group")],
    ),
    "y-in-bf16": ("incorrect", [("* up\n", "* up\n    y = y.to(tl.bfloat16).to(tl.float32)\n")]),
    "no-mask": ("memory_fault", [("inside = column < width", "inside = column < groups * GROUP")]),
    "eps-forgotten": ("incorrect", [("tl.maximum(tl.max(tl.abs(y), 1), eps)", "tl.max(tl.abs(y), 1) + 1e-30")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_judge_refuses_wrong_kernels(judge: CandidateJudge, name: str) -> None:
    status, edits = WRONG[name]
    verdict = verdict_on(judge, edited(PROBLEM.baselines.reference(), *edits))
    assert verdict.status == status, verdict.reason


@pytest.mark.parametrize("file", ["reference", "autotuned"])
def test_the_judge_accepts_the_reference_and_the_tuned_one(judge: CandidateJudge, file: str) -> None:
    source = getattr(PROBLEM.baselines, file)()
    verdict = verdict_on(judge, source)
    assert verdict.is_accepted, verdict.reason
