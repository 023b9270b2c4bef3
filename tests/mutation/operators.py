"""Mutation operators: each yields, for one node of the subject, the texts that replace it.

None knows the subject: an operator sees a node, its function and the tree. Sites are all nodes for which it yields.
"""

import ast
import re
from collections.abc import Callable, Iterator

from tests.mutation.source_tree import SourceTree, assignments, called

Operator = Callable[[SourceTree, str, ast.AST], Iterator[str]]

_EDGES = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_FLIPPED = {ast.Add: "-", ast.Sub: "+"}
_SYMBOLS = {ast.Sub: "-", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
# Integer arguments of these say which axis or how many, and another one does not compile.
_SHAPED = {"arange", "program_id", "max", "sum", "zeros", "full", "stride"}


def arange_off_by_one(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if called(node) == "arange":
        yield from (f"({tree.text(node)} {change} 1)" for change in "+-")


def program_off_by_one(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if called(node) == "program_id":
        yield from (f"({tree.text(node)} {change} 1)" for change in "+-")


def loop_off_by_one(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_part_of_range(tree, node, 0, 1):
        yield from (f"({tree.text(node)}) {change} 1" for change in "+-")


def loop_step_changed(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_part_of_range(tree, node, 2):
        yield from (f"{tree.text(node)} {change} 2" for change in ("*", "//"))


def address_off_by_one(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    parent = tree.parent(node)
    if isinstance(parent, ast.Call) and called(parent) in ("load", "store") and node is parent.args[0]:
        yield from (f"{tree.text(node)} {change} 1" for change in "+-")


def dropped_tail(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and called(node) == "cdiv":
        yield "({} // {})".format(*(f"({tree.text(part)})" for part in node.args))


def mask_edge(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _EDGES:
        yield f"{tree.text(node.left)} {_EDGES[type(node.ops[0])]} {tree.text(node.comparators[0])}"


def removed_mask(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_keyword(tree, node, "mask"):
        yield f"({tree.text(node)}) | True"


def removed_condition(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """One half of a mask or condition is lost."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        yield from (f"({tree.text(part)})" for part in (node.left, node.right))
    elif isinstance(node, ast.BoolOp):
        yield from (tree.text(part) for part in node.values)


def and_or(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        yield f"({tree.text(node.left)}) | ({tree.text(node.right)})"
    elif isinstance(node, ast.BoolOp):
        word = " and " if isinstance(node.op, ast.Or) else " or "
        yield word.join(tree.text(part) for part in node.values)


def wrong_other(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_keyword(tree, node, "other"):
        yield from ("1.0", 'float("nan")') if tree.text(node) == "0.0" else ("1",)


def head_map(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv | ast.Mod):
        sign = "%" if isinstance(node.op, ast.FloorDiv) else "//"
        yield f"({tree.text(node.left)}) {sign} ({tree.text(node.right)})"


def lost_factor(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """A rescale, scale, cap, stride or count is lost."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield from (f"({tree.text(part)})" for part in (node.left, node.right))


def ignored_feature(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """What a constant of the kernel asks for is not done."""
    if _is_condition(tree, node) and re.search("[A-Z]{3}", tree.text(node)):
        yield "False"


def always_taken(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_condition(tree, node):
        yield "True"


def negated_condition(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if _is_condition(tree, node):
        yield f"not ({tree.text(node)})"


def stale_start(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """An accumulator, sum or bound does not start where it should."""
    if called(node) in ("zeros", "full"):
        yield f"{tree.text(node)} + 1"
    elif isinstance(node, ast.Constant) and isinstance(tree.parent(node), ast.Assign) and node.value == 0:
        yield "1"


def lost_accumulation(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """What was summed before is lost, or what comes new."""
    if isinstance(node, ast.AugAssign) and not isinstance(node.op, ast.Mult):
        yield f"{tree.text(node.target)} = {tree.text(node.value)}"
    for _name, value in assignments(node):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and tree.is_kernel(function):
            head = tree.text(node)[: tree.span(value)[0] - tree.span(node)[0]]
            yield from (head + tree.text(part) for part in (value.left, value.right))


def lower_precision(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """A float32 intermediate is rounded to bf16 or fp8."""
    if not tree.is_kernel(function):
        return
    floats = tree.float_names(function)
    parent = tree.parent(node)
    holder = tree.parent(parent) if isinstance(parent, ast.Tuple) else parent
    for name, value in assignments(holder):
        if value is node and name in floats:
            yield from (f"({tree.text(node)}).to(tl.{kind}).to(tl.float32)" for kind in ("bfloat16", "float8e5"))


def swapped_operands(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and type(node.op) in _SYMBOLS:
        yield f"({tree.text(node.right)}) {_SYMBOLS[type(node.op)]} ({tree.text(node.left)})"
    elif isinstance(node, ast.Call) and called(node) == "where":
        condition, yes, no = (tree.text(part) for part in node.args)
        yield f"tl.where({condition}, {no}, {yes})"


def wrong_variable(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """A variable gives way to another of the same function whose name ends alike, as in `k_scale` and `v_scale`."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node.id.startswith("stride_"):
        return
    if not tree.is_kernel(function):
        return
    inside = ast.walk(tree.functions[function])
    names = {n.arg if isinstance(n, ast.arg) else n.id for n in inside if isinstance(n, ast.arg | ast.Name)}
    head, _, tail = node.id.rpartition("_")
    alike = {name for name in names - {node.id} if head and name.endswith(f"_{tail}")}
    yield from sorted(n for n in alike if not n.startswith("stride_") and n.islower() == node.id.islower())


def replaced_constant(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    parent = tree.parent(node)
    shaped = isinstance(parent, ast.Call) and called(parent) in _SHAPED and node in parent.args
    if shaped or isinstance(parent, ast.keyword | ast.Subscript) or function == "extend_attention_fwd":
        return
    yield repr(node.value + 1)
    if node.value:
        yield repr(node.value * 0)


def flipped_sign(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and type(node.op) in _FLIPPED:
        yield f"({tree.text(node.left)} {_FLIPPED[type(node.op)]} ({tree.text(node.right)}))"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield tree.text(node.operand)


def max_min(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    other = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"}.get(called(node))
    if other is not None and isinstance(node, ast.Call):
        name = tree.text(node.func)
        yield name.replace(called(node), other) + tree.text(node)[len(name) :]


def dropped_statement(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """A statement that changes a variable which already has a value is lost."""
    if isinstance(node, ast.AugAssign):
        yield "pass"
    elif isinstance(node, ast.Assign):
        targets = {name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)}
        if targets <= _bound_before(tree, function, node):
            yield "pass"


def dropped_store(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Expr) and called(node.value) == "store":
        yield "pass"


def swapped_stride(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.startswith("stride_"):
        name = node.id
        for one, two in (("_row", "_head"), ("stride_k", "stride_v")):
            if one in name or two in name:
                yield name.replace(one, two) if one in name else name.replace(two, one)
                return
    elif called(node) == "stride":
        text = tree.text(node)
        yield text.replace("(0)", "(1)") if "(0)" in text else text.replace("(1)", "(0)")


def race(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """Two programs have the same place, or there are twice as many programs."""
    if called(node) == "program_id":
        yield f"({tree.text(node)} // 2)"
        yield f"({tree.text(node)} % 2)"
    parent = tree.parent(node)
    in_subscript = isinstance(parent, ast.Tuple) and isinstance(tree.parent(parent), ast.Subscript)
    if in_subscript and not tree.is_kernel(function):
        yield f"{tree.text(node)} * 2"


def short_offset(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """An index times a stride is computed in 16 bits."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return
    if any(isinstance(part, ast.Name) and part.id.startswith("stride_") for part in (node.left, node.right)):
        yield f"({tree.text(node)}).to(tl.int16)"


def exponential_mix(tree: SourceTree, function: str, node: ast.AST) -> Iterator[str]:
    """The base of an exponential is e where 2 was meant, or the factor between them is lost or doubled."""
    if called(node) == "exp2":
        yield tree.text(node).replace("exp2", "exp", 1)
    elif isinstance(node, ast.Name) and node.id == "LOG2E":
        yield from ("1.0", "(LOG2E * LOG2E)")


OPERATORS: dict[str, Operator] = {
    operator.__name__: operator
    for operator in (
        arange_off_by_one, program_off_by_one, loop_off_by_one, loop_step_changed, address_off_by_one, dropped_tail,
        mask_edge, removed_mask, removed_condition, and_or, wrong_other, head_map, lost_factor, ignored_feature,
        always_taken, negated_condition, stale_start, lost_accumulation, lower_precision, swapped_operands,
        wrong_variable, replaced_constant, flipped_sign, max_min, dropped_statement, dropped_store, swapped_stride,
        race, short_offset, exponential_mix,
    )
}  # fmt: skip
# In kernels that merge partial results these make mistakes of the log-sum-exp, and are drawn once more there.
MERGE_OPERATORS = (
    "lost_factor", "lost_accumulation", "swapped_operands", "flipped_sign", "max_min", "stale_start", "wrong_variable",
    "exponential_mix",
)  # fmt: skip


def _is_part_of_range(tree: SourceTree, node: ast.AST, *places: int) -> bool:
    parent = tree.parent(node)
    if not isinstance(parent, ast.Call) or called(parent) != "range":
        return False
    arguments = parent.args if len(parent.args) > 1 else [None, *parent.args]
    return any(place < len(arguments) and arguments[place] is node for place in places)


def _is_keyword(tree: SourceTree, node: ast.AST, name: str) -> bool:
    parent = tree.parent(node)
    return isinstance(parent, ast.keyword) and parent.arg == name and called(tree.parent(parent)) in ("load", "store")


def _is_condition(tree: SourceTree, node: ast.AST) -> bool:
    parent = tree.parent(node)
    return isinstance(parent, ast.If | ast.IfExp) and parent.test is node


def _bound_before(tree: SourceTree, function: str, node: ast.AST) -> set[str]:
    body, start = tree.functions[function], tree.span(node)[0]
    names = {argument.arg for argument in ast.walk(body.args) if isinstance(argument, ast.arg)}
    for other in ast.walk(body):
        if isinstance(other, ast.Name) and isinstance(other.ctx, ast.Store) and tree.span(other)[0] < start:
            names.add(other.id)
    return names
