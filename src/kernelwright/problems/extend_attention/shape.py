"""The parameters of one extend-attention workload, and what follows from them alone.

Letters: B requests, E new and P cached tokens of a request, Hq and Hkv heads, Dqk and Dv widths.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from kernelwright.core.codec import from_json
from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload

REGIMES = ("cold", "chunked", "hit", "ragged", "verify", "single")

TORCH_DTYPES: dict[str, torch.dtype] = {
    "bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "f8e4m3fn": torch.float8_e4m3fn,
    "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Head shape, lengths per request and features.

    `tree` adds a custom mask; `skip_prefix_mask` says that it does not cover the prefix. `window`
    -1 and `logit_cap` 0 mean off; `sm_scale` None means 1/sqrt(Dqk). The first `shared_prefix`
    cached tokens are the same pool slots for every request that has as many.
    """

    q_heads: int
    kv_heads: int
    qk_width: int
    v_width: int
    extend: tuple[int, ...]
    prefix: tuple[int, ...]
    model: str = ""
    dtype: Literal["bf16", "f16"] = "bf16"
    pool_dtype: Literal["bf16", "f16", "f8e4m3fn"] = "bf16"
    causal: bool = True
    tree: bool = False
    skip_prefix_mask: bool = True
    window: int = -1
    sinks: bool = False
    logit_cap: float = 0.0
    k_scale: float = 1.0
    v_scale: float = 1.0
    sm_scale: float | None = None
    shared_prefix: int = 0

    @property
    def group(self) -> int:
        """Return the query heads per key/value head."""
        return self.q_heads // self.kv_heads

    @property
    def logit_scale(self) -> float:
        """Return the factor of q.k, default resolved."""
        return 1.0 / math.sqrt(self.qk_width) if self.sm_scale is None else self.sm_scale

    @property
    def distinct_prefix(self) -> int:
        """Return the pool slots that the index list names, each counted once."""
        sharing = sum(1 for p in self.prefix if p >= self.shared_prefix)
        return sum(self.prefix) - max(sharing - 1, 0) * self.shared_prefix


def parse_shape(workload: Workload) -> Shape:
    """Return the typed parameters of `workload`; raises RequestError naming what is wrong."""
    shape = from_json(Shape, dict(workload.params), f"workload {workload.name}")
    if len(shape.extend) != len(shape.prefix) or not shape.extend:
        raise RequestError(
            f"workload {workload.name} must give one extend and one prefix length per request, "
            f"got {len(shape.extend)} and {len(shape.prefix)}"
        )
    if shape.q_heads % shape.kv_heads:
        raise RequestError(
            f"workload {workload.name} must have q_heads divisible by kv_heads, got {shape.q_heads}/{shape.kv_heads}"
        )
    return shape


def tree_level(node: int) -> int:
    """Return the depth of a draft token: one root, then two tokens a level, so that counts are known."""
    return (node + 1) // 2


def hidden_span(prefix: int) -> int:
    """Return how many prefix keys a tree mask that covers the prefix hides from each row."""
    return prefix // 8


def visible_pairs(shape: Shape) -> int:
    """Return the (query, key) pairs that the masks leave, summed over requests, for one head."""
    return sum(_pairs_of_request(shape, e, p) for e, p in zip(shape.extend, shape.prefix, strict=True))


def _pairs_of_request(shape: Shape, extend: int, prefix: int) -> int:
    if shape.tree and shape.window >= 0:
        raise RequestError("a workload must not have a tree mask and a window together")
    if shape.tree:
        hidden = 0 if shape.skip_prefix_mask else hidden_span(prefix)
        return sum(tree_level(row) + 1 for row in range(extend)) + extend * (prefix - hidden)
    position = prefix + np.arange(extend, dtype=np.int64)
    first = np.maximum(position - shape.window, 0) if shape.window >= 0 else np.zeros_like(position)
    last = position + 1 if shape.causal else np.full_like(position, prefix + extend)
    return int((last - first).sum())
