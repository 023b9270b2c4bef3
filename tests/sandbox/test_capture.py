"""Plans of honest candidates, captured in the real sandbox."""

import textwrap

from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.core.plan import Buffer, Launch, LaunchPlan, PointerArg, ScalarArg
from kernelwright.core.problem import Argument
from kernelwright.sandbox import CaptureService, capture_probe
from tests.sandbox.candidates import ADD, HEAD, call, source, tensor


def plans_of(service: CaptureService, text: str, *calls: tuple[Argument, ...]) -> tuple[LaunchPlan, ...]:
    result = service(Candidate(text), "go", calls or (call(),))
    assert not isinstance(result, Fault), result
    return result


def test_a_launch_becomes_a_plan_with_ir_grid_buffers_and_arguments(service: CaptureService) -> None:
    small, large = plans_of(service, source(ADD), call(100), call(256))
    assert [(b.name, b.role, b.dtype, b.size_bytes) for b in small.buffers] == [
        ("x", "input", "f32", 400), ("y", "input", "f32", 400), ("o", "output", "f32", 400),
        ("lens", "input", "i32", 12),
    ]  # fmt: skip
    option = small.launches[0].options[0]
    assert option.grid == (2, 1, 1)
    assert option.args == (PointerArg(0), PointerArg(1), PointerArg(2), ScalarArg("i32", 100))
    assert "tt.func public @add(" in small.kernels[0].ttir
    assert (small.kernels[0].num_warps, small.kernels[0].num_stages) == (4, 3)
    # 256 is a multiple of 16, which the IR of a Triton kernel says.
    assert small.kernels[0].sha256 != large.kernels[0].sha256
    assert small.host_ns > 0


def test_names_and_comments_do_not_change_a_plans_identity(service: CaptureService) -> None:
    text = source(ADD)
    (one,) = plans_of(service, text)
    (renamed,) = plans_of(
        service, "# a comment\n\n" + text.replace("tl.store(o", "tl.store(out").replace("o, n,", "out, n,")
    )
    (other,) = plans_of(service, text.replace("mask=m) + tl", "mask=m) * tl"))
    assert one.sha256() == renamed.sha256()
    assert one.sha256() != other.sha256()


def test_an_autotuned_kernel_is_one_launch_with_an_option_for_each_valid_configuration(service: CaptureService) -> None:
    tuned = """
    @triton.autotune(
        configs=[triton.Config({"TILE": 64}), triton.Config({"TILE": 48}), triton.Config({"TILE": 128}, num_warps=8)],
        key=["n"],
    )
    @triton.heuristics({"EVEN": lambda a: a["n"] % a["TILE"] == 0})
    @triton.jit
    def tuned(x, o, n, TILE: tl.constexpr, EVEN: tl.constexpr):
        i = tl.program_id(0) * TILE + tl.arange(0, TILE)
        tl.store(o + i, tl.load(x + i, mask=i < n), mask=i < n)
    """
    text = source('tuned[lambda a: (triton.cdiv(a["n"], a["TILE"]),)](x, o, x.numel())', _dedent(tuned))
    (plan,) = plans_of(service, text)
    (launch,) = plan.launches
    labels = [option.label for option in launch.options]
    assert labels == ["TILE: 64, num_warps: 4, num_stages: 3", "TILE: 128, num_warps: 8, num_stages: 3"]
    assert [option.grid for option in launch.options] == [(2, 1, 1), (1, 1, 1)]
    assert [kernel.num_warps for kernel in plan.kernels] == [4, 8]
    assert plan.choose((1,)).launches == (Launch((launch.options[1],)),)


def test_scratch_constants_and_host_plans_are_declared(service: CaptureService) -> None:
    text = source(
        """
        ends = lens.tolist()
        work = torch.tensor([[i, e * 2] for i, e in enumerate(ends)], dtype=torch.int32, device=x.device)
        raw = torch.empty((2, x.shape[0]), dtype=torch.bfloat16, device=x.device)
        zero = torch.zeros_like(x)
        low = torch.full((int(lens[-1]),), float("-inf"))
        unused = x.new_empty(1 << 30)
        for i in range(2):
            add[(1,)](raw[i], zero, low, len(ends), TILE=64)
        add[(1,)](work, y[lens[1]:], o, ends[1], TILE=64)
        """
    )
    (plan,) = plans_of(service, text)
    assert plan.buffers[4:] == (
        Buffer("", "scratch", "bf16", 400),
        Buffer("", "scratch", "f32", 400, fill=0.0),
        Buffer("", "scratch", "f32", 400, fill=float("-inf")),
        Buffer("", "constant", "i32", 24, data=(0, 0, 1, 6, 2, 200)),
    )
    assert [launch.options[0].args[0] for launch in plan.launches] == [
        PointerArg(4, 0), PointerArg(4, 200), PointerArg(7, 0),
    ]  # fmt: skip
    assert plan.launches[2].options[0].args[1] == PointerArg(1, 12)
    assert plan.launches[0].options[0].kernel != plan.launches[2].options[0].kernel
    assert len({kernel.sha256 for kernel in plan.kernels}) == len(plan.kernels)


