"""The names of torch's calls that host code may make, and the functions behind them."""

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch.overrides import resolve_name

# Methods, functions and properties that give another view of the same memory, or refuse to.
VIEWS = (
    "view", "view_as", "reshape", "reshape_as", "transpose", "permute", "t", "swapaxes", "swapdims", "movedim",
    "moveaxis", "adjoint", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "narrow", "select",
    "unflatten", "flatten", "ravel", "contiguous", "as_strided", "diagonal", "unfold", "detach", "unbind",
    "split", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "split_with_sizes", "cpu", "to", "type_as",
    "__getitem__", "T.__get__", "mT.__get__", "H.__get__", "mH.__get__", "data.__get__",
)  # fmt: skip
QUERIES = (
    "size", "stride", "numel", "nelement", "dim", "ndimension", "element_size", "is_contiguous",
    "storage_offset", "get_device", "is_floating_point", "is_complex", "is_signed", "is_pinned", "is_shared",
    "is_inference", "is_neg", "is_conj", "__len__", "__hash__", "__dir__", "has_names", "is_same_size",
    "shape.__get__", "dtype.__get__", "device.__get__", "layout.__get__", "ndim.__get__", "itemsize.__get__",
    "nbytes.__get__", "is_cuda.__get__", "is_cpu.__get__", "is_xpu.__get__", "is_mps.__get__",
    "is_meta.__get__", "is_sparse.__get__", "is_sparse_csr.__get__", "is_quantized.__get__",
    "is_mkldnn.__get__", "is_leaf.__get__", "requires_grad.__get__", "grad.__get__", "grad_fn.__get__",
    "names.__get__", "is_nested.__get__",
)  # fmt: skip
READS = ("tolist", "item", "__int__", "__float__", "__bool__", "__index__")
# Allocations by name, with the value that fills them.
FILLS: Mapping[str, float | None] = {"empty": None, "zeros": 0, "ones": 1}
# Calls of torch that take no tensor and change nothing that a plan could show.
HARMLESS = (
    "device", "get_default_device", "get_device", "_C._set_grad_enabled", "is_grad_enabled", "set_grad_enabled",
    "is_inference_mode_enabled", "is_tensor", "numel", "is_floating_point", "is_complex", "is_signed",
    "result_type", "promote_types", "get_default_dtype", "broadcast_shapes", "can_cast", "is_storage",
    "is_same_size", "_C._get_tracing_state",
)  # fmt: skip


def functions(dotted: str, owners: tuple[Any, ...] = (torch.Tensor, torch)) -> list[Any]:
    """Return the callables that torch passes on for `dotted`: of each owner that has it."""
    found = []
    for owner in owners:
        with contextlib.suppress(AttributeError):
            target = owner
            for name in dotted.split("."):
                target = getattr(target, name)
            found.append(target)
    return found


def public_name(function: Any) -> str:
    """Return the name by which people know a callable of torch, such as `torch.matmul`."""
    name: str | None = resolve_name(function)
    return name or f"torch.{getattr(function, '__name__', 'operator')}"
