"""Types and layouts of TritonGPU IR as records, read from their printed text."""

import re
from dataclasses import dataclass
from math import prod

from kernelwright.compiler.ir import Pointer
from kernelwright.core.errors import UnsupportedOpError

TOKEN = "!ttg.async.token"


@dataclass(frozen=True)
class Blocked:
    """Each thread holds a box of `size_per_thread`, `threads` of a warp and `warps` of a block tile the shape."""

    size_per_thread: tuple[int, ...]
    threads: tuple[int, ...]
    warps: tuple[int, ...]
    order: tuple[int, ...]


@dataclass(frozen=True)
class Slice:
    """`parent` without dimension `dim`."""

    dim: int
    parent: "Distributed"


@dataclass(frozen=True)
class Mma:
    """The result of a matrix product; `instr_shape` is what one warp makes at a time."""

    version: int
    warps: tuple[int, ...]
    instr_shape: tuple[int, ...]


@dataclass(frozen=True)
class DotOperand:
    """Operand `index` (0 left, 1 right) of a product whose result has layout `parent`."""

    index: int
    parent: "Distributed"
    k_width: int


@dataclass(frozen=True)
class Linear:
    """Bases of register, lane and warp bits: the coordinates that each bit adds (by exclusive or)."""

    register: tuple[tuple[int, ...], ...]
    lane: tuple[tuple[int, ...], ...]
    warp: tuple[tuple[int, ...], ...]


Distributed = Blocked | Slice | Mma | DotOperand | Linear


@dataclass(frozen=True)
class Swizzled:
    """Shared memory in vectors of `vec` elements, permuted within rows: `per_phase` rows share one of `max_phase`."""

    vec: int
    per_phase: int
    max_phase: int
    order: tuple[int, ...]


@dataclass(frozen=True)
class Padded:
    """Shared memory with `padding` elements behind every `interval` elements, for each pair of `intervals`."""

    intervals: tuple[tuple[int, int], ...]
    order: tuple[int, ...]


@dataclass(frozen=True)
class OtherShared:
    """A shared layout of another kind, by its text; it is taken to be free of bank conflicts."""

    kind: str
    text: str


Shared = Swizzled | Padded | OtherShared


@dataclass(frozen=True)
class TensorType:
    """A tensor in registers; `shape` in elements."""

    shape: tuple[int, ...]
    element: "str | Pointer"
    layout: Distributed

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class MemDesc:
    """A tensor in shared memory; a part of a larger one lies in it with the strides of `whole`, its last dimensions."""

    shape: tuple[int, ...]
    element: str
    layout: Shared
    whole: tuple[int, ...] = ()

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Return the shape that strides come from, of as many dimensions as `shape`."""
        return self.whole[len(self.whole) - len(self.shape) :] if self.whole else self.shape

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return prod(self.shape)


# A scalar's type is its element: i1 i8 i16 i32 i64 f16 bf16 f32 f64 f8e4m3fn f8e5m2, or a pointer; tokens are TOKEN.
Type = str | Pointer | TensorType | MemDesc

_LAYOUT_TOKEN = re.compile(r"#?[\w.]+|[{}\[\]=,<>:+\-]")
_SHAPE = re.compile(r"(?:\d+x)*")
_POINTER = re.compile(r"!tt\.ptr<([\w]+)(?:, \d+)?>")

_Fields = dict[str, "object"]


class TypeReader:
    """Reads types of one module, whose layout aliases (`#mma = #ttg.nvidia_mma<...>`) it is given line by line."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}
        self._types: dict[str, Type] = {}
        self._layouts: dict[str, Distributed | Shared] = {}

    def add_alias(self, line: str) -> None:
        """Take the line `#name = #dialect.kind<...>`."""
        name, _, text = line.partition(" = ")
        self._aliases[name] = text

    def type(self, text: str) -> Type:
        """Return the type that `text` writes."""
        known = self._types.get(text)
        if known is None:
            known = self._types[text] = self._parse(text)
        return known

    def types(self, text: str) -> list[Type]:
        """Return the types of a list, `(i32, tensor<4xf32, #blocked>)` or without the parentheses."""
        text = text.strip()
        return [self.type(part) for part in split_list(text[1:-1] if text.startswith("(") else text)]

    def layout(self, text: str) -> Distributed | Shared:
        """Return the layout that `text` writes, an alias or in full. Raises UnsupportedOpError."""
        known = self._layouts.get(text)
        if known is None:
            alias = self._aliases.get(text)
            known = self._layouts[text] = self.layout(alias) if alias is not None else self._parse_layout(text)
        return known

    def _parse(self, text: str) -> Type:
        if text.startswith("tensor<"):
            shape, element, rest = _shaped(text[len("tensor<") : -1])
            layout = self.layout(rest[0]) if rest else Blocked((1,), (1,), (1,), (0,))
            assert not isinstance(layout, Shared), text
            return TensorType(shape, _element(element), layout)
        if text.startswith(("!ttg.memdesc<", "<")):
            shape, element, rest = _shaped(text[text.index("<") + 1 : -1])
            layout = self.layout(rest[0])
            assert isinstance(layout, Shared), text
            sizes = rest[-1] if rest[-1][0].isdigit() else ""
            return MemDesc(shape, _scalar(element), layout, tuple(int(size) for size in sizes.split("x") if size))
        return _element(text)

    def _parse_layout(self, text: str) -> Distributed | Shared:
        kind, _, inside = text.partition("<")
        kind = kind.removeprefix("#").removeprefix("ttg.").removeprefix("ttng.")
        fields = _fields(inside)
        match kind:
            case "blocked":
                return Blocked(
                    *(_ints(fields[key]) for key in ("sizePerThread", "threadsPerWarp", "warpsPerCTA", "order"))
                )
            case "nvidia_mma":
                major = fields["versionMajor"]
                assert isinstance(major, int)
                return Mma(major, _ints(fields["warpsPerCTA"]), _ints(fields["instrShape"]))
            case "slice":
                dim = fields["dim"]
                assert isinstance(dim, int)
                return Slice(dim, self._parent(inside))
            case "dot_op":
                index, width = fields["opIdx"], fields.get("kWidth", 0)
                assert isinstance(index, int) and isinstance(width, int)
                return DotOperand(index, self._parent(inside), width)
            case "linear":
                return Linear(_bases(fields["register"]), _bases(fields["lane"]), _bases(fields["warp"]))
            case "swizzled_shared":
                vec, per_phase, max_phase = (fields[key] for key in ("vec", "perPhase", "maxPhase"))
                assert isinstance(vec, int) and isinstance(per_phase, int) and isinstance(max_phase, int)
                return Swizzled(vec, per_phase, max_phase, _ints(fields["order"]))
            case "padded_shared":
                pairs = tuple((int(a), int(b)) for a, b in re.findall(r"(\d+):\+(\d+)", inside))
                return Padded(pairs, _ints(fields.get("order", ())))
            case "nvmma_shared" | "shared_linear":
                return OtherShared(kind, text)
        raise UnsupportedOpError(f"a layout must be one that capability 8.0 or 8.9 lowers to, got {kind}")

    def _parent(self, inside: str) -> Distributed:
        start = inside.index("parent = ") + len("parent = ")
        depth = 0
        for end in range(start, len(inside)):
            depth += {"<": 1, "{": 1, "[": 1, ">": -1, "}": -1, "]": -1}.get(inside[end], 0)
            if depth < 0 or (depth == 0 and inside[end] == ","):
                break
        layout = self.layout(inside[start:end].strip())
        assert not isinstance(layout, Shared), inside
        return layout


