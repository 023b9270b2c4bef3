"""The files of a problem's folder, as text, from what is known of it."""

import json
from collections.abc import Mapping, Sequence

from kernelwright.problems.draft import Draft, SizedWorkload, TensorLine
from kernelwright.problems.draws import TORCH_DTYPES
from kernelwright.problems.sizes import Number, value_of

PLAIN_ORACLE = "plain_oracle"
# Relative L2 by the narrowest type that a kernel may round to on its way.
_GATES = {1: 5e-2, 2: 1e-2, 4: 1e-4, 8: 1e-10}
_LINE = 100


def files_of(draft: Draft) -> dict[str, str]:
    """Return the text of every file of the folder by its path."""
    smallest = min(draft.workloads, key=lambda workload: elements_of(draft, workload.values))
    files = {
        "problem.toml": problem_text(draft),
        "README.md": readme_text(draft),
        "reference.py": draft.reference,
        "inputs.py": inputs_text(draft),
        "suites/smoke.toml": suite_text("Small, for checks and tests.", [smallest], [smallest]),
        "suites/cpu.toml": suite_text("What a processor is judged on.", draft.workloads, draft.hidden),
    }
    if draft.oracle.function:
        files |= {"oracle.py": oracle_text(draft), f"{PLAIN_ORACLE}.py": draft.oracle.source}
    else:
        files["oracle.py"] = draft.oracle.source
    return files


def elements_of(draft: Draft, values: Mapping[str, Number]) -> int:
    """Return how many elements the tensors of a workload have together."""
    known = {**draft.constants, **values}
    total = 0
    for line in draft.tensors.values():
        count = 1
        for size in line.shape:
            count *= value_of(size, known)
        total += count
    return total


def problem_text(draft: Draft) -> str:
    """Return problem.toml."""
    vary = f"vary = {_array(draft.vary)}\n" if draft.vary else ""
    head = f"name = {_text(draft.name)}\ntitle = {_text(draft.title)}\nentry = {_text(draft.entry)}\n{vary}"
    return head + "".join(_output_text(draft, line) for line in draft.outputs)


def suite_text(comment: str, public: Sequence[SizedWorkload], hidden: Sequence[SizedWorkload]) -> str:
    """Return a suite's file; hidden workloads are templates, whose sizes are drawn anew for each run."""
    blocks = [_workload_text("workload", one.name, one.values) for one in public]
    blocks += [_workload_text("hidden", f"hidden-{number}", one.values) for number, one in enumerate(hidden, 1)]
    return f"# {comment}\n" + "".join(blocks)


def inputs_text(draft: Draft) -> str:
    """Return inputs.py."""
    arguments = "".join(f"        {json.dumps(name)}: {_value_text(draft, name)},\n" for name in draft.arguments)
    draws = [word for word in ("integers", "normal", "scaled_rows", "torch_dtype") if f"{word}(" in arguments]
    torch_line = "import torch\n" if "torch." in arguments else ""
    body = _sizes_text(draft)
    return (
        f'"""Inputs of {draft.name}."""\n\n'
        "from collections.abc import Mapping\nfrom typing import Any\n\n"
        f"import numpy as np\n{torch_line}\n"
        "from kernelwright.problems.contract import Value\n"
        f"from kernelwright.problems.draws import {', '.join(draws)}\n\n\n"
        "def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:\n"
        '    """Return the arguments in order: rows of very different size, so that a wrong one shows."""\n'
        f"{body}    return {{\n{arguments}    }}\n"
    )


def oracle_text(draft: Draft) -> str:
    """Return the oracle.py that calls a plain function."""
    function, outputs = draft.oracle.function, tuple(line.name for line in draft.outputs if line.role == "output")
    updated = tuple(line.name for line in draft.outputs if line.role == "inout")
    options = f", updated={_tuple(updated)}" if updated else ""
    how = "in float64" if draft.oracle.wide else "as they are: it does not take float64"
    wide = "" if draft.oracle.wide else ", wide=False"
    return (
        f'"""The oracle: {function} of {PLAIN_ORACLE}.py, which gets the inputs {how}."""\n\n'
        "from collections.abc import Mapping\n\n"
        "from kernelwright.problems.contract import Answers, Value\n"
        "from kernelwright.problems.plain import answers_of\n\n"
        f"from .{PLAIN_ORACLE} import {function}{' as plain' if function == 'oracle' else ''}\n\n\n"
        "def oracle(inputs: Mapping[str, Value]) -> Answers:\n"
        '    """Return the answers by output."""\n'
        f"    return answers_of({'plain' if function == 'oracle' else function}, inputs, outputs={_tuple(outputs)}"
        f"{options}{wide})\n"
    )


