"""What a workload of the backward pass says, with defaults filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """Sizes and options of one workload.

    Sequence i has `lens[i]` queries and `lens[i] + context[i]` keys, the last of which stand where the queries do.
    `window` is -1 when off.
    """

    q_heads: int
    kv_heads: int
    width: int
    lens: tuple[int, ...]
    context: tuple[int, ...]
    dtype: str
    sm_scale: float
    causal: bool
    window: int

    @property
    def group(self) -> int:
        """Return the query heads per key/value head."""
        return self.q_heads // self.kv_heads

    @property
    def key_lens(self) -> tuple[int, ...]:
        """Return the keys of each sequence."""
        return tuple(m + more for m, more in zip(self.lens, self.context, strict=True))

    def seen(self, sequence: int, row: int) -> range:
        """Return the keys that query `row` of a sequence sees."""
        return seen_keys(row + self.context[sequence], self.key_lens[sequence], self.causal, self.window)


def seen_keys(position: int, keys: int, causal: bool, window: int) -> range:
    """Return the keys that a query at `position`, counted as keys are, sees of `keys`."""
    first = max(position - window, 0) if window >= 0 else 0
    return range(first, min(position + 1, keys) if causal else keys)


def parse_shape(params: Mapping[str, Any]) -> Shape:
    """Return the shape that `params` describe; raises KeyError for `heads` or `lens` missing."""
    q_heads, kv_heads, width = params["heads"]
    lens = tuple(params["lens"])
    return Shape(
        q_heads,
        kv_heads,
        width,
        lens,
        tuple(params.get("context", [0] * len(lens))),
        params.get("dtype", "bf16"),
        params.get("sm_scale", width**-0.5),
        params.get("causal", True),
        params.get("window", -1),
    )
