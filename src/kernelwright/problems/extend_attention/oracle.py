"""Plain attention in float64, request by request, with torch on the CPU. Never Triton.

Letters: E new and P cached tokens of a request, keys numbered 0..P+E-1, G query heads per key/value head.
"""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch

from kernelwright.problems.contract import Inputs, Value

# Rows (queries times G) of a block of logits, and keys turned to float64 at a time: small enough
# to stay in cache, and blocks of causal or windowed rows skip the keys that none of them sees.
_ROWS = 512
_KEYS = 2048


@dataclass(frozen=True)
class Options:
    """The scalar arguments, defaults resolved; `window` is -1 and `cap` 0 when off."""

    scale: float
    k_scale: float
    v_scale: float
    causal: bool
    window: int
    cap: float
    skip_prefix_mask: bool


@dataclass(frozen=True)
class Request:
    """One request: prefix gathered, new tokens sliced, all in the dtypes of the inputs.

    `mask` is bool [E, P+E] or None.
    """

    first_row: int
    q: torch.Tensor
    k_prefix: torch.Tensor
    v_prefix: torch.Tensor
    k_new: torch.Tensor
    v_new: torch.Tensor
    mask: torch.Tensor | None

    @property
    def prefix(self) -> int:
        """Return P."""
        return self.k_prefix.shape[0]

    @property
    def extend(self) -> int:
        """Return E."""
        return self.q.shape[0]


