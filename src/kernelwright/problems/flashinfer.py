"""Importing a FlashInfer-Bench definition, its workloads and a solution as a draft.

Source: the schema that the project documents, https://github.com/flashinfer-ai/flashinfer-bench, docs/flashinfer_trace.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernelwright.core.errors import RequestError
from kernelwright.problems.destination import with_destinations
from kernelwright.problems.draft import (
    Draft,
    DraftOracle,
    Scalar,
    SizedWorkload,
    TensorLine,
    TensorRole,
    parse_dtype,
    parse_scalar,
    parse_tensor,
    parse_workload,
)
from kernelwright.problems.flashinfer_records import (
    FlashWorkload,
    array_of,
    kernel_of,
    object_of,
    read_object,
    read_workloads,
    text_of,
)
from kernelwright.problems.folder_texts import elements_of
from kernelwright.problems.kernel_file import entry_of, parse_python
from kernelwright.problems.sizes import names_in, value_of
from kernelwright.problems.wishes import Wish, require_draft, vary_of

# More would make every judgement long; they are taken evenly from the smallest to the largest.
MOST_WORKLOADS = 8
# A reference that rounds on its way is no float64; outputs cannot be held to more than it keeps.
_ROUNDS_TO = {"float": 1e-3, "float32": 1e-3, "half": 1e-2, "float16": 1e-2, "bfloat16": 1e-2}


@dataclass(frozen=True)
class _Definition:
    """What is used of a definition; `fixed` axes have a value, `free` ones get theirs from workloads."""

    name: str
    description: str
    fixed: Mapping[str, int]
    free: tuple[str, ...]
    tensors: Mapping[str, TensorLine]
    inputs: tuple[str, ...]
    reference: str
    constraints: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return the inputs that are no tensors."""
        return tuple(name for name in self.inputs if name not in self.tensors)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return tuple(name for name, line in self.tensors.items() if line.role == "output")


def import_definition(wish: Wish, definition: str, workloads: str) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """Return drafts to try in order, the first with an oracle in float64, and what people should know, a line each.

    `definition` and `workloads` are the texts of the files, `workloads` empty where sizes come from the wish;
    `wish.kernel` is a solution as JSON or a kernel file. Raises RequestError naming what cannot be imported.
    """
    found = _read_definition(definition, wish.tensors)
    entry, reference = _reference_of(wish, found)
    sized, notes = _workloads_of(wish, found, workloads)
    numbers = _numbers_of(wish, found, reference, entry, sized)
    names = entry_of(reference, entry).names
    order = _order_of(names, found)
    draft = Draft(
        wish.name, wish.title or found.description or f"{found.name}, imported from FlashInfer-Bench", entry, order,
        found.tensors, numbers, tuple(sized), tuple(map(parse_workload, wish.hidden)) or (sized[-1],), (), reference,
        DraftOracle(found.reference, "run"), found.fixed, {**_gates_of(found), **wish.gates}, _remarks(found),
    )  # fmt: skip
    _require_constraints(found, draft)
    draft = _with_used_values(draft)
    require_draft(draft)
    draft = replace(_thinned(draft), vary=_varied(wish, found, draft))
    left_out = len(sized) - len(draft.workloads)
    if left_out:
        notes.append(f"{left_out} of {len(sized)} workloads are left out: {MOST_WORKLOADS} are taken, small to large")
    if _casts(found):
        notes.append(f"the reference rounds to {', '.join(_casts(found))} itself; its answers are taken as they are")
    return (draft, replace(draft, oracle=replace(draft.oracle, wide=False))), tuple(notes)


