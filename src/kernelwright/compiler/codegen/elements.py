"""Ops that go element by element or pick elements: scans, gathers, histograms, maps, atomics."""

from typing import cast

from kernelwright.compiler.codegen.atomics import atomic_root
from kernelwright.compiler.codegen.evaluate import element_name
from kernelwright.compiler.codegen.lowering import ATOMICS, Lowering
from kernelwright.compiler.codegen.nests import Nest, write_nest
from kernelwright.compiler.codegen.pending import Pending
from kernelwright.compiler.codegen.rounds import Gather, Histogram, Map, Scan
from kernelwright.compiler.ir import Op


class Elements:
    """Writes such ops for a `Lowering`."""

    def __init__(self, lowering: Lowering) -> None:
        self.low = lowering
        self.e = lowering.e
        lowering.handlers |= {
            "tt.scan": self._scan, "tt.gather": self._gather, "tt.histogram": self._histogram,
            "tt.map_elementwise": self._map, **dict.fromkeys(ATOMICS, self._atomic),
        }  # fmt: skip

    def _scan(self, op: Op) -> None:
        axis = cast(int, op.attrs["axis"])
        source = op.operands[0]
        results = [self.low.scratch.buffer(v.shape, element_name(v), self.low.layout.lane(v)) for v in op.results]
        lane = self.low.layout.lane(source)
        if lane == axis:
            lane = next((d for d in reversed(range(len(source.shape))) if d != axis and source.shape[d] > 1), axis)
        self.low.write_rounds(source.shape, lane, axis, Scan(op, results), op)
        self.e.buffers[-1].update(zip(op.results, results, strict=True))

    def _gather(self, op: Op) -> None:
        source, where = op.operands
        self.low.require(source)
        held = self.e.buffer_of(source)
        if held is None:
            raise AssertionError("a gathered tensor must lie in memory")
        result = self.low.scratch.buffer(op.result.shape, element_name(op.result), len(op.result.shape) - 1)
        root = Gather(op, held, result)
        pending = Pending(where.shape, len(where.shape) - 1, [root], ops={op})
        self.low.run(pending, [where])
        self.e.buffers[-1][op.result] = result

    def _histogram(self, op: Op) -> None:
        result = self.low.scratch.buffer(op.result.shape, element_name(op.result), 0)
        self.e.memory.clear(result)
        shape = op.operands[0].shape
        self.low.write_rounds(shape, len(shape) - 1, len(shape) - 1, Histogram(op, result), op)
        self.e.buffers[-1][op.result] = result

    def _map(self, op: Op) -> None:
        results = [self.low.scratch.buffer(v.shape, element_name(v), self.low.layout.lane(v)) for v in op.results]
        shape, pack = op.operands[0].shape, cast(int, op.attrs.get("pack", 1))
        root = Map(op, results)
        if pack == 1:
            self.low.run(Pending(shape, self.low.layout.lane(op.results[0]), [root], ops={op}), list(op.operands))
        else:
            # The last dimension goes pack by pack.
            for operand in op.operands:
                self.low.require(operand)
            packs = (*shape[:-1], shape[-1] // pack)
            last = len(shape) - 1
            write_nest(self.e, Nest(packs, last, 1, tuple(range(len(shape)))), [root])
        self.e.buffers[-1].update(zip(op.results, results, strict=True))

    def _atomic(self, op: Op) -> None:
        used = bool(op.results and op.result.uses)
        shape = op.operands[0].shape
        result = self.low.scratch.buffer(shape, element_name(op.result), max(0, len(shape) - 1)) if used else None
        root = atomic_root(op, result)
        if not shape:
            self.e.forget()
            root.visit(self.e, (), {})
            if result is not None:
                self.e.scalars[op.result] = self.e.memory.buffer_load(result, ())
            return
        self.low.write_rounds(shape, len(shape) - 1, len(shape) - 1, root, op)
        if result is not None:
            self.e.buffers[-1][op.result] = result
