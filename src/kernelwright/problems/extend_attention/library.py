"""Torch as a competent user calls it on the CPU, one request at a time.

Ways to call `scaled_dot_product_attention`; each gathers the prefix, joins it with the new tokens and
computes the whole workload:

- `lower-right`: `causal_lower_right` where only causality masks, KV heads expanded;
- `mask`: an explicit mask, KV heads expanded;
- `gqa`: `enable_gqa`, `is_causal` where that is enough, else an explicit mask;
- `stacked`: the query heads of a KV head as rows of one head, an explicit mask; values padded to
  the width of keys, without which torch has no fused kernel;
- `stacked-f32`: the same in float32, for types in which the machine is slow.

What SDPA cannot express uses the nearest composition: windows and trees are masks, and a window
also cuts the prefix to its last W tokens and the queries into blocks of 256, each with the keys it
can see; sinks are one more key with zero value whose logit comes in through a float mask; scales
multiply the gathered prefix. A logit cap has no place in it, which leaves plain products and softmax:
`matmul` and `matmul-expanded` in float32 with query heads stacked or KV heads expanded, and
`matmul-mixed`, stacked, with weights and values in the dtype of the inputs. Logits in bf16, which torch
gives for bf16 products, would be faster and fail the gate of the problem.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right

from kernelwright.problems.contract import Inputs, LibraryWay
from kernelwright.problems.extend_attention.oracle import Options, Request, read_options, requests_of, visible_block

_WINDOW_ROWS = 256


@dataclass(frozen=True)
class _Block:
    """Some rows of one request as torch wants them: q, k, v [1, heads, length, width], one joined list of keys.

    `rows` and `keys` are their numbers within `request`; `scale` is the factor of q.k.
    """

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    rows: range
    keys: range
    request: Request
    options: Options
    sinks: torch.Tensor | None

    @property
    def group(self) -> int:
        """Return the query heads per key/value head."""
        return self.q.shape[1] // self.k.shape[1]

    @property
    def is_plain(self) -> bool:
        """Return whether nothing but perhaps causality masks."""
        return self.request.mask is None and self.options.window < 0 and self.sinks is None

    def expanded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values with one head for each query head."""
        if self.group == 1:
            return self.k, self.v
        return self.k.repeat_interleave(self.group, dim=1), self.v.repeat_interleave(self.group, dim=1)

    def stacked(self) -> torch.Tensor:
        """Return queries [1, Hkv, G * rows, Dqk]."""
        return self.q.reshape(1, self.k.shape[1], self.group * len(self.rows), self.q.shape[3])

    def visible(self, repeats: int = 1) -> torch.Tensor:
        """Return the bool mask [rows * repeats, keys]."""
        return visible_block(self.request, self.options, self.rows, self.keys).repeat(repeats, 1)


_Attend = Callable[[_Block], torch.Tensor]


def library_ways(inputs: Inputs) -> tuple[LibraryWay, ...]:
    """Return the ways, bound to `inputs`; each call computes and returns a fresh output."""
    capped = bool(read_options(inputs).cap)
    note = "plain operations: SDPA has no logit cap" if capped else "scaled_dot_product_attention"
    return tuple(
        LibraryWay(name, note, functools.partial(_whole, inputs, attend))
        for name, attend in (_CAPPED_WAYS if capped else _WAYS).items()
    )


def _whole(inputs: Inputs, attend: _Attend) -> torch.Tensor:
    options, sinks = read_options(inputs), inputs.values["sinks"]
    out = torch.empty_like(inputs.tensor("o_extend"))
    for request in requests_of(inputs, last=options.window if options.window >= 0 else None):
        target = out[request.first_row : request.first_row + request.extend]
        for block in _blocks(request, options, sinks if isinstance(sinks, torch.Tensor) else None):
            target[block.rows.start : block.rows.stop] = attend(block)[0].transpose(0, 1)
    return out


def _blocks(request: Request, options: Options, sinks: torch.Tensor | None) -> Iterator[_Block]:
    q = request.q.transpose(0, 1)[None]
    k = _join(request.k_prefix, request.k_new, options.k_scale)
    v = _join(request.v_prefix, request.v_new, options.v_scale)
    step = _WINDOW_ROWS if options.window >= 0 and options.causal else request.extend
    for first in range(0, request.extend, step):
        rows = range(first, min(first + step, request.extend))
        keys = range(request.prefix + request.extend)
        if len(rows) < request.extend:
            keys = range(max(request.prefix + first - options.window, 0), request.prefix + rows.stop)
        part = slice(keys.start, keys.stop)
        yield _Block(q[:, :, rows.start : rows.stop], k[:, :, part], v[:, :, part], rows, keys, request, options, sinks)