def split_list(text: str) -> list[str]:
    """Return the parts of a list, cut at commas outside of brackets."""
    if "," not in text:
        return [text] if text.strip() else []
    parts: list[str] = []
    depth, start = 0, 0
    for position, character in enumerate(text):
        if character in "<({[":
            depth += 1
        elif character in ">)}]":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def element_bits(element: "str | Pointer") -> int:
    """Return the size of an element in bits; pointers have 64, i1 has 1."""
    if isinstance(element, Pointer):
        return 64
    digits = re.match(r"(?:bf|f|i)(\d+)", element)
    if digits is None:
        raise UnsupportedOpError(f"an element must be an integer, a float or a pointer, got {element}")
    return int(digits[1])


def _shaped(inside: str) -> tuple[tuple[int, ...], str, list[str]]:
    first, *rest = split_list(inside)
    match = _SHAPE.match(first)
    assert match is not None
    return tuple(int(size) for size in match[0].split("x") if size), first[match.end() :], rest


def _element(text: str) -> "str | Pointer":
    match = _POINTER.fullmatch(text)
    return Pointer(_scalar(match[1])) if match is not None else text if text.startswith("!") else _scalar(text)


def _scalar(text: str) -> str:
    return "i64" if text == "index" else text.lower()


def _ints(value: object) -> tuple[int, ...]:
    assert isinstance(value, tuple)
    return value


def _bases(value: object) -> tuple[tuple[int, ...], ...]:
    assert isinstance(value, tuple)
    return value


def _fields(text: str) -> _Fields:
    """Return the entries `name = value` of a layout's text at any depth but those of a parent's, which come last."""
    tokens = _LAYOUT_TOKEN.findall(text)
    fields: _Fields = {}
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token == "<") - (token == ">")
        if token == "=" and depth <= 0:
            fields.setdefault(tokens[position - 1], _value(tokens, position + 1)[0])
    return fields


def _value(tokens: list[str], position: int) -> tuple[object, int]:
    token = tokens[position]
    if token != "[":
        return (int(token) if token.isdigit() else token), position + 1
    items: list[object] = []
    position += 1
    while tokens[position] != "]":
        if tokens[position] == ",":
            position += 1
            continue
        item, position = _value(tokens, position)
        items.append(item)
    return tuple(items), position + 1
