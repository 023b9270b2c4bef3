"""A kernel's entry function to one LLVM module: a function that runs a range of programs."""

from dataclasses import dataclass, field
from typing import cast

from kernelwright.compiler.codegen.analysis import LAZY, Facts
from kernelwright.compiler.codegen.control import Control
from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.journal import Journal
from kernelwright.compiler.codegen.layout import Layout
from kernelwright.compiler.codegen.lowering import NOTHING_TO_DO, Lowering
from kernelwright.compiler.codegen.reports import add_reports, has_asserts
from kernelwright.compiler.codegen.scaled import SCALED_DOT, rewrite_scaled_dots
from kernelwright.compiler.codegen.scratch import Scratch
from kernelwright.compiler.codegen.streams import streamed_arguments
from kernelwright.compiler.codegen.text import FunctionText, Reg, TextBlock, llvm_type
from kernelwright.compiler.features import HostFeatures
from kernelwright.compiler.ir import Function, Location, Module, Op, Region
from kernelwright.compiler.limits import check_llvm, deep_recursion
from kernelwright.compiler.options import CompileOptions

GRID_SLOTS = 3
PROGRAM_OPS = ("tt.get_program_id", "tt.get_num_programs")
BODY_NAME = "kw_body"


@dataclass(frozen=True)
class Generated:
    """LLVM IR text of `kw_body`, and what the launcher must know."""

    name: str
    llvm_ir: str
    arg_types: tuple[str, ...]
    scratch_bytes: int
    locations: dict[int, Location]
    # Messages of assertions by op number; not empty if a launch needs a fault record without being checked.
    assertions: dict[int, str]
    # The argument that an op's pointer comes from, by op number.
    arguments: dict[int, int]
    journal: Journal = field(default_factory=Journal, repr=False)
    layout: Layout | None = field(default=None, repr=False)


def generate(module: Module, features: HostFeatures, options: CompileOptions) -> Generated:
    """Return the code of a kernel for a processor with `features`."""
    with deep_recursion():
        return _generated(module.entry, features, options)


def _generated(function: Function, features: HostFeatures, options: CompileOptions) -> Generated:
    rewrite_scaled_dots(function)
    header = f"define i32 @{BODY_NAME}(ptr %args, i64 %first, i64 %last, ptr noalias %scratch)"
    text = FunctionText(header)
    facts = Facts(function)
    evaluator = Evaluator(text, facts, features, options.checked, options.races)
    if options.streaming:
        evaluator.streamed = streamed_arguments(function, facts)
    scratch = Scratch(text)
    layout = Layout(function, facts)
    lowering = Lowering(evaluator, facts, layout, scratch, options.noalias)
    add_reports(lowering, options.heard)
    _write_arguments(evaluator, function, options.checked, options.heard and has_asserts(function))
    finish = _write_programs(evaluator, lowering, function)
    if "past caches" in text.globals and features.arch == "x86_64":
        # Such stores are not ordered with others: whoever waits for the launch must see them.
        text.declare("llvm.x86.sse.sfence", "declare void @llvm.x86.sse.sfence()")
        finish.lines.append("call void @llvm.x86.sse.sfence()")
    llvm_ir = "\n".join([*text.globals.values(), *text.declares.values(), text.render_parts(), text.render()]) + "\n"
    check_llvm(len(llvm_ir))
    locations = {number: op.location for op, number in evaluator.op_numbers.items()}
    bases = {number: facts.base_argument(op.operands[0]) for op, number in evaluator.op_numbers.items()}
    arguments = {number: function.args.index(base) for number, base in bases.items() if base is not None}
    return Generated(
        function.name,
        llvm_ir,
        tuple(element_name(arg) for arg in function.args),
        scratch.size_bytes,
        locations,
        {n: str(op.attrs["message"]) for op, n in evaluator.op_numbers.items() if op.name == "tt.assert"},
        arguments,
        text.journal,
        layout,
    )