def readme_text(draft: Draft) -> str:
    """Return README.md, which engineers are shown: arguments and gates."""
    title = draft.title if draft.title.endswith(".") else f"{draft.title}."
    rows = "".join(f"| `{name}` | {_described(draft, name)} |\n" for name in draft.arguments)
    gates = "".join(f"- `{line.name}`: {gate_words(draft, line)}\n" for line in draft.outputs)
    remarks = "".join(f"\n{remark}\n" for remark in draft.remarks)
    varied = f" in {', '.join(f'`{name}`' for name in draft.vary)}" if draft.vary else " in nothing but contents"
    return (
        f"# {draft.name}\n\n{title}\n\n"
        f"Entry: `{draft.entry}({', '.join(draft.arguments)})`. All tensors are contiguous.\n\n"
        f"| argument | is |\n| --- | --- |\n{rows}{remarks}\n"
        f"Gates, against the oracle in float64:\n\n{gates}\n"
        "A candidate may also be at most four times as far off as the reference plus 2e-3. Hidden workloads "
        f"differ from the public ones{varied}.\n"
    )


def gate_of(draft: Draft, line: TensorLine) -> tuple[str, float]:
    """Return kind and gate of an output: codes for 8-bit floats, exact for integers, else by the types around."""
    if not line.is_float:
        return "exact", 0.0
    if TORCH_DTYPES[line.dtype].itemsize == 1:
        return "codes", 0.01
    narrowest = min(TORCH_DTYPES[one.dtype].itemsize for one in draft.tensors.values() if one.is_float)
    return "values", draft.gates.get(line.name, _GATES[narrowest])


def gate_words(draft: Draft, line: TensorLine) -> str:
    """Return an output's gate in words."""
    kind, gate = gate_of(draft, line)
    if kind == "exact":
        return "every element equal"
    if kind == "codes":
        return f"at most {gate:.0%} of the elements differ from the rounded answer, none by more than one step"
    return (
        f"relative L2 error at most {gate:g}, the worst element of a row at most {8 * gate:g} of the row's root mean "
        "square"
    )


def _output_text(draft: Draft, line: TensorLine) -> str:
    kind, gate = gate_of(draft, line)
    axes = line.shape if len(set(line.shape)) == len(line.shape) else tuple(f"axis{i}" for i in range(len(line.shape)))
    rule = f"gate = {gate!r}\n" if kind == "values" else f'kind = "{kind}"\n'
    role = f'role = "{line.role}"\n' if line.role == "inout" else ""
    return f"\n[outputs.{line.name}]\naxes = {_array(axes)}\n{rule}{role}"


def _workload_text(key: str, name: str, values: Mapping[str, Number]) -> str:
    lines = "".join(f"{size} = {json.dumps(value)}\n" for size, value in values.items())
    return f'\n[[{key}]]\nname = {_text(name)}\nregime = "all"\n{lines}'


def _sizes_text(draft: Draft) -> str:
    fixed = [name for name in draft.sizes if name in draft.constants]
    free = [name for name in draft.sizes if name not in draft.constants]
    lines = "".join(f"    {name} = {draft.constants[name]}\n" for name in fixed)
    joined = f"    {', '.join(free)} = {', '.join(_param(name) for name in free)}\n"
    if free and len(joined) > _LINE:
        return lines + "".join(f"    {name} = {_param(name)}\n" for name in free)
    return lines + (joined if free else "")


def _value_text(draft: Draft, name: str) -> str:
    line = draft.tensors.get(name)
    if line is None:
        return repr(draft.scalars[name]) if name in draft.scalars else _scalar_source(draft, name)
    shape = _shape(line.shape)
    if line.role == "output":
        return f"torch.empty({shape}, dtype=torch_dtype({json.dumps(line.dtype)}))"
    if not line.is_float:
        below = line.below or "2"
        return f"integers(rng, {shape}, {below}, {json.dumps(line.dtype)})"
    draw = "scaled_rows" if len(line.shape) > 1 else "normal"
    return f"{draw}(rng, {shape}, {json.dumps(line.dtype)})"


def _scalar_source(draft: Draft, name: str) -> str:
    return str(draft.constants[name]) if name in draft.constants else _param(name)


def _described(draft: Draft, name: str) -> str:
    line = draft.tensors.get(name)
    if line is None:
        return repr(draft.scalars[name]) if name in draft.scalars else "a number, by workload"
    roles = {"input": "", "output": ", written", "inout": ", changed in place"}
    bound = f", from 0 to {line.below} - 1" if line.below else ""
    sizes = ", ".join(f"{size} = {draft.constants[size]}" if size in draft.constants else size for size in line.shape)
    return f"{line.dtype} [{sizes}]{bound}{roles[line.role]}"


def _shape(sizes: Sequence[str]) -> str:
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _param(name: str) -> str:
    return f'params["{name}"]'


def _tuple(names: Sequence[str]) -> str:
    return _shape([json.dumps(name) for name in names])


def _array(names: Sequence[str]) -> str:
    return f"[{', '.join(_text(name) for name in names)}]"


def _text(value: str) -> str:
    # JSON strings are TOML strings too; the one character they differ in is named.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
