"""Attention workloads with another model: fewer key/value heads, another head width, window or type of the cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload

# Width of a head at which no kernel here is asked to work.
_WIDEST = 512


@dataclass(frozen=True)
class Heads:
    """Query heads, key/value heads, width of queries and keys, width of values."""

    q_heads: int
    kv_heads: int
    qk_width: int
    v_width: int

    @property
    def is_latent(self) -> bool:
        """Return whether keys and values are one latent vector (MLA): its shape is not free to change."""
        return self.qk_width != self.v_width


@dataclass(frozen=True)
class ModelFactor:
    """One thing that a model may have otherwise; `defaults` are what a sweep takes, xN is N times its own."""

    name: str
    moves: str
    defaults: tuple[str, ...]
    apply: Callable[[Workload, Heads, str], Workload | None]


def vary_workload(workload: Workload, factor: str, value: str) -> Workload | None:
    """Return `workload` with one thing of the model changed, or None where that makes no sense for it.

    `value` is absolute, or xN for N times the workload's own. Raises RequestError where the problem has no such thing,
    or the value is none.
    """
    heads = _heads_of(workload)
    if heads is None:
        raise RequestError(f"{factor} can be varied for attention workloads, {workload.name} has no heads")
    return MODEL_FACTORS[factor].apply(workload, heads, value)


def _heads_of(workload: Workload) -> Heads | None:
    params = workload.params
    listed = params.get("heads")
    if isinstance(listed, list) and len(listed) == 4:
        return Heads(*listed)
    names = ("q_heads", "kv_heads", "qk_width", "v_width")
    found: list[Any] = [params.get(name) for name in names]
    return Heads(*found) if all(isinstance(value, int) for value in found) else None


def _with(workload: Workload, changes: Mapping[str, object], heads: Heads | None = None) -> Workload:
    params: dict[str, object] = {**workload.params, **changes}
    if heads is not None:
        listed = [heads.q_heads, heads.kv_heads, heads.qk_width, heads.v_width]
        if "heads" in params:
            params["heads"] = listed
        else:
            params |= dict(zip(("q_heads", "kv_heads", "qk_width", "v_width"), listed, strict=True))
    return replace(workload, params=params)


def _number(factor: str, value: str, own: int) -> float:
    try:
        return own * float(value[1:]) if value.startswith("x") else float(value)
    except ValueError:
        raise RequestError(f"{factor} must be a number, or xN for N times the model's own, got '{value}'") from None


def _kv_heads(workload: Workload, heads: Heads, value: str) -> Workload | None:
    wanted = _number("kv_heads", value, heads.kv_heads)
    if heads.is_latent or wanted != int(wanted) or not 1 <= wanted <= heads.q_heads or heads.q_heads % int(wanted):
        return None
    return _with(workload, {}, replace(heads, kv_heads=int(wanted)))


def _head_dim(workload: Workload, heads: Heads, value: str) -> Workload | None:
    """Keep the width of the layer: twice as wide heads are half as many, of queries and of keys."""
    wanted = _number("head_dim", value, heads.qk_width)
    wide = int(wanted)
    q_width, kv_width = heads.q_heads * heads.qk_width, heads.kv_heads * heads.qk_width
    if heads.is_latent or wanted != wide or not 16 <= wide <= _WIDEST or q_width % wide or kv_width % wide:
        return None
    if "sm_scale" in workload.params:
        return None
    return _with(workload, {}, Heads(q_width // wide, kv_width // wide, wide, wide))


def _window(workload: Workload, heads: Heads, value: str) -> Workload | None:
    params = workload.params
    wanted = -1 if value == "off" else int(_number("window", value, 0))
    if wanted < -1 or value.startswith("x"):
        raise RequestError(f"window must be a number of keys, or off, got '{value}'")
    if params.get("tree") or params.get("causal") is False:
        return None
    return _with(workload, {"window": wanted})


def _kv_dtype(workload: Workload, heads: Heads, value: str) -> Workload | None:
    known = ("bf16", "f16", "f8e4m3fn")
    if value not in known:
        raise RequestError(f"kv_dtype must be one of {', '.join(known)}, got '{value}'")
    dtype = str(workload.params.get("dtype", "bf16"))
    if value not in (dtype, "f8e4m3fn"):
        return None
    return _with(workload, {"pool_dtype": value})


_ALL = (
    ModelFactor("kv_heads", "query heads stay: the cache shrinks with it", ("x0.25", "x0.5", "x2", "x4"), _kv_heads),
    ModelFactor("head_dim", "heads times width stay: cache and dot products too", ("x0.5", "x2"), _head_dim),
    ModelFactor("window", "keys that a query sees behind it", ("128", "512", "2048", "8192", "off"), _window),
    ModelFactor("kv_dtype", "type of the cached keys and values", ("f8e4m3fn", "bf16", "f16"), _kv_dtype),
)
MODEL_FACTORS = {factor.name: factor for factor in _ALL}
