"""Tensors as memory: from the first to the last element, with what lies between rows that are apart."""

import torch

from kernelwright.core.problem import span


def stored(tensor: torch.Tensor) -> torch.Tensor:
    """Return the memory of `tensor` as one row of its elements, not copied."""
    return tensor.as_strided((span(tensor.shape, tensor.stride()),), (1,))


def has_gaps(tensor: torch.Tensor) -> bool:
    """Return whether there is memory between elements that belongs to none."""
    return span(tensor.shape, tensor.stride()) > tensor.numel()


def copied(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy with the same strides, gaps included."""
    return stored(tensor).clone().as_strided(tensor.shape, tensor.stride())


def unwritten(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the geometry of `tensor` and all bits set: NaN, or -1 where the type has none."""
    empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    memory = stored(empty)
    memory.view(torch.uint8).fill_(0xFF) if memory.numel() else None
    return empty


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """Return the memory of a CPU tensor as bytes, not copied."""
    memory = stored(tensor)
    return memory.view(torch.uint8).numpy().data.cast("B") if memory.numel() else memoryview(b"")


def tensor_of_bytes(data: bytes, like: torch.Tensor) -> torch.Tensor:
    """Return `data` as a tensor with the geometry of `like`; raises ValueError on another size."""
    size = span(like.shape, like.stride()) * like.element_size()
    if len(data) != size:
        raise ValueError(f"output must hold {size} bytes, got {len(data)}")
    if not data:
        return torch.empty_like(like)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(like.dtype).as_strided(like.shape, like.stride())