def _read_definition(text: str, overrides: Sequence[str]) -> _Definition:
    value = read_object(text, "the definition")
    if value.get("custom_inputs_entrypoint"):
        raise RequestError(
            "inputs of a custom generator cannot be imported, the definition has custom_inputs_entrypoint"
        )
    axes = object_of(value, "axes", "the definition")
    fixed, free = {}, []
    for name, axis in axes.items():
        kind = axis.get("type") if isinstance(axis, dict) else None
        size = axis.get("value") if isinstance(axis, dict) else None
        if kind == "const" and type(size) is int:
            fixed[name] = size
        elif kind == "var":
            free.append(name)
        else:
            raise RequestError(f"axis {name} of the definition must be const with a value, or var, got {kind}")
    given = {line.name: line for line in (parse_tensor(text, "input") for text in overrides)}
    inputs, tensors = object_of(value, "inputs", "the definition"), {}
    for name, spec in inputs.items():
        line = given.pop(name, None) or _tensor_of(name, spec, "input")
        if line is not None:
            tensors[name] = line
    for name, spec in object_of(value, "outputs", "the definition").items():
        line = _tensor_of(name, spec, "output")
        if line is None:
            raise RequestError(f"output {name} of the definition must be a tensor, it is a number (shape null)")
        tensors[name] = line
    if given:
        raise RequestError(f"--tensor must describe an input of the definition, {next(iter(given))} is none")
    return _Definition(
        text_of(value, "name", "the definition"), str(value.get("description") or ""), fixed, tuple(free), tensors,
        tuple(inputs), _oracle_of(value, inputs), tuple(map(str, array_of(value, "constraints"))),
    )  # fmt: skip


def _oracle_of(definition: Mapping[str, object], inputs: Mapping[str, object]) -> str:
    """Return the text of the reference, whose run takes the inputs by name."""
    reference = text_of(definition, "reference", "the definition")
    names = entry_of(reference, "run", "the definition's reference").names
    if set(names) != set(inputs):
        raise RequestError(
            f"run of the definition's reference must take the inputs {', '.join(inputs)}, it takes {', '.join(names)}"
        )
    return reference


def _tensor_of(name: str, spec: object, role: TensorRole) -> TensorLine | None:
    """Return a tensor, None for a number."""
    if not isinstance(spec, dict) or not isinstance(spec.get("dtype"), str):
        raise RequestError(f"{role} {name} of the definition must give shape and dtype")
    if spec.get("shape") is None:
        return None
    return TensorLine(name, parse_dtype(spec["dtype"]), tuple(str(size) for size in array_of(spec, "shape")), role)


def _reference_of(wish: Wish, definition: _Definition) -> tuple[str, str]:
    """Return name and text of a kernel file that takes inputs, then outputs."""
    source, named = kernel_of(wish.kernel)
    entry = entry_of(source, wish.entry or named)
    count = len(definition.inputs) + len(definition.outputs)
    if len(entry.parameters) >= count or set(definition.outputs) <= set(entry.names):
        return entry.name, source
    return entry.name, with_destinations(source, entry.name, definition.outputs)


def _order_of(names: Sequence[str], definition: _Definition) -> tuple[str, ...]:
    """Return the definition's arguments in the order in which the entry takes them; by place if its names differ."""
    wanted = (*definition.inputs, *definition.outputs)
    if set(wanted) <= set(names):
        return tuple(name for name in names if name in wanted)
    if len(names) != len(wanted):
        raise RequestError(
            f"the kernel must take {', '.join(wanted)}, as the definition says, it takes {', '.join(names)}"
        )
    return wanted


def _workloads_of(wish: Wish, definition: _Definition, text: str) -> tuple[list[SizedWorkload], list[str]]:
    if not text:
        sized = [parse_workload(size) for size in wish.sizes]
        if not sized and definition.free:
            raise RequestError(
                f'axis {definition.free[0]} of the definition must have a value: add --size "'
                f'{" ".join(f"{name}=..." for name in definition.free)}" or --workloads FILE.jsonl'
            )
        return sized or [SizedWorkload("fixed", {})], []
    read = read_workloads(text, definition.name)
    usable = [one for one in read if not one.obstacle]
    notes = []
    if len(usable) < len(read):
        reason = next(one.obstacle for one in read if one.obstacle)
        notes.append(f"{len(read) - len(usable)} of {len(read)} workloads cannot be imported: {reason}")
    if not usable:
        raise RequestError(notes[0] if notes else f"the workloads file holds none of {definition.name}")
    sized = [_sized(number, one, definition) for number, one in enumerate(usable, 1)]
    return sized + [parse_workload(size) for size in wish.sizes], notes


