"""Honest host code of the kinds that people write: each must pass the source scan and give a plan."""

import textwrap
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan, PointerArg, ScalarArg
from kernelwright.core.problem import Argument
from kernelwright.sandbox import CaptureService, Limits
from tests.sandbox.candidates import ADD, call, source, tensor


def plan_of(service: CaptureService, text: str, arguments: tuple[Argument, ...] | None = None) -> LaunchPlan:
    result = service(Candidate(text), "go", [arguments or call()])
    assert not isinstance(result, Fault), result
    return result[0]


def before(text: str) -> str:
    return textwrap.dedent(text).strip() + "\n\n\n"


DESCRIPTORS = before(
    """
    from triton.tools.tensor_descriptor import TensorDescriptor


    @triton.jit
    def move(source, target, rows, M: tl.constexpr, N: tl.constexpr):
        for row in range(tl.program_id(0) * M, rows, M * tl.num_programs(0)):
            target.store([row, 0], source.load([row, 0]))
    """
)


def matrices() -> tuple[Argument, ...]:
    x, _, o, lens = call()
    shape = tensor("f16", 24, 40)
    return replace(x, tensor=shape), replace(x, name="y", tensor=shape), replace(o, tensor=shape), lens


def test_descriptors_made_on_the_host_become_pointers_and_scalars(service: CaptureService) -> None:
    text = source(
        """
        source = TensorDescriptor.from_tensor(x[8:], [8, 16])
        target = TensorDescriptor(o, shape=[24, 40], strides=[40, 1], block_shape=[8, 16], padding="nan")
        move[(2,)](source, target, 24, M=8, N=16)
        """,
        DESCRIPTORS,
    )
    option = plan_of(service, text, matrices()).launches[0].options[0]
    sizes = (ScalarArg("i64", 16), ScalarArg("i64", 40))
    strides = (ScalarArg("i64", 40), ScalarArg("i64", 1))
    assert option.args[:5] == (PointerArg(0, 8 * 40 * 2), *sizes, *strides)
    assert option.args[-1] == ScalarArg("i32", 24)
    again = (ScalarArg("i32", 16), ScalarArg("i32", 40), *strides)
    flags = option.args[5 : option.args.index(PointerArg(2))][: -len(again)]
    assert set(flags) == {ScalarArg("i1", 0)} and option.args[5 + len(flags) :][:4] == again
    assert ScalarArg("i1", 1) in option.args[option.args.index(PointerArg(2)) :]


def test_a_configurations_hook_sets_the_blocks_of_descriptors(service: CaptureService) -> None:
    tuned = before(
        """
        def shape_blocks(nargs):
            nargs["source"].block_shape = [nargs["M"], nargs["N"]]
            nargs["target"].block_shape = [nargs["M"], nargs["N"]]


        configs = [triton.Config({"M": m, "N": 16}, pre_hook=shape_blocks) for m in (8, 16)]
        tuned = triton.autotune(configs=configs, key=[])(move)
        """
    )
    text = source(
        """
        source, target = (TensorDescriptor.from_tensor(t, [1, 16]) for t in (x, o))
        tuned[(1,)](source, target, 24)
        """,
        DESCRIPTORS + tuned,
    )
    plan = plan_of(service, text, matrices())
    assert [option.label.split(",")[0] for option in plan.launches[0].options] == ["M: 8", "M: 16"]
    assert "tensor<8x16x" in plan.kernels[0].ttir and "tensor<16x16x" in plan.kernels[1].ttir


@pytest.mark.parametrize(
    "hook",
    [
        "reset_to_zero=['o']",
        "restore_value=['o']",
        "pre_hook=lambda nargs, reset_only=False: nargs['o'].zero_()",
        "post_hook=lambda nargs, exception: nargs['o'].zero_()",
    ],
)
def test_hooks_between_tuning_launches_are_accepted_and_never_called(service: CaptureService, hook: str) -> None:
    configs = "[triton.Config({'TILE': 64}), triton.Config({'TILE': 128})]"
    tuned = f"tuned = triton.autotune(configs={configs}, key=['n'], {hook})(add)\n\n\n"
    plan = plan_of(service, source("tuned[(1,)](x, y, o, x.numel())", tuned))
    assert len(plan.launches) == 1 and len(plan.launches[0].options) == 2


@pytest.mark.parametrize(
    "count",
    [
        "torch.cuda.get_device_properties(x.device).multi_processor_count",
        'torch.cuda.get_device_properties("cuda").multi_processor_count',
        "torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count",
        'triton.runtime.driver.active.utils.get_device_properties(0)["multiprocessor_count"]',
        'driver.active.utils.get_device_properties(driver.active.get_current_device())["multiprocessor_count"]',
    ],
)
def test_persistent_kernels_learn_how_many_cores_there_are(cores: CaptureService, count: str) -> None:
    text = source(f"add[({count},)](x, y, o, 100, TILE=64)", "from triton.runtime import driver\n\n\n")
    assert plan_of(cores, text).launches[0].options[0].grid == (7, 1, 1)


