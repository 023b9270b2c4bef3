"""Making a problem."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output
from kernelwright.core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelwright.problems.draft import Draft

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

Texts = list[str] | None


def _repeated(option: str, text: str, shown: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(option, help=text, metavar=shown)
    return found


def init(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the problem, and of the folder that is made.")],
    kernel: Annotated[
        Path | None,
        typer.Option(
            "--kernel", metavar="FILE", help="Triton kernels and the function that launches them; a .py file."
        ),
    ] = None,
    oracle: Annotated[
        Path | None,
        typer.Option("--oracle", metavar="FILE.py", help="oracle(inputs), or a torch function of the same arguments."),
    ] = None,
    entry: Annotated[str | None, typer.Option("--entry", help="The function to call [default: the only one].")] = None,
    oracle_entry: Annotated[str | None, typer.Option("--oracle-entry", help="The same in the oracle file.")] = None,
    tensor: Annotated[
        Texts, _repeated("--tensor", 'An input: "x: bf16[M, K]", "i: i64[T] < S". Repeat.', "TEXT")
    ] = None,
    output: Annotated[Texts, _repeated("--output", 'An output: "c: bf16[M, N]". Repeat.', "TEXT")] = None,
    inout: Annotated[Texts, _repeated("--inout", "A tensor that is changed in place. Repeat.", "TEXT")] = None,
    size: Annotated[Texts, _repeated("--size", 'A workload: "M=512 K=256" or "NAME: M=512". Repeat.', "TEXT")] = None,
    hidden: Annotated[
        Texts, _repeated("--hidden", "A hidden workload's size, about [default: the last --size]. Repeat.", "TEXT")
    ] = None,
    vary: Annotated[
        Texts,
        _repeated("--vary", "A size in which hidden workloads differ [default: those that differ]. Repeat.", "SIZE"),
    ] = None,
    scalar: Annotated[Texts, _repeated("--scalar", "A number argument: eps=1e-6. Repeat.", "TEXT")] = None,
    gate: Annotated[
        Texts, _repeated("--gate", "Largest relative L2 error of an output: c=1e-3. Repeat.", "TEXT")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="One line for lists.")] = "",
    flashinfer: Annotated[
        Path | None, typer.Option("--flashinfer", metavar="FILE.json", help="A FlashInfer-Bench definition to import.")
    ] = None,
    workloads: Annotated[
        Path | None, typer.Option("--workloads", metavar="FILE.jsonl", help="Its workloads, instead of --size.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a problem of your own: a folder from a kernel file and an oracle, ready to be judged.

    The oracle is run in this process: only name a file that you trust. With --flashinfer the definition gives
    tensors and oracle, and --kernel takes a solution's JSON too. Nothing is judged, but inputs are made and the
    oracle answers, so that a mistake shows at once.
    """
    from kernelwright.problems.making import make_folder  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.problems.wishes import Wish, draft_of  # noqa: PLC0415

    if not _NAME.fullmatch(name):
        raise RequestError(f"a problem's name must be letters, digits, - and _, got '{name}'")
    if Path(name).exists():
        raise RequestError(f"folder {name} must not exist yet, it does. Choose another name or move it.")
    out = Output(json)
    wish = Wish(
        name, _read(kernel, "--kernel", "a kernel file"), "" if flashinfer else _read(oracle, "--oracle", "an oracle"),
        entry, oracle_entry, title, tensor or (), output or (), inout or (), size or (), hidden or (), vary or (),
        scalar or (), _gates(gate or ()),
    )  # fmt: skip
    if flashinfer is None:
        if workloads is not None:
            raise RequestError("--workloads must come with --flashinfer. Say sizes with --size.")
        drafts: Sequence[Draft] = (draft_of(wish),)
        notes: Sequence[str] = ()
    else:
        from kernelwright.problems.flashinfer import import_definition  # noqa: PLC0415

        if oracle is not None or output or inout:
            raise RequestError(
                "--flashinfer gives oracle and outputs itself. Leave out --oracle, --output and --inout."
            )
        lines = "" if workloads is None else _read(workloads, "--workloads", "a workloads file")
        drafts, notes = import_definition(wish, _read(flashinfer, "--flashinfer", "a definition"), lines)
    for note in notes:
        out.say(note)
    _require_candidate(drafts[0])
    make_folder(Path(name), drafts, out.phase)
    _show(out, drafts[0], notes)


def _show(out: Output, draft: "Draft", notes: "Sequence[str]") -> None:
    command = f"kernelwright judge ./{draft.name} --chip cpu --candidate ./{draft.name}/reference.py"
    value = {
        "problem": f"./{draft.name}",
        "entry": draft.entry,
        "arguments": list(draft.arguments),
        "workloads": [workload.name for workload in draft.workloads],
        "vary": list(draft.vary),
        "notes": list(notes),
    }
    varied = ", ".join(draft.vary) or "nothing but contents"
    out.result(
        value,
        lambda console: console.print(
            f"made {draft.name}: {draft.entry}({', '.join(draft.arguments)}), {len(draft.workloads)} public and "
            f"{len(draft.hidden)} hidden workloads that differ in {varied}",
            soft_wrap=True,
        ),
    )
    out.next(command)


def _require_candidate(draft: "Draft") -> None:
    """Raise RequestError when the judge would refuse the reference at first sight."""
    from kernelwright.sandbox import check_source  # noqa: PLC0415  # lazy

    fault = check_source(draft.reference, draft.entry)
    if fault is not None:
        raise RequestError(f"the kernel file must be one that the judge accepts as a candidate, {fault.reason}")


def _gates(texts: "Sequence[str]") -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, figure = text.partition("=")
        try:
            found[name.strip()] = float(figure)
        except ValueError:
            raise RequestError(f"a gate must be written like c=1e-3, got '{text}'") from None
        if not 0 < found[name.strip()] < 1:
            raise RequestError(f"a gate must lie between 0 and 1, got '{text}'")
    return found


def _read(file: Path | None, option: str, what: str) -> str:
    if file is None:
        raise RequestError(f"{what} must be named: add {option} FILE")
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{what} must be a file that can be read, {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RequestError(f"{what} must be UTF-8 text, {file} is not") from None
