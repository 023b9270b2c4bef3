"""The public workloads as the search sees them: lengths and widths, and the regime key of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Brief, Workload
from kernelwright.engineers.search.regimes import regime_of


@dataclass(frozen=True)
class Scene:
    """One public workload; `key` is what host code of a candidate would compute for it."""

    name: str
    key: str
    lengths: tuple[int, ...]
    prefixes: tuple[int, ...]
    heads: int
    kv_heads: int
    qk_width: int
    v_width: int
    window: int
    causal: bool
    masked_prefix: bool
    pool_bytes: int = 2

    @property
    def group(self) -> int:
        """Return the query heads of one key/value head."""
        return self.heads // self.kv_heads


def scenes_of(brief: Brief) -> tuple[Scene, ...]:
    """Return the public workloads of `brief`; raises RequestError if its problem is another one."""
    if brief.entry != "extend_attention_fwd":
        raise RequestError(
            f"engineer 'search' knows extend attention only, got entry '{brief.entry}'. Use another engineer."
        )
    return tuple(_scene(workload) for workload in brief.workloads)


def _scene(workload: Workload) -> Scene:
    params = workload.params
    lengths, prefixes = _lengths(params, "extend"), _lengths(params, "prefix")
    heads, kv_heads = _number(params, "q_heads"), _number(params, "kv_heads")
    width, window = _number(params, "qk_width"), _number(params, "window", -1)
    tree = bool(params.get("tree", False))
    pool_bytes = 1 if str(params.get("pool_dtype", "bf16")).startswith("f8") else 2
    return Scene(
        name=workload.name,
        key=regime_of(lengths, prefixes, heads // kv_heads, width, window, pool_bytes),
        lengths=lengths,
        prefixes=prefixes,
        heads=heads,
        kv_heads=kv_heads,
        qk_width=width,
        v_width=_number(params, "v_width"),
        window=window,
        causal=bool(params.get("causal", True)) and not tree,
        masked_prefix=tree and not bool(params.get("skip_prefix_mask", True)),
        pool_bytes=pool_bytes,
    )


def _lengths(params: Mapping[str, object], name: str) -> tuple[int, ...]:
    return tuple(int(n) for n in cast(Sequence[int], params[name]))


def _number(params: Mapping[str, object], name: str, default: int | None = None) -> int:
    value = params.get(name, default)
    if not isinstance(value, int):
        raise RequestError(f"workload parameter '{name}' must be an integer, got {value!r}")
    return value
