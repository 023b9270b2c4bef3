"""Attributes of ops, read from their printed form, which the binding does not expose.

Every attribute dictionary is read, under its own names. What ops print outside of a dictionary, or
what is worth a plainer name, is in this table:

    op                                names and values in Op.attrs
    arith.constant                    value: bool, int, float or (list constants) a flat tuple of them; ints are
                                      signed; splat constants of tensors give the one number
    arith.cmpi, arith.cmpf            predicate: "slt", "ogt", ...
    arith ops                         overflow: ("nsw", "nuw"), fastmath: ("contract", ...), where printed
    tt.get_program_id, _num_programs  axis: 0, 1, 2
    tt.make_range                     start, end
    tt.load                           mask: bool, other: bool (whether the operand is there, after the pointer),
                                      cacheModifier: "none", "ca", "cg", ...; evictionPolicy: "normal",
                                      "evict_first", "evict_last"; isVolatile: bool
    tt.store                          mask: bool (operand after pointer and value), cacheModifier, evictionPolicy
    tt.atomic_rmw                     kind: "and" "or" "xor" "add" "fadd" "max" "min" "umax" "umin" "exch";
                                      sem: "relaxed" "acquire" "release" "acq_rel"; scope: "gpu" "cta" "sys";
                                      mask: bool
    tt.atomic_cas, _load, _store,     sem, scope
    tt.atomic_poll
    tt.dot                            inputPrecision: "ieee" "tf32" ..., maxNumImpreciseAcc: int (default 0)
    tt.dot_scaled                     lhs, rhs: element kinds such as "e4m3"; fastMath; lhs_scale, rhs_scale: bool
    tt.reduce                         axis
    tt.scan                           axis, reverse
    tt.expand_dims, tt.gather         axis
    tt.trans                          order: tuple of ints
    tt.reshape                        allow_reorder: bool
    tt.histogram                      mask: bool
    tt.fp_to_fp                       rounding: "rtne" "rtz", absent where widening
    tt.clampf                         propagateNan: "none" or "all"
    tt.call                           callee
    tt.extern_elementwise             symbol, libname, libpath, pure
    tt.elementwise_inline_asm         message (the assembly text), constraints, packed_element, pure
    tt.print                          message, hex, isSigned: tuple of ints
    tt.assert                         message
    scf.for                           dictionary of the loop (tt.num_stages, ...), unsigned: bool
"""

import re
import struct
from collections.abc import Callable

from kernelwright.compiler.ir import Type
from kernelwright.compiler.reader.literals import parse_constant

Attributes = dict[str, object]

_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|%[\w$.\-]+(?:#\d+)?|@(?:"(?:[^"\\]|\\.)*"|[\w$.\-]+)|\^[\w$.\-]+|->'
    r"|-?\d[\w.]*(?:(?<=[eE])[+-]\d+)?|[#!]?[A-Za-z_][\w.$]*|[^\s]"
)
_ESCAPE = re.compile(r'\\([0-9A-Fa-f]{2}|["\\nt])')
_CONSTANT = re.compile(r"(?:\{.*\} )?(.*?)(?: : .*)?", re.DOTALL)
_NOTHING_TO_READ = re.compile(r'[^{<="@]*')
_LEADING_WORDS = {
    "arith.cmpi": ("predicate",), "arith.cmpf": ("predicate",),
    "tt.atomic_rmw": ("kind", "sem", "scope"), "tt.atomic_cas": ("sem", "scope"),
    "tt.atomic_load": ("sem", "scope"), "tt.atomic_store": ("sem", "scope"), "tt.atomic_poll": ("sem", "scope"),
    "tt.get_program_id": ("axis",), "tt.get_num_programs": ("axis",), "scf.for": ("unsigned",),
}  # fmt: skip