@pytest.fixture(scope="module")
def cores() -> Iterator[CaptureService]:
    """Return a service that is told that kernels run on seven cores."""
    with CaptureService(limits=Limits(call_s=30), cores=7) as made:
        yield made


IDIOMS = {
    "device questions": """
        props = torch.cuda.get_device_properties(torch.cuda.current_device())
        assert props.name and props.total_memory > 1 << 28 and props.warp_size == 32
        assert (props.major, props.minor) == torch.cuda.get_device_capability() and torch.cuda.device_count() == 1
        torch.cuda.synchronize()
        torch.cuda.current_stream().synchronize()
        assert torch.cuda.get_device_name() and torch.cuda.current_stream().cuda_stream == 0
    """,
    "contexts": """
        with torch.no_grad(), torch.cuda.device(x.device), torch.inference_mode():
            pass
        with torch.cuda.device(0), torch.cuda.stream(torch.cuda.current_stream()):
            pass
    """,
    "numbers": """
        assert math.ceil(math.log2(100)) == 7 and triton.cdiv(7, 2) == 4 and triton.next_power_of_2(100) == 128
        assert math.isqrt(50) == 7 and min(max(1, 2), 3) == 2 and math.prod(x.shape) == 100
        assert f"{x.shape[0]:>5}|{math.pi:.2f}" == "  100|3.14"
    """,
    "classes and closures": """
        plan = Plan(lens.tolist(), tile=64)
        assert len(plan) == 3 and plan == Plan([0, 3, 100], 64) and "64" in repr(plan)
        assert [step(3) for step in [lambda v, k=k: v * k for k in range(3)]] == [0, 3, 6]
        assert plan.tiles == 2 and Plan.default().tile == 32
    """,
    "collections and loops": """
        pairs = sorted({k: v for k, v in zip("ba", (1, 2), strict=True)}.items())
        assert [name for name, _ in pairs] == ["a", "b"] and any(v > 1 for _, v in pairs)
        first, *rest = [i for i in range(5) if i % 2 == 0]
        while rest:
            first += rest.pop()
        assert isinstance(first, int), f"expected an integer, got {type(first)}"
    """,
}
CLASSES = before(
    """
    import math
    import typing
    from typing import List, NamedTuple, Optional, Tuple

    LIMIT: typing.Final = 1 << 20


    class Plan:
        '''A plan for the host.'''

        tile: int

        def __init__(self, ends: List[int], tile: int = 32) -> None:
            self.ends, self.tile = ends, tile

        def __len__(self) -> int:
            return len(self.ends)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Plan) and self.ends == other.ends

        def __repr__(self) -> str:
            return f"Plan(tile={self.tile})"

        @property
        def tiles(self) -> int:
            return triton.cdiv(self.ends[-1], self.tile)

        @classmethod
        def default(cls) -> "Plan":
            return cls([0])


    class Tile(NamedTuple):
        rows: int
        columns: int = 16


    def checked(x: torch.Tensor, tile: Optional[Tile] = None) -> Tuple[torch.Tensor, int]:
        assert x.is_contiguous(), "x must be contiguous"
        try:
            return x, (tile or Tile(4)).columns
        finally:
            pass


    if __name__ == "__main__":
        print(checked(torch.zeros(3)))
    """
)


@pytest.mark.parametrize("idiom", IDIOMS)
def test_idioms_of_host_code_pass(service: CaptureService, idiom: str) -> None:
    body = textwrap.dedent(IDIOMS[idiom]).strip()
    plan = plan_of(service, source(f"x, _ = checked(x)\n{body}\n{ADD}", CLASSES))
    assert len(plan.launches) == 1


def test_kernels_of_functions_heuristics_and_constants_pass(service: CaptureService) -> None:
    kernels = before(
        """
        SCALE: tl.constexpr = tl.constexpr(3)


        @triton.jit
        def scaled(v, SQUARE: tl.constexpr = False):
            if SQUARE:
                v = v * v
            return v * SCALE


        @triton.jit
        def combine(a, b):
            return a + b


        @triton.heuristics(values={"EVEN": lambda args: args["n"] % args["TILE"] == 0})
        @triton.jit
        def summed(x, o, n, TILE: tl.constexpr, EVEN: tl.constexpr):
            i = tl.arange(0, TILE)
            v = scaled(tl.load(x + i, mask=i < n, other=0.0), SQUARE=True)
            tl.static_assert(TILE % 16 == 0)
            tl.store(o, tl.reduce(v, 0, combine))
        """
    )
    plan = plan_of(service, source("summed[(1,)](x, o, x.numel(), TILE=128, num_warps=2)", kernels))
    assert plan.kernels[0].num_warps == 2 and "tt.reduce" in plan.kernels[0].ttir


@pytest.mark.parametrize("module", ["functools", "dataclasses", "collections", "itertools", "enum"])
def test_modules_outside_the_list_stay_refused(service: CaptureService, module: str) -> None:
    fault = service(Candidate(source(ADD, f"import {module}\n\n\n")), "go", [call()])
    assert isinstance(fault, Fault) and fault.status == "cheating" and f"import of {module}" in fault.reason
