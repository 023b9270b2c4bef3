"""Torch as a competent user calls it: pages gathered, then scaled dot product attention or its formula."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional

from kernelwright.problems.contract import LibraryWay, Value, number, tensor


@dataclass(frozen=True)
class _Call:
    """The arguments, positions turned to slots of the flat pool on the host as an engine does between layers.

    `slots` are those of each request's visible tokens, `padded` the same for all requests [B, longest], filled up with
    slots that the request has; `seen` says which are no filling.
    """

    values: Mapping[str, Value]
    slots: tuple[torch.Tensor, ...]
    padded: torch.Tensor
    seen: torch.Tensor

    @property
    def q(self) -> torch.Tensor:
        return tensor(self.values, "q")

    @property
    def scale(self) -> float:
        return number(self.values, "sm_scale") * number(self.values, "k_scale")

    def gathered(self, name: str, slots: torch.Tensor) -> torch.Tensor:
        """Return rows of a cache in the type of the queries, [..., Hkv, D]."""
        cache = tensor(self.values, name)
        plain = cache.view(torch.uint8) if cache.element_size() == 1 else cache
        rows = plain.flatten(0, 1).index_select(0, slots.flatten()).view(cache.dtype)
        return rows.to(self.q.dtype).view(*slots.shape, *cache.shape[2:])


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return the ways that can do the work: three at least, five where there is neither a cap nor a sink."""
    call = _call_of(values)
    ways = [
        LibraryWay(
            "matmul", "one request at a time, softmax by its formula, fp32", partial(_by_request, call, _formula)
        ),
        LibraryWay(
            "matmul-mixed", "the same, weights rounded for the second product", partial(_by_request, call, _mixed)
        ),
        LibraryWay("matmul-padded", "all requests at once, padded, fp32", partial(_at_once, call, _formula)),
    ]
    if not number(values, "logit_cap") and values["sinks"] is None:
        ways += [
            LibraryWay("sdpa", "one request at a time, GQA flag", partial(_by_request, call, _sdpa)),
            LibraryWay("sdpa-padded", "all requests at once, padded, with a mask", partial(_at_once, call, _sdpa)),
        ]
    return tuple(ways)


_Attend = Callable[[_Call, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


def _call_of(values: Mapping[str, Value]) -> _Call:
    lengths: list[int] = tensor(values, "seq_lens").tolist()
    table, page = tensor(values, "block_tables"), tensor(values, "k_cache").shape[1]
    window = int(number(values, "window_size"))
    slots = []
    for row, length in enumerate(lengths):
        first = max(length - 1 - window, 0) if window >= 0 else 0
        positions = torch.arange(first, length)
        slots.append(table[row, positions // page].long() * page + positions % page)
    live = [s for s in slots if len(s)]
    longest = max((len(s) for s in live), default=0)
    padded = torch.stack([functional.pad(s[None], (0, longest - len(s)), mode="replicate")[0] for s in live])
    seen = torch.arange(longest)[None, :] < torch.tensor([len(s) for s in live])[:, None]
    return _Call(values, tuple(slots), padded, seen)


def _by_request(call: _Call, attend: _Attend) -> torch.Tensor:
    out = torch.zeros_like(tensor(call.values, "out"))
    for row, slots in enumerate(call.slots):
        if len(slots):
            k, v = (call.gathered(name, slots)[None].transpose(1, 2) for name in ("k_cache", "v_cache"))
            out[row] = attend(call, call.q[row : row + 1, :, None], k, v, None)[0, :, 0]
    return out


def _at_once(call: _Call, attend: _Attend) -> torch.Tensor:
    out = torch.zeros_like(tensor(call.values, "out"))
    live = [row for row, slots in enumerate(call.slots) if len(slots)]
    k, v = (call.gathered(name, call.padded).transpose(1, 2) for name in ("k_cache", "v_cache"))
    out[live] = attend(call, call.q[live][:, :, None], k, v, call.seen[:, None, None])[:, :, 0]
    return out


def _sdpa(call: _Call, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    answer = functional.scaled_dot_product_attention(q, k, v, seen, scale=call.scale, enable_gqa=True)
    return answer * number(call.values, "v_scale")


def _weights(call: _Call, q: torch.Tensor, k: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    """Return softmax weights, fp32 [B, Hkv, G, N]."""
    grouped = q.float().view(q.shape[0], k.shape[1], -1, q.shape[3])
    logits = (grouped @ k.float().transpose(2, 3)) * call.scale
    cap, sinks = number(call.values, "logit_cap"), call.values["sinks"]
    if cap:
        logits = cap * torch.tanh(logits / cap)
    if seen is not None:
        logits = logits.masked_fill(~seen, -torch.inf)
    if not isinstance(sinks, torch.Tensor):
        return torch.softmax(logits, -1)
    column = sinks.float().view(1, k.shape[1], -1, 1).expand(*logits.shape[:3], 1)
    return torch.softmax(torch.cat([logits, column], -1), -1)[..., :-1]


def _formula(call: _Call, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    answer = _weights(call, q, k, seen) @ v.float()
    return (answer * number(call.values, "v_scale")).flatten(1, 2)[:, :, None].to(q.dtype)


def _mixed(call: _Call, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    answer = _weights(call, q, k, seen).to(v.dtype) @ v
    return (answer * number(call.values, "v_scale")).flatten(1, 2)[:, :, None]
