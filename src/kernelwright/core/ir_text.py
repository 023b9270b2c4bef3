"""Triton IR as text: its identity apart from names, and its architecture apart from sizes.

Pure text functions: they need neither Triton nor any other package, so a capture child can call them.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_STRING = r'"(?:[^"\\]|\\.)*"'
_LOC_PART = re.compile(rf"{_STRING}|[()]")
_LOC_START = re.compile(rf"{_STRING}|(\s?\bloc\()")
_NAMES = re.compile(rf"{_STRING}|%[\w$.\-]+|@(?:{_STRING}|[\w$.\-]+)|\^[\w$.\-]+|//.*$", re.MULTILINE)


def strip_locations(text: str) -> str:
    """Return `text` without `loc(...)` and without the alias lines that define locations."""
    parts: list[str] = []
    start = 0
    for match in _LOC_START.finditer(text):
        if match.group(1) is None or match.start() < start:
            continue
        parts.append(text[start : match.start()])
        start = _closing_parenthesis(text, match.end())
    parts.append(text[start:])
    lines = "".join(parts).split("\n")
    return "\n".join(line for line in lines if not line.startswith("#loc"))


def normalised_text(ttir: str) -> str:
    """Return the IR without locations, with values, blocks and symbols numbered in order of appearance.

    Two kernels have the same normalised text when they differ in names and source lines only.
    """
    numbers: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        found = match.group(0)
        if found[0] == '"':
            return found
        if found[0] == "/":
            return ""
        return numbers.setdefault(found, f"{found[0]}{len(numbers)}")

    lines = _NAMES.sub(renamed, strip_locations(ttir)).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())


def ir_sha256(ttir: str) -> str:
    """Return the SHA-256 of the normalised text: the identity that `KernelIR.sha256` holds."""
    return hashlib.sha256(normalised_text(ttir).encode()).hexdigest()


def _closing_parenthesis(text: str, start: int) -> int:
    depth = 1
    for match in _LOC_PART.finditer(text, start):
        if match.group(0) == "(":
            depth += 1
        elif match.group(0) == ")":
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)


# A line of an op: results, name, the rest. Regions open with a brace at the line's end.
_OP = re.compile(r'\s*(?:(%[^=]+?) = )?"?([a-z_]+\.[\w.]+)"?(.*)')
_VALUE = re.compile(r"%[\w$.\-]+")
_BOUND = re.compile(r"(%[\w$.\-]+) = (%[\w$.\-]+)")
_TENSOR_SHAPE = re.compile(r"tensor<((?:\d+x)*)")
_AXIS = re.compile(r"axis = (\d)")
_TYPE_SUFFIX = re.compile(r"(num|imum)?[fi]$|[su]i$")
_NESTS = {"scf.for": "loop", "scf.while": "while", "scf.if": "if", "tt.func": "func"}
_FOLDS = {"tt.reduce", "tt.scan"}
_COUNTED = {
    "tt.dot": "dot", "tt.dot_scaled": "dot", "tt.load": "load", "tt.store": "store", "tt.atomic_rmw": "atomic",
    "tt.atomic_cas": "atomic", "tt.gather": "gather", "tt.histogram": "histogram", "tt.call": "call",
    "math.exp": "exp", "math.exp2": "exp", "cf.cond_br": "branch", "cf.br": "jump",
}  # fmt: skip


@dataclass
class _Nest:
    """One function, loop or branch: how many ops of each kind stand directly in it, and the nests inside."""

    kind: str
    ops: Counter[str] = field(default_factory=Counter)
    nests: list["_Nest"] = field(default_factory=list)

    def shape(self) -> list[object]:
        """Return the nest as JSON values: counts reduced to one or many, branches without content dropped."""
        inner = [nest.shape() for nest in self.nests]
        kept = [nest for nest in inner if nest[0] != "if" or nest[2] or nest[1] not in ([], ["else"])]
        return [self.kind, sorted(f"{kind}{'+' if n > 1 else ''}" for kind, n in self.ops.items()), kept]


def architecture_fingerprint(ttirs: Sequence[str]) -> str:
    """Return a hash of how the kernels in `ttirs` work, leaving out how large their pieces are.

    It depends on the number of kernels, on each one's nest of loops and branches with the kinds of ops in
    them (dots, reductions with axis and combiner, loads, stores, atomics, exponentials; one or many of each)
    and on how program ids reach loop bounds and pointers (axes, division, through loaded values). Constants, tile
    sizes, names, element types and pipeline depth do not enter.
    """
    kernels = sorted(json.dumps([_nest_shapes(lines), _grid_mapping(lines)]) for lines in map(_plain_lines, ttirs))
    return hashlib.sha256(json.dumps(kernels).encode()).hexdigest()


def _plain_lines(ttir: str) -> list[str]:
    return [line.strip() for line in strip_locations(ttir).split("\n") if line.strip()]


def _nest_shapes(lines: list[str]) -> list[object]:
    root = _Nest("module")
    stack: list[_Nest] = [root]
    for line in lines:
        if line.startswith("}"):
            if line.endswith("{"):
                if stack[-1].kind == "if":
                    stack[-1].ops["else"] += 1
                continue
            closed = stack.pop()
            if closed.kind.startswith("tt."):
                stack[-1].ops[f"{closed.kind}({','.join(sorted(closed.ops))})"] += 1
            continue
        match = _OP.match(line)
        if match is None:
            if line.endswith("{"):
                stack[-1].nests.append(_Nest("module"))
                stack.append(stack[-1].nests[-1])
            continue
        name, rest = match[2], match[3]
        if line.endswith("{"):
            nest = _Nest(f"{name}{_AXIS.findall(rest)}" if name in _FOLDS else _NESTS.get(name, name))
            if not nest.kind.startswith("tt."):
                stack[-1].nests.append(nest)
            stack.append(nest)
        elif stack[-1].kind.startswith("tt."):
            if not name.endswith(".return"):
                stack[-1].ops[_TYPE_SUFFIX.sub("", name.partition(".")[2])] += 1
        elif name == "tt.get_program_id":
            stack[-1].ops[f"program_id{rest.split()[0]}"] += 1
        elif name in _COUNTED:
            stack[-1].ops[f"{_COUNTED[name]}{_rank(rest)}"] += 1
    return [nest.shape() for nest in root.nests]


def _rank(rest: str) -> int:
    ranks = [shape.count("x") for shape in _TENSOR_SHAPE.findall(rest)]
    return max(ranks, default=0)


def _grid_mapping(lines: list[str]) -> list[str]:
    """Return how program ids are used: "x:pointer", "x/:bound" (divided), "x@:pointer" (through a load), ..."""
    tags: dict[str, frozenset[str]] = {}
    uses: set[str] = set()
    # The second pass sees what loops carry back.
    for _ in range(2):
        owners: list[list[str]] = []
        for line in lines:
            if line.startswith("}"):
                if not line.endswith("{") and owners:
                    owners.pop()
                continue
            match = _OP.match(line)
            results = _VALUE.findall(match[1] or "") if match is not None else []
            if match is not None:
                _flow(match[2], match[3], results, owners, tags, uses)
            if line.endswith("{"):
                owners.append(results)
    return sorted(uses)


def _flow(
    name: str, rest: str, results: list[str], owners: list[list[str]], tags: dict[str, frozenset[str]], uses: set[str]
) -> None:
    operands = _VALUE.findall(rest)
    found = frozenset[str]().union(*(tags.get(operand, frozenset()) for operand in operands))
    if name == "tt.get_program_id":
        found = frozenset(rest.split()[:1])
    elif name.startswith(("arith.div", "arith.rem")) and not name.endswith("f"):
        found = frozenset(tag if tag.endswith("/") else f"{tag}/" for tag in found)
    elif name in ("tt.load", "tt.store", "tt.atomic_rmw", "tt.atomic_cas"):
        pointer = tags.get(operands[0], frozenset())
        uses.update(f"{tag}:{name}" for tag in pointer)
        found = frozenset(f"{tag.partition('@')[0]}@" for tag in pointer)
    elif name == "scf.for":
        bounds = _VALUE.findall(rest.partition("iter_args")[0])[1:]
        uses.update(f"{tag}:bound" for bound in bounds for tag in tags.get(bound, ()))
    elif name in ("scf.if", "cf.cond_br"):
        uses.update(f"{tag}:branch" for tag in found)
    elif name == "scf.yield" and owners:
        results = owners[-1]
    _join(tags, results, found)
    for inner, outer in _BOUND.findall(rest):
        _join(tags, [inner], tags.get(outer, frozenset()))


def _join(tags: dict[str, frozenset[str]], names: Iterable[str], found: frozenset[str]) -> None:
    for name in names:
        tags[name] = tags.get(name, frozenset()) | found
