"""Torch as a competent user calls it: sequence by sequence, with its own backward of attention or the formula.

Every way writes `dq`, `dk` and `dv` and returns `dq`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch.nn import functional

from kernelwright.problems.contract import LibraryWay, Value, number, tensor


@dataclass(frozen=True)
class _Sequence:
    """One sequence, heads first and key/value heads not repeated: [1, H, length, D]; `lse` is [1, Hq, M].

    `hidden` is bool [M, N], None where every key is seen. `into` are views of dq, dk and dv in the same layout.
    """

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    o: torch.Tensor
    do: torch.Tensor
    lse: torch.Tensor
    hidden: torch.Tensor | None
    scale: float
    into: tuple[torch.Tensor, torch.Tensor, torch.Tensor]

    @property
    def group(self) -> int:
        return self.q.shape[1] // self.k.shape[1]

    @property
    def bias(self) -> torch.Tensor | None:
        """Return the mask as something to add to logits."""
        if self.hidden is None:
            return None
        return torch.zeros(self.hidden.shape, dtype=self.q.dtype).masked_fill_(self.hidden, -torch.inf)

    def write(self, dq: torch.Tensor, dk: torch.Tensor, dv: torch.Tensor) -> None:
        """Write gradients; dk and dv may still be by query head."""
        self.into[0].copy_(dq)
        for target, given in zip(self.into[1:], (dk, dv), strict=True):
            by_kv_head = (
                given.reshape(1, target.shape[1], -1, *given.shape[2:]).sum(2) if given.shape != target.shape else given
            )
            target.copy_(by_kv_head)


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return four ways: torch's kernel, autograd through it, and the formula in fp32 and with rounded weights."""
    return (
        LibraryWay("flash-backward", "torch's own kernel on the o and lse given", partial(_each, values, _kernel)),
        LibraryWay("autograd", "scaled dot product attention forward and backward", partial(_each, values, _autograd)),
        LibraryWay("matmul", "the formula in fp32", partial(_each, values, _formula)),
        LibraryWay("matmul-mixed", "the formula, dots of rounded weights", partial(_each, values, _mixed)),
    )


def _each(values: Mapping[str, Value], way: Callable[[_Sequence], None]) -> torch.Tensor:
    for sequence in _sequences(values):
        way(sequence)
    return tensor(values, "dq")


def _sequences(values: Mapping[str, Value]) -> Iterator[_Sequence]:
    starts = [tensor(values, name).tolist() for name in ("cu_seqlens_q", "cu_seqlens_k")]
    for (q0, q1), (k0, k1) in zip(pairwise(starts[0]), pairwise(starts[1]), strict=True):
        if q0 == q1:
            continue
        at = {name: slice(q0, q1) for name in ("q", "o", "do", "dq")} | {
            n: slice(k0, k1) for n in ("k", "v", "dk", "dv")
        }
        views = {name: tensor(values, name)[where].transpose(0, 1)[None] for name, where in at.items()}
        yield _Sequence(
            views["q"],
            views["k"],
            views["v"],
            views["o"],
            views["do"],
            tensor(values, "lse")[None, :, q0:q1],
            _hidden(q1 - q0, k1 - k0, bool(values["causal"]), int(number(values, "window_size"))),
            number(values, "sm_scale"),
            (views["dq"], views["dk"], views["dv"]),
        )


def _hidden(rows: int, keys: int, causal: bool, window: int) -> torch.Tensor | None:
    position, key = torch.arange(keys - rows, keys)[:, None], torch.arange(keys)[None, :]
    hidden = torch.zeros((rows, keys), dtype=torch.bool)
    if causal:
        hidden |= key > position
    if window >= 0:
        hidden |= key < position - window
    return hidden if causal or window >= 0 else None


def _kernel(one: _Sequence) -> None:
    k, v = (x.repeat_interleave(one.group, 1) for x in (one.k, one.v))
    gradients = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        one.do, one.q, k, v, one.o, one.lse, 0.0, False, attn_mask=one.bias, scale=one.scale
    )
    one.write(*gradients)


def _autograd(one: _Sequence) -> None:
    # The caller may be in inference mode, where nothing is recorded; copies are ordinary tensors again.
    with torch.inference_mode(False), torch.enable_grad():
        q, k, v = (x.clone().requires_grad_() for x in (one.q, one.k, one.v))
        out = functional.scaled_dot_product_attention(
            q, k, v, None if one.hidden is None else ~one.hidden.clone(), scale=one.scale, enable_gqa=True
        )
        gradients = torch.autograd.grad(out, (q, k, v), one.do.clone())
    one.write(*gradients)


def _formula(one: _Sequence) -> None:
    _by_formula(one, torch.float32)


def _mixed(one: _Sequence) -> None:
    _by_formula(one, one.q.dtype)


def _by_formula(one: _Sequence, rounded: torch.dtype) -> None:
    """Write gradients by the formula; products of weights and of dS take both in type `rounded`."""
    kv_heads, rows, width = one.k.shape[1], one.q.shape[2], one.q.shape[3]
    q, do, o = (x.reshape(kv_heads, one.group * rows, width) for x in (one.q, one.do, one.o))
    k, v = one.k[0].float(), one.v[0].float()
    weights = torch.exp((q.float() @ k.transpose(1, 2)) * one.scale - one.lse.reshape(kv_heads, -1)[..., None])
    if one.hidden is not None:
        weights.masked_fill_(one.hidden.repeat(one.group, 1), 0.0)
    delta = (o.float() * do.float()).sum(-1, keepdim=True)
    ds = weights * (do.float() @ v.transpose(1, 2) - delta)
    weights, ds = weights.to(rounded), ds.to(rounded)
    dq = (ds @ one.k[0].to(rounded)).view(1, -1, rows, width)
    dk, dv = ds.transpose(1, 2) @ q.to(rounded), weights.transpose(1, 2) @ do.to(rounded)
    one.write(dq * one.scale, dk[None] * one.scale, dv[None])