def test_views_keep_their_buffer_and_move_their_offset(service: CaptureService) -> None:
    text = source(
        """
        q = x.view(4, 5, 5)
        views = [q[1], q.transpose(0, 2).permute(2, 1, 0)[2:], q.flatten()[7:], q.narrow(0, 3, 1).squeeze(0),
                 q.select(1, 2), x.unflatten(0, (2, 50))[1], x.reshape(10, 10).t()[1], x.as_strided((2,), (3,), 9),
                 q.unsqueeze(0).expand(3, -1, -1, -1)[2, 1], x.contiguous()[1:], x.split(30)[2], x.unbind()[8]]
        assert q.stride() == (25, 5, 1) and q.dim() == 3 and x.is_contiguous() and not x.is_cuda
        assert q.element_size() == 4 and str(x.device) == "cpu" and len(q) == 4 and x.dtype == torch.float32
        for view in views:
            add[(1,)](view, y, o, 3, TILE=64)
        """
    )
    (plan,) = plans_of(service, text)
    offsets = [launch.options[0].args[0] for launch in plan.launches]
    elements = [25, 50, 7, 75, 10, 50, 1, 9, 25, 1, 60, 8]
    assert offsets == [PointerArg(0, 4 * element) for element in elements]


def test_an_empty_grid_launches_nothing(service: CaptureService) -> None:
    (plan,) = plans_of(service, source("add[(0,)](x, y, o, 0, TILE=64)\n" + ADD))
    assert len(plan.launches) == 1


def test_constants_of_specialisation_are_no_arguments(service: CaptureService) -> None:
    text = source("add[(1,)](x, y, o, 1, TILE=64)\nadd[(1,)](x, y, o, 1 << 40, TILE=64)")
    (plan,) = plans_of(service, text)
    assert [launch.options[0].args[3:] for launch in plan.launches] == [(), (ScalarArg("i64", 1 << 40),)]


def test_scalars_of_every_kind_and_optional_tensors_pass(service: CaptureService) -> None:
    kernel = """
    @triton.jit
    def mixed(x, o, mask, scale, flag, count, TILE: tl.constexpr):
        i = tl.arange(0, TILE)
        v = tl.load(x + i) * scale
        if mask is not None:
            v = v * tl.load(mask + i)
        if flag:
            v += count
        tl.store(o + i, v)
    """
    arguments = (
        Argument("x", "input", tensor("bf16", 64)), Argument("y", "scalar", None, 0.5),
        Argument("o", "output", tensor("f32", 64)), Argument("lens", "scalar", None, True),
    )  # fmt: skip
    (plan,) = plans_of(service, source("mixed[(1,)](x, o, None, y, lens, -7, TILE=64)", _dedent(kernel)), arguments)
    option = plan.launches[0].options[0]
    assert option.args == (
        PointerArg(0), PointerArg(1), ScalarArg("f32", 0.5), ScalarArg("i1", 1), ScalarArg("i32", -7)
    )  # fmt: skip


def test_a_workspace_kept_between_calls_is_declared_by_each_plan(service: CaptureService) -> None:
    text = source("add[(1,)](x, SPACE.setdefault(0, torch.zeros(100)), o, 100, TILE=64)", "SPACE = {}\n\n\n")
    plans = plans_of(service, text, call(), call())
    assert plans[0].sha256() == plans[1].sha256()
    assert plans[1].buffers[4] == Buffer("", "scratch", "f32", 400, fill=0.0)


def test_what_the_host_may_ask_of_the_machine_is_answered(service: CaptureService) -> None:
    text = source(
        """
        target = triton.runtime.driver.active.get_current_target()
        assert torch.cuda.get_device_capability() == (8, 9) and torch.version.hip is None
        assert not torch.cuda.is_available() and target.backend == "kernelwright"
        with torch.no_grad():
            add.warmup(torch.float32, torch.float32, torch.float32, 100, TILE=64, grid=(1,))
            print("said to nobody")
        """
        + ADD
    )
    (plan,) = plans_of(service, text)
    assert len(plan.launches) == 1


def test_a_probe_is_captured_like_a_candidate_without_arguments(service: CaptureService) -> None:
    text = HEAD + "def probe():\n    a = torch.empty(1 << 28)\n    add[(1 << 22,)](a, a, a, 1 << 28, TILE=64)\n"
    plan = capture_probe(service, text)
    assert isinstance(plan, LaunchPlan)
    assert plan.buffers == (Buffer("", "scratch", "f32", 1 << 30),)


def _dedent(text: str) -> str:
    return textwrap.dedent(text).strip() + "\n\n\n"
