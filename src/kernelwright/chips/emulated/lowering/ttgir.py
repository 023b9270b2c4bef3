"""TritonGPU IR text to records: ops, values with layouts, regions and blocks. Text alone, no binding.

Attributes are named as `compiler.reader.attributes` names them. Beyond its table:

    scf.for                           operands are first, last, step, then what the loop carries; the body's arguments
                                      are the induction variable, then what is carried
    scf.while                         regions are before (ends with scf.condition) and after
    scf.if                            one or two regions
    ttg.async_copy_global_to_local    mask: bool, other: bool (operands behind pointer and destination)
    ttg.async_wait                    num
    tt.reduce, tt.scan                one region, which combines two elements
    arith.constant                    value: a number (splat), or a tuple of all numbers

A region always ends with a terminator, also where the printer leaves an empty scf.yield out.
"""

import re
from collections.abc import Callable, Mapping

from kernelwright.chips.emulated.lowering.ttgir_records import Block, GpuModule, Op, Region, Value, walk
from kernelwright.chips.emulated.lowering.ttgir_types import TOKEN, TensorType, Type, TypeReader
from kernelwright.compiler.ir import Location, Pointer
from kernelwright.compiler.ir import TensorType as PlainTensor
from kernelwright.compiler.reader.attributes import read_attributes, read_dictionary, symbol_name
from kernelwright.compiler.reader.locations import LocationTable
from kernelwright.core.errors import CompileError
from kernelwright.core.ir_text import strip_locations

__all__ = ["Block", "GpuModule", "Op", "Region", "Value", "read_ttgir", "walk"]


def read_ttgir(text: str) -> GpuModule:
    """Return the records of the module that `text` prints. Raises CompileError for what no record can express."""
    return _Reader(text).module()


