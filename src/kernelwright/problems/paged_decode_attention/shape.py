"""What a workload of paged decode attention says, with defaults filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any


@dataclass(frozen=True)
class Shape:
    """Sizes and options of one workload.

    `lens` are the cached tokens of each request, the one that queries included. `shared` tokens at the start, whole
    pages, are the same pages for every request that is at least as long. `window` is -1 and `logit_cap` 0 when off.
    """

    q_heads: int
    kv_heads: int
    qk_width: int
    v_width: int
    lens: tuple[int, ...]
    page: int
    dtype: str
    pool_dtype: str
    sm_scale: float
    k_scale: float
    v_scale: float
    logit_cap: float
    window: int
    sinks: bool
    shared: int

    @property
    def group(self) -> int:
        """Return the query heads per key/value head."""
        return self.q_heads // self.kv_heads

    @property
    def table_width(self) -> int:
        """Return the entries of a row of the page table: those of the longest request and three to spare."""
        return max(self.pages(n) for n in self.lens) + 3

    def first_seen(self, length: int) -> int:
        """Return the first position that a request of `length` tokens sees."""
        return max(length - 1 - self.window, 0) if self.window >= 0 else 0

    def pages(self, length: int) -> int:
        """Return how many pages `length` tokens span."""
        return -(-length // self.page)

    def shares(self, length: int) -> bool:
        """Return whether a request of `length` tokens starts with the shared pages."""
        return 0 < self.shared <= length

    def own_pages(self, length: int) -> range:
        """Return the entries of the table that name pages which only this request has."""
        first = self.first_seen(length) // self.page
        return range(max(first, self.shared // self.page) if self.shares(length) else first, self.pages(length))

    def own_starts(self) -> tuple[int, ...]:
        """Return where each request's own pages start among all own pages, and the number of those."""
        return (0, *accumulate(len(self.own_pages(n)) for n in self.lens))


def parse_shape(params: Mapping[str, Any]) -> Shape:
    """Return the shape that `params` describe; raises KeyError for `heads` or `lens` missing."""
    q_heads, kv_heads, qk_width, v_width = params["heads"]
    page = params.get("page_size", 16)
    dtype = params.get("dtype", "bf16")
    return Shape(
        q_heads,
        kv_heads,
        qk_width,
        v_width,
        tuple(params["lens"]),
        page,
        dtype,
        params.get("pool_dtype", dtype),
        params.get("sm_scale", qk_width**-0.5),
        params.get("k_scale", 1.0),
        params.get("v_scale", 1.0),
        params.get("logit_cap", 0.0),
        params.get("window", -1),
        params.get("sinks", False),
        params.get("shared", 0) // page * page,
    )