def read_attributes(name: str, head: str, tail: str, operands: int, results: list[Type]) -> Attributes:
    """Return the attributes of op `name` from the text after its name and the text after its regions."""
    if name == "arith.constant":
        match = _CONSTANT.fullmatch(head)
        assert match is not None
        return {"value": parse_constant(match[1], results[0])}
    attrs: Attributes = {}
    _read_leading_words(name, head, attrs)
    # Types follow the first colon outside of brackets; plain ops have nothing but operands before it.
    before_types = head if tail else head.partition(" : ")[0]
    if not _NOTHING_TO_READ.fullmatch(before_types):
        _read_tokens(_TOKEN.findall(head), attrs)
    if tail and not _NOTHING_TO_READ.fullmatch(tail):
        _read_tokens(_TOKEN.findall(tail.removeprefix(")")), attrs)
    finish = _FINISH.get(name)
    if finish is not None:
        finish(attrs, operands, head)
    return attrs


def read_dictionary(text: str) -> Attributes:
    """Return the attributes of a printed dictionary `{name = value, ...}`."""
    attrs: Attributes = {}
    tokens = _TOKEN.findall(text)
    if tokens:
        _dictionary(tokens, 1, attrs)
    return attrs


def _read_leading_words(name: str, head: str, attrs: Attributes) -> None:
    keys = _LEADING_WORDS.get(name)
    if keys is None:
        return
    words = head.replace(",", " ").split()
    for key, word in zip(keys, words, strict=False):
        if not word[0].isalpha():
            return
        attrs[key] = "xyz".index(word) if key == "axis" else word == "unsigned" if key == "unsigned" else word


def _read_tokens(tokens: list[str], attrs: Attributes) -> None:
    """Add what stands outside of dictionaries (key = word, flags<...>, strings, symbols) and all dictionaries."""
    position, depth = 0, 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if token == "{":
            position = _dictionary(tokens, position + 1, attrs)
            continue
        if token in "([":
            depth += 1
        elif token in ")]":
            depth -= 1
        elif token in (":", "->") and depth == 0:
            return
        elif token[0] == '"':
            attrs.setdefault("message", unescape(token))
        elif token[0] == "@":
            attrs["callee"] = symbol_name(token)
        elif token[0].isalpha() and following == "<":
            end = tokens.index(">", position)
            attrs[token] = tuple(word for word in tokens[position + 2 : end] if word != ",")
            position = end
        elif token[0].isalpha() and following == "=":
            # Outside of dictionaries a value is one word; a colon behind it starts the op's types.
            attrs[token] = _atom(tokens[position + 2])
            position += 2
        position += 1


def _dictionary(tokens: list[str], position: int, attrs: Attributes) -> int:
    """Add the entries that start at `position`, behind the opening brace; return the place behind the closing one."""
    while position < len(tokens) and tokens[position] != "}":
        key = tokens[position].strip('"')
        position += 1
        if position < len(tokens) and tokens[position] == "=":
            attrs[key], position = _value(tokens, position + 1)
        elif key != ",":
            attrs[key] = True
    return position + 1


def _value(tokens: list[str], position: int) -> tuple[object, int]:
    """Return the attribute value at `position` and the place behind it and its type."""
    token = tokens[position]
    value: object
    if token == "{":
        inner: Attributes = {}
        return inner, _dictionary(tokens, position + 1, inner)
    if token == "[":
        return _list(tokens, position + 1, "]")
    if token == "array" and tokens[position + 1] == "<":
        # array<i32: 1, 0>, an empty one has no colon
        start = position + 3 + (tokens[position + 3] == ":")
        return _list(tokens, start, ">")
    if token.startswith("#") and position + 1 < len(tokens) and tokens[position + 1] == "<":
        return _enumeration(tokens, position + 2)
    if token == "dense":
        end = tokens.index(">", position)
        value, position = " ".join(tokens[position : end + 1]), end
    else:
        value = _atom(token)
    position += 1
    if position < len(tokens) and tokens[position] == ":":
        kind = tokens[position + 1]
        if isinstance(value, int) and token.startswith("0x") and kind == "f32":
            value = struct.unpack("<f", struct.pack("<I", value))[0]
        position += 2
    return value, position


def _list(tokens: list[str], position: int, end: str) -> tuple[object, int]:
    items: list[object] = []
    while tokens[position] != end:
        if tokens[position] == ",":
            position += 1
            continue
        item, position = _value(tokens, position)
        items.append(item)
    return tuple(items), position + 1


