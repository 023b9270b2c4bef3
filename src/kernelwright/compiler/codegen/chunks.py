"""Integer arithmetic on chunks: runs stay runs, and addresses stay a base and an offset, for as long as they can."""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.memory import Memory
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg
from kernelwright.compiler.codegen.values import Address, Affine, Chunk


class Chunks:
    """Adds and scales chunks; `k` writes what is no run any more."""

    k: Floats
    memory: Memory

    def _plain(self, chunk: Chunk) -> Reg:
        if isinstance(chunk, Affine):
            return self.memory.as_vector(chunk)
        if isinstance(chunk, Address):
            return self.memory.pointers(chunk, chunk.lanes) if chunk.lanes else chunk.base
        return chunk

    def _address_plus(self, address: Address, offset: Affine | Reg) -> Address:
        wide = self._widen(offset)
        size = max(1, ELEMENT_BITS[address.pointee] // 8)
        if isinstance(wide, Affine):
            base = self.memory.advance(address.base, wide.base, size)
            run = Affine("i64", wide.lanes, Reg("i64", 0, "0"), wide.stride)
            return Address(base, address.pointee, self._sum(address.offset, run))
        if wide.lanes == 0:
            return Address(self.memory.advance(address.base, wide, size), address.pointee, address.offset)
        return Address(address.base, address.pointee, self._sum(address.offset, wide))

    def _sum(self, a: Affine | Reg | None, b: Affine | Reg) -> Affine | Reg:
        return b if a is None else self._add("add", a, b)

    def _widen(self, value: Affine | Reg) -> Affine | Reg:
        if value.element == "i64":
            return value
        if isinstance(value, Reg):
            return self._fit(value, "i64")
        stride = value.stride if isinstance(value.stride, int) else self._fit(value.stride, "i64")
        return Affine("i64", value.lanes, self._fit(value.base, "i64"), stride)

    def _fit(self, value: Reg, element: str) -> Reg:
        if value.element == element:
            return value
        if value.constant is not None:
            return Reg(element, 0, value.text)
        wider = ELEMENT_BITS[element] > ELEMENT_BITS[value.element]
        return self.k.convert("sext" if wider else "trunc", value, element)

    def plus(self, a: Reg, b: Reg) -> Reg:
        """Return the sum of two integers; literals are added now."""
        if a.constant is not None and b.constant is not None:
            return Reg(a.element, 0, str(a.constant + b.constant))
        if b.constant == 0:
            return a
        return b if a.constant == 0 else self.k.op("add", a, b)

    def times(self, a: Reg, number: int) -> Reg:
        """Return an integer times a number; literals are multiplied now."""
        if a.constant is not None:
            return Reg(a.element, 0, str(a.constant * number))
        return a if number == 1 else self.k.op("mul", a, self.k.constant(a.element, number))

    def _add(self, text: str, a: Affine | Reg, b: Affine | Reg) -> Affine | Reg:
        if isinstance(a, Reg) and isinstance(b, Reg):
            return self.k.op(text, a, b)
        if isinstance(a, Affine) and isinstance(b, Affine):
            if isinstance(a.stride, int) and isinstance(b.stride, int):
                stride: int | Reg = a.stride + (b.stride if text == "add" else -b.stride)
            else:
                stride = self.k.op(text, self._stride_reg(a), self._stride_reg(b))
            return Affine(a.element, a.lanes, self._combine(text, a.base, b.base), stride)
        if isinstance(a, Affine) and isinstance(b, Reg) and b.lanes == 0:
            return Affine(a.element, a.lanes, self._combine(text, a.base, b), a.stride)
        if isinstance(b, Affine) and isinstance(a, Reg) and a.lanes == 0 and text == "add":
            return Affine(b.element, b.lanes, self._combine(text, a, b.base), b.stride)
        return self.k.op(text, self._plain(a), self._plain(b))

    def _combine(self, text: str, a: Reg, b: Reg) -> Reg:
        if text == "add":
            return self.plus(a, b)
        return a if b.constant == 0 else self.k.op(text, a, b)

    def _stride_reg(self, value: Affine) -> Reg:
        return self.k.constant(value.element, value.stride) if isinstance(value.stride, int) else value.stride

    def _scale(self, run: Affine, factor: Reg) -> Affine:
        number = factor.constant
        base = self.times(run.base, number) if number is not None else self.k.op("mul", run.base, factor)
        if isinstance(run.stride, int):
            stride: int | Reg = run.stride * number if number is not None else self.times(factor, run.stride)
        else:
            stride = self.k.op("mul", run.stride, factor)
        return Affine(run.element, run.lanes, base, stride)
