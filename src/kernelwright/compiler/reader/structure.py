"""Builds the records: structure and types from the binding, attributes and names from the printed text."""

import re

from kernelwright.compiler import triton_api
from kernelwright.compiler.ir import Block, Function, Location, Module, Op, Region, Type, Value
from kernelwright.compiler.limits import check_text
from kernelwright.compiler.reader.attributes import read_attributes, read_dictionary, symbol_name
from kernelwright.compiler.reader.lines import TextEnd, TextItem, TextLabel, TextOp, split_lines, value_names
from kernelwright.compiler.reader.locations import LocationTable
from kernelwright.compiler.reader.types import parse_type, split_types
from kernelwright.core.errors import CompileError
from kernelwright.core.ir_text import strip_locations

_SYMBOL = re.compile(r'@("(?:[^"\\]|\\.)*"|[\w$.\-]+)')
_PARAMETER = re.compile(r"%([\w$.\-]+): [^{%)]*(\{[^{}]*\})?")
_RESULT_TYPES = re.compile(r"\) -> (.*?)(?: attributes \{.*)?\s*$", re.DOTALL)
_SUCCESSOR = re.compile(r"\^([\w$.\-]+)(?:\(([^:)]*) : [^)]*\))?")


def read_module(ttir: str) -> Module:
    """Return the records of a Triton IR module's text.

    Raises CompileError when the text does not parse or holds what no record can express.
    """
    check_text(ttir)
    root, text, own_file = triton_api.read_text(ttir)
    items, aliases = split_lines(text)
    return _Builder(items, LocationTable(aliases, own_file)).module(root)


class _Builder:
    """Walks structure and text side by side, in the order in which ops are printed."""

    def __init__(self, items: list[TextItem], locations: LocationTable) -> None:
        self._items = items
        self._position = 0
        self._locations = locations
        self._values: dict[int, Value] = {}

    def module(self, root: triton_api.RawOp) -> Module:
        """Return the module whose builtin.module op is `root`."""
        header = self._items[0]
        if root.name != "builtin.module" or not isinstance(header, TextOp) or header.name != "module":
            raise CompileError(f"a kernel must be a builtin.module, got {root.name}")
        self._position = 1
        functions: dict[str, Function] = {}
        for raw in (op for block in root.regions[0].blocks for op in block.ops):
            if raw.name != "tt.func":
                raise CompileError(f"a kernel's module must hold functions (tt.func) only, got {raw.name}")
            function = self._function(raw)
            functions[function.name] = function
        if not any(function.is_public for function in functions.values()):
            raise CompileError("a kernel's module must have a public function, all of its functions are private")
        return Module(functions)

    def _function(self, raw: triton_api.RawOp) -> Function:
        text = self._next_op("tt.func")
        head = strip_locations(text.head)
        symbol = _SYMBOL.search(head)
        assert symbol is not None, head
        parameters = head[symbol.end() :]
        if not raw.regions[0].blocks:
            raise CompileError(f"function {symbol_name(symbol[0])} must have a body, it is only declared")
        self._declare(raw.regions[0])
        parsed = [(m[1], read_dictionary(m[2] or "")) for m in _PARAMETER.finditer(parameters)]
        entry = raw.regions[0].blocks[0]
        args = [self._values[number] for number, _ in entry.args]
        for value, (name, _) in zip(args, parsed, strict=True):
            value.name = name
        body = self._region(raw.regions[0], None)
        results = _RESULT_TYPES.search(parameters)
        return Function(
            name=symbol_name(symbol[0]),
            args=args,
            arg_attrs=[{k: int(v) for k, v in attrs.items() if isinstance(v, int)} for _, attrs in parsed],
            body=body,
            result_types=split_types(results[1].strip()) if results is not None else [],
            is_public=not text.head.startswith(("private ", "nested ")),
        )

    def _declare(self, region: triton_api.RawRegion) -> None:
        """Make every value of a function first: a block may be printed before one that dominates it."""
        for block in region.blocks:
            for number, kind in block.args:
                self._value(number, parse_type(kind))
            for op in block.ops:
                for number, kind in op.results:
                    self._value(number, parse_type(kind))
                for inner in op.regions:
                    self._declare(inner)

    def _value(self, identity: int, kind: Type) -> None:
        self._values[identity] = Value(len(self._values), kind)

    def _region(self, raw: triton_api.RawRegion, parent: Op | None) -> Region:
        blocks = [Block([self._values[number] for number, _ in block.args], [], parent) for block in raw.blocks]
        labels: dict[str, Block] = {}
        branches: list[tuple[Op, str]] = []
        for block, raw_block in zip(blocks, raw.blocks, strict=True):
            item = self._items[self._position]
            if isinstance(item, TextLabel):
                self._position += 1
                labels[item.label] = block
                for value, name in zip(block.args, item.args, strict=True):
                    value.name = name
            for raw_op in raw_block.ops:
                self._op(raw_op, block, branches)
        if raw.blocks:
            self._expect_end()
        for op, head in branches:
            _link(op, head, labels)
        return Region(blocks)

    def _op(self, raw: triton_api.RawOp, block: Block, branches: list[tuple[Op, str]]) -> None:
        item = self._items[self._position]
        operands = [self._values[number] for number in raw.operands]
        results = [self._values[number] for number, _ in raw.results]
        op = Op(raw.name, operands, results, {}, [], Location(), block=block)
        block.ops.append(op)
        for value in dict.fromkeys(operands):
            value.uses.append(op)
        for value in results:
            value.op = op
        if isinstance(item, TextEnd):
            # The printer leaves out a loop's or branch's empty scf.yield.
            if operands or results or raw.regions:
                raise CompileError(f"op {raw.name} must be in the module's text, its region ends before it")
            return
        text = self._next_op(raw.name)
        op.location = self._locations.resolve(text.location)
        for value, name in zip(results, text.results, strict=True):
            value.name = name
        if raw.name in ("scf.for", "scf.while") and raw.regions:
            args = [self._values[number] for number, _ in raw.regions[0].blocks[0].args]
            for value, name in zip(args, value_names(text), strict=False):
                value.name = name
        op.attrs = read_attributes(raw.name, text.head, text.tail, len(operands), [value.type for value in results])
        if raw.name.startswith("cf."):
            branches.append((op, text.head))
        # An scf.if without else has a second region with no blocks, which is not printed.
        op.regions = [self._region(region, op) for region in raw.regions]

    def _next_op(self, name: str) -> TextOp:
        item = self._items[self._position]
        if not isinstance(item, TextOp) or item.name != name:
            shown = item.name if isinstance(item, TextOp) else type(item).__name__
            raise CompileError(f"the module's text must show op {name} next, it shows {shown}")
        self._position += 1
        return item

    def _expect_end(self) -> None:
        item = self._items[self._position]
        if not isinstance(item, TextEnd):
            shown = item.name if isinstance(item, TextOp) else type(item).__name__
            raise CompileError(f"the module's text must end a region, it shows {shown}")
        self._position += 1


def _link(op: Op, head: str, labels: dict[str, Block]) -> None:
    """Give a branch its successors, each with the operands that become its block's arguments."""
    taken = 1 if op.name == "cf.cond_br" else 0
    if op.name not in _BRANCHES:
        raise CompileError(f"a branch must be cf.br or cf.cond_br, got {op.name}")
    for match in _SUCCESSOR.finditer(head):
        count = len(match[2].split(",")) if match[2] else 0
        op.successors.append((labels[match[1]], op.operands[taken : taken + count]))
        taken += count


_BRANCHES = {"cf.br", "cf.cond_br"}