def _enumeration(tokens: list[str], position: int) -> tuple[object, int]:
    """Return a dialect attribute's word, or its entries when it has names, e.g. `#tt.cache_policy<a = b>`."""
    entries: Attributes = {}
    words: list[str] = []
    while tokens[position] != ">":
        if tokens[position + 1] == "=":
            entries[tokens[position]], position = _value(tokens, position + 2)
            continue
        if tokens[position] != ",":
            words.append(tokens[position])
        position += 1
    return (entries or " ".join(words)), position + 1


def _atom(token: str) -> object:
    if token[0] == '"':
        return unescape(token)
    if token in ("true", "false"):
        return token == "true"
    try:
        return int(token, 0)
    except ValueError:
        pass
    try:
        return float(token)
    except ValueError:
        return symbol_name(token) if token[0] == "@" else token


def unescape(token: str) -> str:
    """Return the text of a printed string literal."""
    plain = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
    body = token[1:-1]
    return _ESCAPE.sub(lambda m: plain[m[1]] if m[1] in plain else chr(int(m[1], 16)), body)


def symbol_name(token: str) -> str:
    """Return the name of a printed symbol `@name` or `@"name"`."""
    return unescape(token[1:]) if token[1] == '"' else token[1:]


def _finish_load(attrs: Attributes, operands: int, head: str) -> None:
    _finish_access(attrs)
    attrs.setdefault("isVolatile", False)
    attrs["mask"], attrs["other"] = operands > 1, operands > 2
    segments = attrs.pop("operandSegmentSizes", None)
    if isinstance(segments, tuple) and len(segments) == 3:
        attrs["mask"], attrs["other"] = segments[1] == 1, segments[2] == 1


def _finish_store(attrs: Attributes, operands: int, head: str) -> None:
    _finish_access(attrs)
    attrs["mask"] = operands > 2


def _finish_access(attrs: Attributes) -> None:
    # Triton 3.9 gathers both words in one attribute.
    policy = attrs.pop("cachePolicy", None)
    if isinstance(policy, dict):
        attrs["cacheModifier"] = policy.get("cache_modifier", "none")
        attrs["evictionPolicy"] = str(policy.get("eviction_policy", "normal")).replace("evict_normal", "normal")
    attrs.setdefault("cacheModifier", "none")
    attrs.setdefault("evictionPolicy", "normal")


def _finish_rmw(attrs: Attributes, operands: int, head: str) -> None:
    attrs["mask"] = operands > 2


def _finish_dot(attrs: Attributes, operands: int, head: str) -> None:
    attrs.setdefault("inputPrecision", "ieee")
    attrs.setdefault("maxNumImpreciseAcc", 0)


def _finish_dot_scaled(attrs: Attributes, operands: int, head: str) -> None:
    sides = head.partition(" : ")[0].split(",")
    attrs["lhs_scale"] = " scale " in sides[0]
    attrs["rhs_scale"] = len(sides) > 1 and " scale " in sides[1]


def _finish_reshape(attrs: Attributes, operands: int, head: str) -> None:
    attrs["allow_reorder"] = bool(attrs.get("allow_reorder", " allow_reorder" in head))


def _finish_histogram(attrs: Attributes, operands: int, head: str) -> None:
    attrs["mask"] = operands > 1


def _finish_for(attrs: Attributes, operands: int, head: str) -> None:
    attrs["unsigned"] = bool(attrs.pop("unsignedCmp", attrs.get("unsigned", False)))


def _finish_scan(attrs: Attributes, operands: int, head: str) -> None:
    attrs.setdefault("reverse", False)


_FINISH: dict[str, Callable[[Attributes, int, str], None]] = {
    "tt.load": _finish_load,
    "tt.store": _finish_store,
    "tt.atomic_rmw": _finish_rmw,
    "tt.dot": _finish_dot,
    "tt.dot_scaled": _finish_dot_scaled,
    "tt.reshape": _finish_reshape,
    "tt.histogram": _finish_histogram,
    "tt.scan": _finish_scan,
    "scf.for": _finish_for,
}
