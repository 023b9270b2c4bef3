"""Pointers and what lies at them, before anybody asks whether it may be touched."""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.text import Reg, llvm_type
from kernelwright.compiler.codegen.values import Address, Affine, storage_bytes


class Addressing:
    """Writes pointer arithmetic and plain loads."""

    def __init__(self, lanes: Floats) -> None:
        self.k = lanes
        self.f = lanes.f

    def advance(self, base: Reg, offset: Reg, element_bytes: int) -> Reg:
        """Return pointer(s) `offset` elements behind `base`."""
        if offset.constant == 0:
            return base
        if offset.lanes and not base.lanes:
            level = max(base.level, offset.level)
            text = f"getelementptr [{element_bytes} x i8], ptr {base.text}, {offset.typed}"
            return self.f.emit("ptr", offset.lanes, text, level)
        base, offset = self.k.together(base, offset)
        text = f"getelementptr [{element_bytes} x i8], {base.typed}, {offset.typed}"
        return self.f.emit("ptr", base.lanes, text, max(base.level, offset.level))

    def pointers(self, address: Address, lanes: int) -> Reg:
        """Return a vector of `lanes` pointers."""
        size = storage_bytes(address.pointee)
        if address.offset is None:
            return self.k.splat(address.base, lanes)
        return self.advance(address.base, self.k.splat(self.as_vector(address.offset), lanes), size)

    def as_vector(self, value: Affine | Reg) -> Reg:
        """Return an affine run written out."""
        if isinstance(value, Reg):
            return value
        if isinstance(value.stride, int):
            steps = self.k.iota(value.element, value.lanes, value.stride)
        else:
            steps = self.k.op("mul", self.k.iota(value.element, value.lanes), value.stride)
        return self.k.op("add", value.base, steps)

    def _plain_load(self, pointer: Reg, element: str, lanes: int, align: int) -> Reg:
        text = f"load {llvm_type(element, lanes)}, ptr {pointer.text}, align {align}"
        return self.f.emit(element, lanes, text, pointer.level)

    def _any(self, mask: Reg) -> Reg:
        name = f"llvm.vector.reduce.or.v{mask.lanes}i1"
        self.f.declare(name, f"declare i1 @{name}({mask.type})")
        return self.k.call_exact(name, "i1", 0, mask)