def _slot(text: FunctionText, element: str, number: int, name: str) -> Reg:
    place = text.new_name("p")
    text.prologue(place, "ptr", f"getelementptr i64, ptr %args, i64 {number}")
    text.prologue(name, llvm_type(element, 0), f"load {llvm_type(element, 0)}, ptr {place}")
    return Reg(element, 0, name)


def _write_arguments(e: Evaluator, function: Function, checked: bool, asserts: bool) -> None:
    for axis in range(GRID_SLOTS):
        _slot(e.f, "i64", axis, f"%grid{axis}")
    number = GRID_SLOTS
    for value in function.args:
        element = element_name(value)
        if element == "i1":
            wide = _slot(e.f, "i64", number, f"%arg{number}w")
            e.f.prologue(f"%arg{number}", "i1", f"icmp ne i64 {wide.text}, 0")
            e.scalars[value] = Reg("i1", 0, f"%arg{number}")
        else:
            e.scalars[value] = _slot(e.f, element, number, f"%arg{number}")
        number += 1
    if not checked:
        if asserts:
            _slot(e.f, "ptr", number, "%fault_record")
        return
    _slot(e.f, "ptr", number, "%ranges")
    _slot(e.f, "i64", number + 1, "%range_count")
    _slot(e.f, "ptr", number + 2, "%fault_record")
    if e.memory.races:
        _slot(e.f, "ptr", number + 3, "%trace")
    for value in function.args:
        if element_name(value) == "ptr":
            e.bounds[value] = e.memory.bounds_at(e.k.convert("ptrtoint", e.scalars[value], "i64"))


def _write_programs(e: Evaluator, lowering: Lowering, function: Function) -> TextBlock:
    """Write the loop over programs; return the block that ends it."""
    f = e.f
    counter = f.alloca("i64", "program")
    f.line(f"store i64 %first, ptr {counter}")
    head, body, finish, following = (f.new_block(hint) for hint in ("programs", "program", "finish", "next"))
    f.jump(head)
    f.line(f"%turn = load i64, ptr {counter}")
    more = f.emit("i1", 0, "icmp slt i64 %turn, %last", 0)
    f.branch(more, body, finish)
    finish.end = "ret i32 0"
    following.lines.append("%following = add nsw i64 %turn, 1")
    following.lines.append(f"store i64 %following, ptr {counter}")
    following.end = f"br label %{head.name}"
    f.places[-1] = body
    # Traced programs may run in another order than that of their numbers.
    f.line("%program = " + ("call i64 @kw_begin(ptr %trace, i64 %turn)" if e.memory.races else "add i64 %turn, 0"))
    axes = []
    f.line("%px = urem i64 %program, %grid0")
    f.line("%pr = udiv i64 %program, %grid0")
    f.line("%py = urem i64 %pr, %grid1")
    f.line("%pz = udiv i64 %pr, %grid1")
    for name in ("%px", "%py", "%pz"):
        axes.append(f.emit("i32", 0, f"trunc i64 {name} to i32", 0))
    counts = [f.emit("i32", 0, f"trunc i64 %grid{axis} to i32", 0) for axis in range(GRID_SLOTS)]

    def read_axis(op: Op) -> None:
        source = axes if op.name == "tt.get_program_id" else counts
        e.scalars[op.result] = source[cast(int, op.attrs["axis"])]

    lowering.handlers |= dict.fromkeys(PROGRAM_OPS, read_axis)
    Control(lowering, following).write_function(function)
    return finish


def covered_ops(features: HostFeatures) -> frozenset[str]:
    """Return the ops that code is generated for, from the tables that do it; ends of blocks come with what they end."""
    nothing = Function("", [], [], Region([]), [], is_public=True)
    text, facts = FunctionText(""), Facts(nothing)
    evaluator = Evaluator(text, facts, features, checked=False)
    lowering = Lowering(evaluator, facts, Layout(nothing, facts), Scratch(text), noalias=False)
    add_reports(lowering, is_heard=True)
    Control(lowering, text.new_block("next"))
    return frozenset({*lowering.handlers, *LAZY, *NOTHING_TO_DO, *PROGRAM_OPS, SCALED_DOT, "ub.poison"})