def _sized(number: int, workload: FlashWorkload, definition: _Definition) -> SizedWorkload:
    sizes = {name: workload.axes[name] for name in definition.free if name in workload.axes}
    named = "-".join(f"{name}{value}" for name, value in sizes.items())
    return SizedWorkload(f"{number}-{named}" if named else str(number), {**sizes, **workload.numbers})


def _numbers_of(
    wish: Wish, definition: _Definition, reference: str, entry: str, sized: Sequence[SizedWorkload]
) -> dict[str, Scalar]:
    given = dict(map(parse_scalar, wish.scalars))
    defaults = {p.name: p.default for p in entry_of(reference, entry).parameters if p.has_default}
    for name in definition.numbers:
        if name in given or all(name in workload.values for workload in sized):
            continue
        if name not in defaults:
            raise RequestError(f"number {name} of the definition must have a value: add --scalar {name}=1.0")
        given[name] = defaults[name]
    return given


def _require_constraints(definition: _Definition, draft: Draft) -> None:
    for constraint in definition.constraints:
        if not _is_of_axes(constraint, definition):
            continue
        for workload in draft.workloads:
            if not value_of(constraint, {**definition.fixed, **workload.values}):
                raise RequestError(f"workload {workload.name} must meet the definition's constraint {constraint}")


def _is_of_axes(constraint: str, definition: _Definition) -> bool:
    """Return whether a constraint is on sizes alone; others, on contents, are told and not checked."""
    try:
        return set(names_in(constraint)) <= {*definition.fixed, *definition.free}
    except RequestError:
        return False


def _with_used_values(draft: Draft) -> Draft:
    """Return the draft without axes that no shape has, and without numbers that the command line fixes."""
    used = {*draft.sizes, *draft.arguments} - set(draft.scalars)

    def trimmed(workload: SizedWorkload) -> SizedWorkload:
        return replace(workload, values={name: value for name, value in workload.values.items() if name in used})

    return replace(draft, workloads=tuple(map(trimmed, draft.workloads)), hidden=tuple(map(trimmed, draft.hidden)))


def _thinned(draft: Draft) -> Draft:
    ordered = sorted(draft.workloads, key=lambda workload: elements_of(draft, workload.values))
    if len(ordered) <= MOST_WORKLOADS:
        return draft
    step = (len(ordered) - 1) / (MOST_WORKLOADS - 1)
    return replace(draft, workloads=tuple(ordered[round(step * number)] for number in range(MOST_WORKLOADS)))


def _varied(wish: Wish, definition: _Definition, draft: Draft) -> tuple[str, ...]:
    """Return the sizes that hidden workloads vary; those that a constraint ties to others stay."""
    if wish.vary:
        return vary_of(wish.vary, draft)
    tied = {name for text in definition.constraints for name in re.findall(r"[A-Za-z_]\w*", text)}
    return tuple(name for name in vary_of((), draft) if name not in tied)


def _casts(definition: _Definition) -> list[str]:
    """Return the types, by torch's names, that the reference converts to."""
    words = set()
    for node in ast.walk(parse_python(definition.reference, "the definition's reference")):
        if isinstance(node, ast.Call):
            parts = [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
            words |= {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return sorted(words & set(_ROUNDS_TO))


def _gates_of(definition: _Definition) -> dict[str, float]:
    """Return gates for outputs of 32 bits and more where the reference itself rounds."""
    least = max((_ROUNDS_TO[word] for word in _casts(definition)), default=0.0)
    wide = [line.name for line in definition.tensors.values() if line.role == "output" and line.dtype in ("f32", "f64")]
    narrow = any(line.dtype not in ("f32", "f64") for line in definition.tensors.values() if line.is_float)
    return {name: max(least, 1e-2 if narrow else 0.0) for name in wide if least}


def _remarks(definition: _Definition) -> tuple[str, ...]:
    ties = [f"Holds in every workload: `{text}`." for text in definition.constraints]
    return (f"Imported from the FlashInfer-Bench definition `{definition.name}`.", *ties)
