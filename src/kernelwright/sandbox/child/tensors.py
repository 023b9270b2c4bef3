"""Tensors without contents: shape, strides, type and a made-up address, nothing to compute with."""

from typing import Any

import torch

from kernelwright.core.errors import HarnessError
from kernelwright.core.plan import BufferRole
from kernelwright.core.problem import Argument, TensorShape, span
from kernelwright.sandbox.child.buffers import AddressSpace, Block

TORCH_TYPES = {
    "i1": torch.bool, "i8": torch.int8, "u8": torch.uint8, "i16": torch.int16, "u16": torch.uint16,
    "i32": torch.int32, "u32": torch.uint32, "i64": torch.int64, "u64": torch.uint64,
    "f8e4m3fn": torch.float8_e4m3fn, "f8e5m2": torch.float8_e5m2,
    "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64,
}  # fmt: skip
TYPE_NAMES = {torch_type: name for name, torch_type in TORCH_TYPES.items()}


class HostTensor(torch.Tensor):
    """What host code holds in place of a tensor.

    `block` is the memory it lies in. `shadow` has its geometry: a tensor on torch's meta device, or a
    real one where host code may read the values.
    """

    block: Block
    shadow: torch.Tensor

    @staticmethod
    def __new__(cls, block: Block, shadow: torch.Tensor) -> "HostTensor":
        """Return the tensor that lies in `block` as `shadow` lies in its storage."""
        made: HostTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            shadow.shape,
            strides=shadow.stride(),
            storage_offset=shadow.storage_offset(),
            dtype=shadow.dtype,
            device=torch.device("cpu"),
        )
        made.block = block
        made.shadow = shadow
        return made

    def __init__(self, block: Block, shadow: torch.Tensor) -> None:
        super().__init__()

    def data_ptr(self) -> int:
        """Return the made-up address of the first element."""
        return self.block.start + int(self.shadow.storage_offset()) * self.shadow.element_size()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # torch leaves it untyped
        """Return name, shape and type: there is nothing else."""
        return f"tensor({self.block.name or self.block.role}, shape={tuple(self.shadow.shape)}, {self.shadow.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch declares it as it is bound
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Raise HarnessError: a rule passed this tensor on instead of its shadow."""
        raise HarnessError(f"{func} reached the dispatcher past the rules for host code")


class TensorMaker:
    """Makes the tensors of one process; `call` is the number of the capture under way."""

    def __init__(self, addresses: AddressSpace) -> None:
        self._addresses = addresses
        self.call = -1
        self.plan_inputs: tuple[str, ...] = ()

    def from_argument(self, argument: Argument, shape: TensorShape) -> HostTensor:
        """Return the stand-in of a tensor argument."""
        role: BufferRole = "input" if argument.role == "scalar" else argument.role
        dtype = TORCH_TYPES[shape.dtype]
        if shape.values is None:
            shadow = torch.empty_strided(shape.shape, shape.strides, dtype=dtype, device="meta")
        else:
            shadow = torch.empty_strided(shape.shape, shape.strides, dtype=dtype)
            shadow.copy_(torch.tensor(shape.values, dtype=dtype).reshape(shape.shape))
        size_bytes = shape.span * shadow.element_size()
        return self._place(shadow, argument.name, role, size_bytes, is_plan_input=shape.values is not None)

    def scratch(self, shadow: torch.Tensor, fill: float | None) -> HostTensor:
        """Return a fresh allocation with the geometry of the meta tensor `shadow`."""
        size_bytes = span(shadow.shape, shadow.stride()) * shadow.element_size()
        return self._place(shadow, "", "scratch", size_bytes, fill=fill)

    def constant(self, shadow: torch.Tensor) -> HostTensor:
        """Return a constant with the integers that the real, contiguous tensor `shadow` holds."""
        data = tuple(int(value) for value in shadow.flatten().tolist())
        return self._place(shadow, "", "constant", shadow.numel() * shadow.element_size(), data=data)

    def _place(
        self, shadow: torch.Tensor, name: str, role: BufferRole, size_bytes: int,
        *, fill: float | None = None, data: tuple[int, ...] = (), is_plan_input: bool = False,
    ) -> HostTensor:  # fmt: skip
        start = self._addresses.reserve(size_bytes)
        dtype = TYPE_NAMES[shadow.dtype]
        block = Block(name, role, dtype, size_bytes, start, self.call, fill, data, is_plan_input)
        self._addresses.add(block)
        return HostTensor(block, shadow)


def is_inside(tensor: torch.Tensor, block: Block) -> bool:
    """Return whether every element of the geometry `tensor` lies in `block`."""
    last = tensor.storage_offset() + span(tensor.shape, tensor.stride())
    return last * tensor.element_size() <= block.size_bytes
