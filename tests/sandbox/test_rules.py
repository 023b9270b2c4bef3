"""What host code may call on tensors: the rules of the capture child, tried one call at a time."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from kernelwright.sandbox.child.buffers import AddressSpace
from kernelwright.sandbox.child.refusal import Refusal, Refusals
from kernelwright.sandbox.child.rules import HostRules
from kernelwright.sandbox.child.tensors import HostTensor, TensorMaker
from tests.sandbox.candidates import call

Host = Callable[[str], Any]


@pytest.fixture
def host() -> Host:
    """Return a function that evaluates an expression of x, y, o and lens as host code would."""
    maker, refusals = TensorMaker(AddressSpace()), Refusals()
    maker.plan_inputs = ("lens",)
    rules = HostRules(maker, refusals)
    tensors = {a.name: maker.from_argument(a, a.tensor) for a in call(100) if a.tensor is not None}

    def evaluate(expression: str) -> Any:
        with rules, rules.backstop:
            return eval(expression, {"torch": torch, **tensors})

    return evaluate


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("torch.matmul(x.view(10, 10), y.view(10, 10))", "torch.matmul"),
        ("x + y", "torch.Tensor.add"),
        ("x @ y", "torch.Tensor"),
        ("x.clone()", "torch.Tensor.clone"),
        ("o.copy_(x)", "torch.Tensor.copy_"),
        ("o.zero_()", "torch.Tensor.zero_"),
        ("o.fill_(1)", "torch.Tensor.fill_"),
        ("o.__setitem__(0, 1.0)", "torch.Tensor.__setitem__"),
        ("x.sum()", "torch.Tensor.sum"),
        ("x.to(torch.float16)", "torch.Tensor.to"),
        ("x.to('cpu', copy=True)", "torch.Tensor.to"),
        ("x.half()", "torch.Tensor.half"),
        ("torch.nn.functional.relu(x)", "torch.nn.functional.relu"),
        ("torch.nn.functional.scaled_dot_product_attention(x, x, x)", "scaled_dot_product_attention"),
        ("torch.softmax(x, 0)", "torch.softmax"),
        ("torch.cat([x, y])", "torch.cat"),
        ("torch.arange(5)", "torch.arange"),
        ("torch.rand(5)", "torch.rand"),
        ("torch.ops.aten.mul(x, x)", "aten.mul"),
        ("torch.ops.aten.zeros([2])", "aten.zeros"),
        ("torch.IntTensor([1, 2])", "aten"),
        ("x.t().view(10, 10).t().contiguous()", "must copy"),
        ("x.view(10, 10).t().reshape(100)", "must copy"),
        ("x.as_strided((200,), (1,))", "outside its tensor"),
        ("x[[0, 2]]", "indexed a tensor by a list"),
        ("x[lens]", "indexed a tensor by a HostTensor"),
        ("x[x[0]]", "contents of x are not readable"),
        ("torch.tensor([0.5])", "list of integers"),
        ("torch.tensor(x)", "list of integers"),
        ("torch.tensor([1], dtype=torch.float32)", "list of integers"),
        ("torch.empty(3, out=x)", "out="),
        ("x.numpy()", "torch.Tensor.numpy"),
        ("x.untyped_storage()", "untyped_storage"),
        ("torch.equal(x, y)", "torch.equal"),
    ],
)
def test_arithmetic_on_tensors_is_cheating_by_name(host: Host, expression: str, name: str) -> None:
    with pytest.raises(Refusal) as refusal:
        host(expression)
    assert refusal.value.fault.status == "cheating"
    assert name in refusal.value.fault.reason


@pytest.mark.parametrize(
    "expression",
    ["x.tolist()", "x[0].item()", "float(x[0])", "int(o[3])", "bool(x[0])", "torch.empty(3).tolist()", "range(x[0])",
     "torch.zeros(2)[0].item()", "x.cpu().tolist()", "x.view(torch.int32)[0].item()"],
)  # fmt: skip
def test_contents_of_other_tensors_are_not_readable(host: Host, expression: str) -> None:
    with pytest.raises(Refusal) as refusal:
        host(expression)
    fault = refusal.value.fault
    assert fault.status == "cheating"
    assert "not readable on the host" in fault.reason and fault.reason.endswith("plan inputs are lens")


def test_a_refused_call_on_a_plan_input_says_how_to_read_it(host: Host) -> None:
    with pytest.raises(Refusal) as refusal:
        host("(lens[1:] - lens[:-1]).max()")
    assert "read lens with tolist()" in refusal.value.fault.reason


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("lens.tolist()", [0, 3, 100]),
        ("lens.cpu().tolist()", [0, 3, 100]),
        ("lens[1:].tolist()", [3, 100]),
        ("lens[-1].item()", 100),
        ("int(lens[1])", 3),
        ("[int(v) for v in lens]", [0, 3, 100]),
        ("list(range(lens[1]))", [0, 1, 2]),
        ("f'{lens[1]}'", "3"),
        ("len(lens)", 3),
        ("bool(lens[0])", False),
        ("torch.tensor([4, 5]).tolist()", [4, 5]),
        ("torch.tensor((1, True), dtype=torch.int32).dtype", torch.int32),
        ("tuple(torch.empty(lens[1], 2, device='cuda').shape)", (3, 2)),
        ("torch.empty((lens[1], 2), dtype=torch.float16).stride()", (2, 1)),
        ("torch.empty_like(x).numel()", 100),
        ("x.new_zeros(2, 3).shape[1]", 3),
        ("torch.empty_strided((2, 2), (1, 2)).stride()", (1, 2)),
        ("torch.full((2,), 7, dtype=torch.int64).block.fill", 7.0),
        ("torch.ones(2).block.fill", 1),
        ("x.to(x.device) is x and x.to(torch.float32) is x and x.cpu() is x and x.contiguous() is x", True),
        ("torch.is_tensor(x) and isinstance(x, torch.Tensor)", True),
        ("x.data_ptr() % 64", 0),
        ("x[2:].data_ptr() - x.data_ptr()", 8),
        ("x.view(torch.int16).shape[0]", 200),
        ("torch.transpose(x.view(4, 25), 0, 1).shape[0]", 25),
        ("x.requires_grad", False),
        ("x.device == torch.device('cpu') and x.is_cpu and not x.is_cuda", True),
    ],
)
def test_views_queries_allocations_and_plan_inputs_are_answered(host: Host, expression: str, value: object) -> None:
    assert host(expression) == value


def test_a_tensor_prints_as_its_shape_alone(host: Host) -> None:
    assert host("repr(x)") == host("str(x)") == host("f'{x}'") == "tensor(x, shape=(100,), torch.float32)"


def test_torchs_own_errors_reach_host_code_unchanged(host: Host) -> None:
    with pytest.raises(RuntimeError, match="invalid for input of size 100"):
        host("x.view(7, 7)")
    with pytest.raises(IndexError):
        host("x[100]")


def test_no_two_buffers_share_an_address_and_none_is_reused(host: Host) -> None:
    made: list[HostTensor] = [host("torch.empty(0)"), host("torch.empty(1 << 30)"), host("x"), host("torch.empty(5)")]
    spans = sorted((t.block.start, t.block.start + t.block.size_bytes) for t in made)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