def _join(old: torch.Tensor, new: torch.Tensor, scale: float) -> torch.Tensor:
    """Return prefix and new rows as one [1, heads, length, width] in the dtype of `new`."""
    if old.dtype != new.dtype:
        old = old.to(new.dtype)
    if scale != 1.0:
        old = old * scale
    return torch.cat([old, new]).transpose(0, 1)[None]


def _lower_right(block: _Block) -> torch.Tensor:
    if not (block.is_plain and block.options.causal):
        return _masked(block)
    k, v = block.expanded()
    bias = causal_lower_right(len(block.rows), len(block.keys))
    return functional.scaled_dot_product_attention(block.q, k, v, attn_mask=bias, scale=block.options.scale)


def _masked(block: _Block) -> torch.Tensor:
    k, v = block.expanded()
    return _sdpa(block, block.q, k, v)


def _grouped(block: _Block) -> torch.Tensor:
    if block.is_plain and block.options.causal and block.request.prefix == 0:
        return functional.scaled_dot_product_attention(
            block.q, block.k, block.v, is_causal=True, scale=block.options.scale, enable_gqa=block.group > 1
        )
    return _sdpa(block, block.q, block.k, block.v)


def _stacked(block: _Block) -> torch.Tensor:
    v = block.v
    if v.shape[3] < block.k.shape[3]:
        v = functional.pad(v, (0, block.k.shape[3] - v.shape[3]))
    answer = _sdpa(block, block.stacked(), block.k, v)[..., : block.v.shape[3]]
    return answer.reshape(1, block.q.shape[1], len(block.rows), -1)


def _stacked_f32(block: _Block) -> torch.Tensor:
    wide = _Block(
        block.q.float(), block.k.float(), block.v.float(), block.rows, block.keys, block.request, block.options,
        None if block.sinks is None else block.sinks.float(),
    )  # fmt: skip
    return _stacked(wide).to(block.q.dtype)


def _sdpa(block: _Block, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return attention under an explicit mask; rows of `q` are the block's, once or once per head of a group."""
    scale, gqa = block.options.scale, q.shape[1] != k.shape[1]
    repeats = q.shape[2] // len(block.rows)
    if block.is_plain and (not block.options.causal or len(block.rows) == 1):
        return functional.scaled_dot_product_attention(q, k, v, scale=scale, enable_gqa=gqa)
    visible = block.visible(repeats)
    if block.sinks is None:
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=visible, scale=scale, enable_gqa=gqa)
    mask = torch.zeros((1, q.shape[1], q.shape[2], len(block.keys) + 1), dtype=q.dtype)
    mask[..., :-1].masked_fill_(~visible, -torch.inf)
    mask[..., -1] = _sink_rows(block.sinks, q.shape[1], len(block.rows))
    k, v = functional.pad(k, (0, 0, 0, 1)), functional.pad(v, (0, 0, 0, 1))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=gqa)


def _sink_rows(sinks: torch.Tensor, heads: int, rows: int) -> torch.Tensor:
    """Return the sink of every row, [1, heads, rows of a head]."""
    return sinks.repeat_interleave(rows).view(1, heads, -1)


def _matmul(block: _Block) -> torch.Tensor:
    answer = _softmax(block, block.stacked(), block.k) @ block.v.float()
    return answer.to(block.v.dtype).reshape(1, block.q.shape[1], len(block.rows), -1)


def _matmul_mixed(block: _Block) -> torch.Tensor:
    answer = _softmax(block, block.stacked(), block.k).to(block.v.dtype) @ block.v
    return answer.reshape(1, block.q.shape[1], len(block.rows), -1)


def _matmul_expanded(block: _Block) -> torch.Tensor:
    k, v = block.expanded()
    return (_softmax(block, block.q, k) @ v.float()).to(v.dtype)


def _softmax(block: _Block, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Return the weights of all keys, float32."""
    logits = (q.float() @ k.float().transpose(2, 3)).mul_(block.options.scale)
    logits.div_(block.options.cap).tanh_().mul_(block.options.cap)
    if not block.is_plain or block.options.causal:
        logits.masked_fill_(~block.visible(q.shape[2] // len(block.rows)), -torch.inf)
    if block.sinks is None:
        return torch.softmax(logits, dim=-1)
    column = _sink_rows(block.sinks.float(), q.shape[1], len(block.rows))[..., None]
    return torch.softmax(torch.cat([logits, column], dim=-1), dim=-1)[..., :-1]


_WAYS: dict[str, _Attend] = {
    "lower-right": _lower_right,
    "mask": _masked,
    "gqa": _grouped,
    "stacked": _stacked,
    "stacked-f32": _stacked_f32,
}
_CAPPED_WAYS: dict[str, _Attend] = {
    "matmul": _matmul,
    "matmul-expanded": _matmul_expanded,
    "matmul-mixed": _matmul_mixed,
}