def attend(inputs: Inputs) -> torch.Tensor:
    """Return the exact output, float64 [sum of E, Hq, Dv]."""
    options, sinks = read_options(inputs), inputs.values["sinks"]
    like = inputs.tensor("o_extend")
    out = torch.empty(like.shape, dtype=torch.float64)
    for request in requests_of(inputs):
        group = request.q.shape[1] // request.k_new.shape[1]
        step = max(_ROWS // group, 1)
        for first in range(0, request.extend, step):
            rows = range(first, min(first + step, request.extend))
            target = out[request.first_row + rows.start : request.first_row + rows.stop]
            target.copy_(answer_rows(request, options, sinks, rows))
    return out


def answer_rows(request: Request, options: Options, sinks: Value, rows: range) -> torch.Tensor:
    """Return the exact output of some rows of a request, float64 [rows, Hq, Dv]."""
    group = request.q.shape[1] // request.k_new.shape[1]
    keys = _seen(request, options, rows)
    visible = visible_block(request, options, rows, keys)
    out = torch.empty((len(rows), request.q.shape[1], request.v_new.shape[2]), dtype=torch.float64)
    for head in range(request.k_new.shape[1]):
        heads = slice(head * group, (head + 1) * group)
        logits = _logits(request, options, (rows, keys), heads)
        logits.view(len(rows), group, -1).masked_fill_(~visible[:, None], -torch.inf)
        sink = sinks[heads].double().repeat(len(rows)) if isinstance(sinks, torch.Tensor) else None
        answer = _weigh(request, options, logits, keys, (head, sink))
        out[:, heads] = answer.view(len(rows), group, -1)
    return out


def read_options(inputs: Inputs) -> Options:
    """Return the scalar arguments of `inputs`."""
    given = inputs.values["sm_scale"]
    scale = inputs.tensor("q_extend").shape[2] ** -0.5 if given is None else inputs.number("sm_scale")
    return Options(
        scale,
        inputs.number("k_scale"),
        inputs.number("v_scale"),
        bool(inputs.values["is_causal"]),
        int(inputs.number("sliding_window_size")),
        inputs.number("logit_cap"),
        bool(inputs.values["skip_prefix_custom_mask"]),
    )


def requests_of(inputs: Inputs, last: int | None = None, only: Collection[int] | None = None) -> Iterator[Request]:
    """Yield the requests that have new tokens, in order, their prefix gathered from the pool.

    `last` cuts the prefix to that many of its last tokens, which loses nothing when it is the window; `only`
    leaves out requests whose number is not in it.
    """
    q_starts: list[int] = inputs.tensor("qo_indptr").tolist()
    p_starts: list[int] = inputs.tensor("kv_indptr").tolist()
    for index, (q0, q1) in enumerate(itertools.pairwise(q_starts)):
        if q0 == q1 or (only is not None and index not in only):
            continue
        prefix = p_starts[index + 1] - p_starts[index]
        kept = prefix if last is None else min(last, prefix)
        slots = inputs.tensor("kv_indices")[p_starts[index + 1] - kept : p_starts[index + 1]]
        mask = None
        if inputs.values["custom_mask"] is not None:
            at = int(inputs.tensor("mask_indptr")[index])
            flat = inputs.tensor("custom_mask")[at : at + (q1 - q0) * (prefix + q1 - q0)]
            mask = flat.reshape(q1 - q0, -1).bool()
        yield Request(
            q0,
            inputs.tensor("q_extend")[q0:q1],
            _gather(inputs.tensor("k_buffer"), slots),
            _gather(inputs.tensor("v_buffer"), slots),
            inputs.tensor("k_extend")[q0:q1],
            inputs.tensor("v_extend")[q0:q1],
            mask,
        )


def visible_block(request: Request, options: Options, rows: range, keys: range) -> torch.Tensor:
    """Return which of `keys` each of `rows` sees, bool [rows, keys]. A mask replaces causality."""
    query = torch.arange(rows.start, rows.stop)[:, None] + request.prefix
    key = torch.arange(keys.start, keys.stop)[None, :]
    visible = torch.ones((len(rows), len(keys)), dtype=torch.bool)
    if request.mask is not None:
        part = request.mask[rows.start : rows.stop, keys.start : keys.stop]
        visible &= (part | (key < request.prefix)) if options.skip_prefix_mask else part
    elif options.causal:
        visible &= key <= query
    if options.window >= 0:
        visible &= query <= key + options.window
    return visible


def _gather(buffer: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    plain = buffer.view(torch.uint8) if buffer.element_size() == 1 else buffer
    return plain.index_select(0, slots).view(buffer.dtype)


def _seen(request: Request, options: Options, rows: range) -> range:
    """Return the range of keys outside which none of `rows` sees anything."""
    first = max(request.prefix + rows.start - options.window, 0) if options.window >= 0 else 0
    ends_at_diagonal = options.causal and request.mask is None
    return range(first, request.prefix + (rows.stop if ends_at_diagonal else request.extend))


def _logits(request: Request, options: Options, block: tuple[range, range], heads: slice) -> torch.Tensor:
    """Return the scaled and capped logits of a block for the query heads of one key/value head."""
    rows, keys = block
    q = request.q[rows.start : rows.stop, heads].double()
    flat = q.reshape(-1, q.shape[2]) * options.scale
    head = heads.start // (heads.stop - heads.start)
    logits = torch.empty((flat.shape[0], len(keys)), dtype=torch.float64)
    for part, at, in_prefix in _chunks(request.k_prefix, request.k_new, keys):
        scaled = flat * options.k_scale if in_prefix else flat
        logits[:, at : at + part.shape[0]] = scaled @ part[:, head].double().T
    if options.cap:
        logits.div_(options.cap).tanh_().mul_(options.cap)
    return logits


def _weigh(
    request: Request,
    options: Options,
    logits: torch.Tensor,
    keys: range,
    head_and_sink: tuple[int, torch.Tensor | None],
) -> torch.Tensor:
    """Return softmax of `logits` (destroyed) times the values of one key/value head, [rows * G, Dv]."""
    head, sink = head_and_sink
    largest = logits.amax(dim=1)
    if sink is not None:
        largest = torch.maximum(largest, sink)
    weights = logits.sub_(largest[:, None]).exp_()
    total = weights.sum(dim=1)
    if sink is not None:
        total += torch.exp(sink - largest)
    answer = torch.zeros((weights.shape[0], request.v_new.shape[2]), dtype=torch.float64)
    for part, at, in_prefix in _chunks(request.v_prefix, request.v_new, keys):
        scale = options.v_scale if in_prefix else 1.0
        answer.addmm_(weights[:, at : at + part.shape[0]], part[:, head].double(), alpha=scale)
    return answer.div_(total[:, None])


def _chunks(old: torch.Tensor, new: torch.Tensor, keys: range) -> Iterator[tuple[torch.Tensor, int, bool]]:
    """Yield pieces of `keys` as (rows of `old` or `new`, offset within `keys`, is in the prefix)."""
    border = old.shape[0]
    for source, base, in_prefix in ((old, 0, True), (new, border, False)):
        first, last = max(keys.start, base), min(keys.stop, base + source.shape[0])
        for at in range(first, last, _KEYS):
            yield source[at - base : min(at + _KEYS, last) - base], at - keys.start, in_prefix