_OP = re.compile(r'(?:(%[^=]+?) = )?"?([a-z_][\w.]*)"? ?(.*)', re.DOTALL)
_VALUE = re.compile(r"%([\w$.\-]+(?:#\d+)?)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SYMBOL = re.compile(r'@("(?:[^"\\]|\\.)*"|[\w$.\-]+)')
_PARAMETER = re.compile(r"%([\w$.\-]+): ([^{%]*?) ?(\{[^{}]*\})?(?:, |\)(?: attributes \{.*| -> .*)?$)")
_BLOCK_ARGUMENT = re.compile(r"%([\w$.\-]+): (.+?)(?= loc\(|, %|\):)")
_CARRIED = re.compile(r"%([\w$.\-]+) = %([\w$.\-]+(?:#\d+)?)")
_SUCCESSOR = re.compile(r"\^([\w$.\-]+)(?:\(([^:)]*) : [^)]*\))?")
_FOR = re.compile(
    r"(?:unsigned )?%([\w$.\-]+) = %([\w$.\-]+(?:#\d+)?) to %([\w$.\-]+(?:#\d+)?) step %([\w$.\-]+(?:#\d+)?)(.*)",
    re.DOTALL,
)
_TOKENS = {"ttg.async_copy_global_to_local", "ttg.async_commit_group", "ttg.async_wait"}


class _Reader:
    """Walks the lines once. Values are declared where they are made; blocks are printed before what they dominate."""

    def __init__(self, text: str) -> None:
        self._types = TypeReader()
        self._lines: list[str] = []
        aliases: dict[str, str] = {}
        for raw in text.split("\n"):
            line = raw.strip()
            if line.startswith("#"):
                if line.startswith("#loc"):
                    name, _, rest = line.partition(" = ")
                    aliases[name] = rest[4:-1]
                else:
                    self._types.add_alias(line)
            elif line and not line.startswith("//"):
                self._lines.append(line)
        self._locations = LocationTable(aliases, "")
        self._at = 0
        self._values: dict[str, Value] = {}
        self._made = 0
        self._ops = 0
        self._later: list[tuple[Op, list[str]]] = []

    def module(self) -> GpuModule:
        """Return the module of the text."""
        header = self._lines[self._at]
        if not header.startswith("module"):
            raise CompileError(f"a lowered kernel must be a module, its text starts with '{header[:40]}'")
        attrs = read_dictionary(header[header.index("{") : -1]) if "attributes" in header else {}
        self._at += 1
        found: GpuModule | None = None
        while not self._lines[self._at].startswith("}"):
            line = self._lines[self._at]
            if not line.startswith("tt.func") or " private " in line.partition("@")[0] or found is not None:
                raise CompileError(f"a lowered kernel must hold one public function, got '{line.partition('(')[0]}'")
            found = self._function(line, attrs)
        if found is None:
            raise CompileError("a lowered kernel must hold one public function, got none")
        return found

    def _function(self, line: str, attrs: Mapping[str, object]) -> GpuModule:
        head = strip_locations(line[:-1]).rstrip()
        symbol = _SYMBOL.search(head)
        assert symbol is not None, head
        arguments = list(_PARAMETER.finditer(head[symbol.end() :]))
        args = tuple(self._make(match[1], self._types.type(match[2])) for match in arguments)
        body = self._region(args)
        self._at += 1
        for op, names in self._later:
            op.operands = tuple(self._value(name) for name in names)
        return GpuModule(
            symbol_name(symbol[0]), args, tuple(read_dictionary(match[3] or "") for match in arguments), body, attrs,
            self._made,
        )  # fmt: skip

    def _make(self, name: str, kind: Type) -> Value:
        value = self._values[name] = Value(self._made, name, kind)
        self._made += 1
        return value

    def _value(self, name: str) -> Value:
        value = self._values.get(name)
        if value is None:
            raise CompileError(f"a value must be made before it is used, %{name} is not")
        return value

    def _region(self, args: tuple[Value, ...] = ()) -> Region:
        """Read from the line behind the one that opens a region to the one that closes it, where it stays."""
        self._at += 1
        labels: dict[str, Block] = {}
        branches: list[tuple[Op, str]] = []
        blocks: list[Block] = []
        while not (line := self._lines[self._at]).startswith("}"):
            if line.startswith("^"):
                label = line[1 : re.search(r"[(:]", line).start()]  # type: ignore[union-attr]
                made = tuple(self._make(m[1], self._types.type(m[2])) for m in _BLOCK_ARGUMENT.finditer(line))
                blocks.append(labels.setdefault(label, Block(made)))
                self._at += 1
                continue
            if not blocks:
                blocks.append(Block(args))
            op = self._op(line, branches)
            blocks[-1].ops.append(op)
        if not blocks:
            blocks.append(Block(args))
        for block in blocks:
            if not block.ops or block.ops[-1].name not in _TERMINATORS:
                block.ops.append(self._record("scf.yield", [], (), {}, Location()))
        for op, head in branches:
            op.successors = tuple(
                (labels[m[1]], tuple(self._value(v) for v in _VALUE.findall(m[2] or "")))
                for m in _SUCCESSOR.finditer(head)
            )
        return Region(blocks)

    def _record(
        self, name: str, operands: list[str], results: tuple[Value, ...], attrs: Mapping[str, object], place: Location
    ) -> Op:
        op = Op(self._ops, name, (), results, attrs, location=place)
        self._ops += 1
        # A block may be printed before the one that makes what it reads.
        if all(operand in self._values for operand in operands):
            op.operands = tuple(self._values[operand] for operand in operands)
        else:
            self._later.append((op, operands))
        for value in results:
            value.op = op
        return op

    def _op(self, line: str, branches: list[tuple[Op, str]]) -> Op:
        opens = line.endswith("{")
        body, place = (line[:-1].rstrip(), "") if opens else _split_location(line)
        match = _OP.match(body)
        if match is None:
            raise CompileError(f"a line of a lowered kernel must be an op, got '{body[:60]}'")
        names, name, head = _result_names(match[1]), match[2], match[3]
        if opens:
            return self._nest(name, names, head)
        self._at += 1
        plain = _STRING.sub('""', head) if '"' in head else head
        location = self._locations.resolve(place)
        results = tuple(
            self._make(*pair) for pair in zip(names, self._result_types(name, plain, len(names)), strict=True)
        )
        operands = _VALUE.findall(plain)
        op = self._record(name, operands, results, _attributes(name, head, len(operands), results), location)
        if name.startswith("cf."):
            branches.append((op, head))
            op.operands = op.operands[: name == "cf.cond_br"]
        return op

    def _nest(self, name: str, names: list[str], head: str) -> Op:
        """Read an op with regions."""
        operands = _VALUE.findall(head)
        args: tuple[Value, ...] = ()
        kinds: list[Type] = []
        op = self._record(name, [], (), {}, Location())
        if name == "scf.for":
            loop = _FOR.match(head)
            assert loop is not None, head
            carried = _CARRIED.findall(loop[5])
            operands = [loop[2], loop[3], loop[4], *(init for _, init in carried)]
            made = loop[5].partition("-> ")[2]
            kinds = self._types.types(made[: made.rindex(")") + 1]) if made else []
            args = self._loop_arguments(loop[1], self._value(loop[2]).type, carried, kinds)
        elif name == "scf.while":
            carried = _CARRIED.findall(head)
            operands = [init for _, init in carried]
            before, _, after = head[f" {head}".rindex(" : ") + 2 :].partition(" -> ")
            args = tuple(
                self._make(arg, kind) for (arg, _), kind in zip(carried, self._types.types(before), strict=True)
            )
            kinds = self._types.types(after)
        elif name == "scf.if":
            kinds = self._types.types(head[head.index("-> ") + 3 :]) if "-> " in head else []
        elif not head.startswith("("):
            raise CompileError(f"an op with regions must be a loop, a branch, or a reduction, got {name}")
        regions = [self._region(args)]
        while self._lines[self._at].endswith("{"):
            regions.append(self._region())
        tail, place = _split_location(self._lines[self._at])
        self._at += 1
        if tail.startswith("})"):
            kinds = self._types.types(tail[tail.rindex("-> ") + 3 :])
        op.operands = tuple(self._value(operand) for operand in operands)
        op.results = tuple(self._make(*pair) for pair in zip(names, kinds, strict=True))
        for value in op.results:
            value.op = op
        op.attrs = _attributes(name, head, len(operands), op.results, tail[1:])
        op.regions = tuple(regions)
        op.location = self._locations.resolve(place)
        return op

    def _loop_arguments(
        self, induction: str, kind: Type, carried: list[tuple[str, str]], kinds: list[Type]
    ) -> tuple[Value, ...]:
        made = [self._make(induction, kind)]
        made += [self._make(arg, kind) for (arg, _), kind in zip(carried, kinds, strict=True)]
        return tuple(made)

    def _result_types(self, name: str, head: str, count: int) -> list[Type]:
        if count == 0:
            return []
        if name in _TOKENS:
            return [TOKEN]
        head = f" {head}"
        at = head.rfind(" : ")
        if at < 0:
            if name == "arith.constant":
                return ["i1"]
            raise CompileError(f"op {name} must print the types of its results")
        text = head[at + 3 :]
        for arrow in (" -> ", " to "):
            if arrow in text:
                made = self._types.types(text[text.rindex(arrow) + len(arrow) :])
                return made * count if len(made) == 1 else made
        listed = self._types.types(text)
        if name in _PLACES:
            return [_PLACES[name](listed)]
        return listed if len(listed) == count else listed[:1] * count


def _pointee(kinds: list[Type]) -> Type:
    kind = kinds[0]
    if isinstance(kind, TensorType) and isinstance(kind.element, Pointer):
        return TensorType(kind.shape, kind.element.pointee, kind.layout)
    assert isinstance(kind, Pointer), kind
    return kind.pointee


def _truth(kinds: list[Type]) -> Type:
    kind = kinds[0]
    return TensorType(kind.shape, "i1", kind.layout) if isinstance(kind, TensorType) else "i1"


def _single(kinds: list[Type]) -> Type:
    kind = kinds[0]
    assert isinstance(kind, TensorType), kind
    return kind.element


# Which of the printed types is the result's, where it is neither all of them nor behind an arrow.
_PLACES: dict[str, Callable[[list[Type]], Type]] = {
    "tt.load": _pointee, "arith.cmpi": _truth, "arith.cmpf": _truth, "tt.unsplat": _single,
    "tt.addptr": lambda kinds: kinds[0], "arith.select": lambda kinds: kinds[-1],
}  # fmt: skip
_TERMINATORS = {
    "scf.yield", "scf.condition", "tt.return", "cf.br", "cf.cond_br", "tt.reduce.return", "tt.scan.return",
    "ub.unreachable", "tt.map_elementwise.return",
}  # fmt: skip


def _attributes(
    name: str, head: str, operands: int, results: tuple[Value, ...], tail: str = ""
) -> Mapping[str, object]:
    if name == "arith.constant":
        kind = results[0].type
        if isinstance(kind, TensorType):
            return read_attributes(name, head, "", operands, [PlainTensor(kind.shape, kind.element)])
        assert isinstance(kind, str)
        return read_attributes(name, head, "", operands, [kind])
    if name in ("tt.reduce", "tt.scan"):
        tail = tail.removeprefix(")").strip()
        tail = tail if tail.startswith("{") else ""
        return read_attributes(name, head, tail, operands, [])
    attrs = read_attributes(name, head, tail, operands, [])
    if name == "ttg.async_copy_global_to_local":
        attrs["mask"], attrs["other"] = " mask %" in head, " other %" in head
    return attrs


def _result_names(text: str | None) -> list[str]:
    if text is None:
        return []
    names: list[str] = []
    for part in text.split(","):
        name, _, count = part.strip()[1:].partition(":")
        names += [f"{name}#{i}" for i in range(int(count))] if count else [name]
    return names


def _split_location(line: str) -> tuple[str, str]:
    start = line.rfind(" loc(")
    return (line, "") if start < 0 else (line[:start], line[start + 5 : -1])
