"""Reading what somebody says of a problem in short texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.problems.destination import with_destinations
from kernelwright.problems.draft import (
    Draft,
    DraftOracle,
    Scalar,
    SizedWorkload,
    TensorLine,
    parse_scalar,
    parse_tensor,
    parse_workload,
    sizes_of,
    unique_names,
)
from kernelwright.problems.kernel_file import Function, entry_of, parse_python


@dataclass(frozen=True)
class Wish:
    """What somebody says of a problem, as texts; see `kernelwright init --help` for their forms."""

    name: str
    kernel: str
    oracle: str
    entry: str | None = None
    oracle_entry: str | None = None
    title: str = ""
    tensors: Sequence[str] = ()
    outputs: Sequence[str] = ()
    updated: Sequence[str] = ()
    sizes: Sequence[str] = ()
    hidden: Sequence[str] = ()
    vary: Sequence[str] = ()
    scalars: Sequence[str] = ()
    gates: Mapping[str, float] = field(default_factory=dict)


def draft_of(wish: Wish) -> Draft:
    """Return the draft that a wish describes; raises RequestError naming what is missing and the option to add."""
    tensors = _tensors_of(wish)
    entry, reference = _reference_of(wish, tensors)
    workloads = tuple(map(parse_workload, wish.sizes))
    figures = _figures_of(entry, tensors, workloads, dict(map(parse_scalar, wish.scalars)))
    if not workloads:
        workloads = (SizedWorkload("fixed", {}),)
    hidden = tuple(map(parse_workload, wish.hidden)) or workloads[-1:]
    draft = Draft(
        wish.name, wish.title or f"{wish.name.replace('-', ' ')}, from a kernel file", entry.name, entry.names, tensors,
        figures, workloads, hidden, (), reference, _oracle_of(wish, entry.names), gates=wish.gates,
    )  # fmt: skip
    require_draft(draft)
    return replace(draft, vary=vary_of(wish.vary, draft))


def require_draft(draft: Draft) -> None:
    """Raise RequestError where sizes, bounds or outputs of a draft are missing or make no sense."""
    used = {*draft.sizes, *draft.arguments} - {*draft.scalars, *draft.constants, *draft.tensors}
    required = {*draft.sizes} | {name for name in draft.arguments if name in used}
    for workload in (*draft.workloads, *draft.hidden):
        for name in sorted(required - {*draft.constants} - {*workload.values}):
            shown = " ".join(f"{key}={value}" for key, value in workload.values.items())
            raise RequestError(f'size {name} must have a value in every workload: --size "{shown} {name}=..."')
        unused = sorted(set(workload.values) - used)
        if unused:
            raise RequestError(f"size {unused[0]} must be used by a tensor or an argument, none has it. Leave it out.")
    unique_names(draft.workloads)
    if not draft.outputs:
        raise RequestError('an output must be described: add --output "NAME: bf16[M, N]"')
    for line in draft.tensors.values():
        _require_line(line)
    for name in draft.gates:
        if name not in {line.name for line in draft.outputs}:
            raise UnknownNameError("output of --gate", name, [line.name for line in draft.outputs])


def _tensors_of(wish: Wish) -> dict[str, TensorLine]:
    lines = [
        *(parse_tensor(text, "input") for text in wish.tensors),
        *(parse_tensor(text, "output") for text in wish.outputs),
        *(parse_tensor(text, "inout") for text in wish.updated),
    ]
    found: dict[str, TensorLine] = {}
    for line in lines:
        if line.name in found:
            raise RequestError(f"tensor {line.name} must be described once, it is there twice. Keep one.")
        found[line.name] = line
    return found


def _require_line(line: TensorLine) -> None:
    if line.role == "output" and not line.shape:
        raise RequestError(f'output {line.name} must have a dimension; write --output "{line.name}: {line.dtype}[1]"')
    if line.role != "output" and not line.is_float and line.dtype != "i1" and line.below is None:
        option = "--inout" if line.role == "inout" else "--tensor"
        raise RequestError(f'integers need a bound to be drawn below: {option} "{line} < SIZE"')


def _reference_of(wish: Wish, tensors: Mapping[str, TensorLine]) -> tuple[Function, str]:
    """Return the entry and the text of the reference, changed to take outputs that it would return."""
    entry = entry_of(wish.kernel, wish.entry)
    strange = [line.name for line in tensors.values() if line.name not in entry.names and line.role != "output"]
    if strange:
        raise UnknownNameError(f"argument of {entry.name}", strange[0], entry.names)
    returned = [line.name for line in tensors.values() if line.role == "output" and line.name not in entry.names]
    if not returned:
        return entry, wish.kernel
    changed = with_destinations(wish.kernel, entry.name, returned)
    return entry_of(changed, entry.name), changed


def _figures_of(
    entry: Function, tensors: Mapping[str, TensorLine], workloads: Sequence[SizedWorkload], given: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """Return the scalars that are the same in every workload; raises RequestError for one that nothing gives."""
    free = [name for name in entry.names if name not in tensors]
    for name in given:
        if name not in free:
            raise UnknownNameError(f"scalar argument of {entry.name}", name, free)
    sizes = {name for one in workloads for name in one.values}
    sizes |= {name for line in tensors.values() for name in sizes_of(line)}
    figures = dict(given)
    for parameter in entry.parameters:
        if parameter.name in tensors or parameter.name in figures or parameter.name in sizes:
            continue
        if not parameter.has_default:
            raise RequestError(
                f'argument {parameter.name} of {entry.name} must be described: add --tensor "{parameter.name}: '
                f'bf16[M, N]", --output or --inout for a tensor, --scalar {parameter.name}=1.0 for a number'
            )
        figures[parameter.name] = parameter.default
    return figures


def vary_of(named: Sequence[str], draft: Draft) -> tuple[str, ...]:
    """Return the sizes in which hidden workloads differ: those named, else those that differ between workloads.

    With one workload the first dimension of the first output is taken.
    """
    known = [name for name in draft.sizes if name not in draft.constants]
    for name in named:
        if name not in known:
            raise UnknownNameError("size", name, known)
    if named:
        return tuple(named)
    values = [workload.values for workload in (*draft.workloads, *draft.hidden)]
    differing = tuple(name for name in known if len({one[name] for one in values}) > 1)
    first = draft.outputs[0].shape[0]
    return differing or tuple(name for name in known if name == first)


def _oracle_of(wish: Wish, arguments: Sequence[str]) -> DraftOracle:
    what = "the oracle file"
    tree = parse_python(wish.oracle, what)
    names = {getattr(node, "name", "") for node in tree.body}
    named = wish.oracle_entry or ("oracle" if "oracle" in names else None)
    function = entry_of(wish.oracle, named, what, "--oracle-entry")
    if function.name == "oracle" and function.names == ("inputs",) and "inputs" not in arguments:
        return DraftOracle(wish.oracle)
    for parameter in function.parameters:
        if parameter.name not in arguments and not parameter.has_default:
            raise RequestError(
                f"{function.name} of the oracle file must take arguments of the entry by their names, {parameter.name} "
                f"is none of {', '.join(arguments)}"
            )
    return DraftOracle(wish.oracle, function.name)
