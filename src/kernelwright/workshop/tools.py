"""The tools of an engineer: one table, used in process and by every server that offers them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.protocols import ChipSpec
from kernelwright.workshop.arguments import (
    Arguments,
    DocsArguments,
    EvaluateArguments,
    HistoryArguments,
    NoArguments,
    NotesArguments,
    PollArguments,
    ProfileArguments,
    ReadArguments,
    SourceArguments,
    WriteArguments,
)
from kernelwright.workshop.budget import remaining_view
from kernelwright.workshop.pages import PAGES
from kernelwright.workshop.profile import profile_view
from kernelwright.workshop.view import evaluation_view, verdict_view
from kernelwright.workshop.workbench import Workbench

Answer = Mapping[str, object]
READ_LIMIT = 30_000


@dataclass(frozen=True)
class ToolSpec:
    """One tool: what engineers read of it, what it takes, and what it does."""

    name: str
    description: str
    arguments: type[Arguments]
    function: Callable[[Workbench, Any], Answer]


def call_tool(bench: Workbench, name: str, arguments: Mapping[str, object], client: str = "") -> Answer:
    """Return the JSON object that tool `name` answers, after the record holds the call, and who asked.

    Raises UnknownNameError and RequestError for wrong requests, BudgetSpent when the run is over.
    """
    spec = TOOLS.get(name)
    if spec is None:
        raise UnknownNameError("tool", name, TOOLS)
    try:
        checked = spec.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise _refusal(spec, error, arguments) from None
    return bench.recorder.tool_call(name, checked.model_dump(), lambda: spec.function(bench, checked), client)


def _refusal(spec: ToolSpec, error: ValidationError, arguments: Mapping[str, object]) -> RequestError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UnknownNameError(f"argument of {spec.name}", place, spec.arguments.model_fields)
    shown = repr(arguments.get(place))[:80]
    return RequestError(f"argument {place} of {spec.name}: {first['msg']}, got {shown}")


def _brief(bench: Workbench, _: NoArguments) -> Answer:
    brief = cast(dict[str, object], to_json(bench.brief))
    return {**brief, "chip": to_json(_public(bench.chip)), "remaining": remaining_view(bench.recorder)}


def _public(chip: ChipSpec) -> ChipSpec:
    return replace(chip, facts=tuple(fact for fact in chip.facts if fact[2] != "hidden"))


def _list_files(bench: Workbench, _: NoArguments) -> Answer:
    return {"files": [{"path": name, "size_bytes": bench.files.size_bytes(name)} for name in bench.files.names()]}


def _read_file(bench: Workbench, arguments: ReadArguments) -> Answer:
    text = bench.files.read(arguments.path)
    end = arguments.offset + READ_LIMIT
    return {
        "path": arguments.path,
        "text": text[arguments.offset : end],
        "characters": len(text),
        "next_offset": end if end < len(text) else None,
    }


def _write_file(bench: Workbench, arguments: WriteArguments) -> Answer:
    return {"path": arguments.path, "size_bytes": bench.files.write(arguments.path, arguments.text)}


def _check(bench: Workbench, arguments: SourceArguments) -> Answer:
    return verdict_view(bench.check(Candidate(arguments.source)), _public_names(bench))


def _evaluate(bench: Workbench, arguments: EvaluateArguments) -> Answer:
    def judge() -> Answer:
        found = bench.recorder.evaluate(Candidate(arguments.source), arguments.note)
        return {**evaluation_view(found, _public_names(bench)), "remaining": remaining_view(bench.recorder)}

    return bench.jobs.start(judge, bench.patience_s)


def _poll(bench: Workbench, arguments: PollArguments) -> Answer:
    return bench.jobs.wait(arguments.job, bench.patience_s)


def _probe(bench: Workbench, arguments: SourceArguments) -> Answer:
    return bench.probe(arguments.source)


def _profile(bench: Workbench, arguments: ProfileArguments) -> Answer:
    return profile_view(_evaluation(bench, arguments.evaluation), _public_names(bench))


def _docs(bench: Workbench, arguments: DocsArguments) -> Answer:
    pages = {**PAGES, **bench.pages}
    if arguments.page is None:
        return {"pages": sorted(pages)}
    if arguments.page not in pages:
        raise UnknownNameError("page", arguments.page, pages)
    return {"page": arguments.page, "text": pages[arguments.page][:READ_LIMIT]}


def _notes(bench: Workbench, arguments: NotesArguments) -> Answer:
    if arguments.text is not None:
        bench.recorder.note(arguments.text)
        return {"written": len(arguments.text)}
    newest: list[str] = []
    for text in reversed(bench.recorder.notes()):
        if sum(map(len, newest)) + len(text) > READ_LIMIT:
            break
        newest.insert(0, text)
    return {"notes": newest, "left_out": len(bench.recorder.notes()) - len(newest)}


def _history(bench: Workbench, arguments: HistoryArguments) -> Answer:
    if arguments.evaluation is not None:
        found = _evaluation(bench, arguments.evaluation)
        view = evaluation_view(found, _public_names(bench))
        return {**view, "source": bench.recorder.source(found.candidate_sha256)}
    rows = [_history_row(found) for found in bench.recorder.evaluations()]
    return {"evaluations": rows[-500:], "left_out": max(0, len(rows) - 500)}


def _history_row(found: Evaluation) -> dict[str, object]:
    return {
        "evaluation": found.number,
        "status": found.verdict.status,
        "geomean_speedup": found.verdict.geomean_speedup,
        "is_best": found.is_best,
        "is_redesign": found.is_redesign,
        "note": found.note[:200],
    }


def _submit(bench: Workbench, _: NoArguments) -> Answer:
    best = _best(bench)
    if best is None:
        raise RequestError("submit needs an accepted candidate, none was found yet. Evaluate one first.")
    bench.recorder.submit()
    return {"submitted": best.number, "geomean_speedup": best.verdict.geomean_speedup}


def _public_names(bench: Workbench) -> tuple[str, ...]:
    return (*(workload.name for workload in bench.brief.workloads), *bench.also_public)


def _best(bench: Workbench) -> Evaluation | None:
    best = [found for found in bench.recorder.evaluations() if found.is_best]
    return best[-1] if best else None


def _evaluation(bench: Workbench, number: int | None) -> Evaluation:
    if number is None:
        best = _best(bench)
        if best is None:
            raise RequestError("no candidate was accepted yet. Give the number of an evaluation, or evaluate first.")
        return best
    by_number = {found.number: found for found in bench.recorder.evaluations()}
    if number not in by_number:
        raise RequestError(
            f"evaluation {number} does not exist, there are {len(by_number)}. Call history for the list."
        )
    return by_number[number]


TOOLS: Mapping[str, ToolSpec] = {
    spec.name: spec
    for spec in (
        ToolSpec("brief", "What is asked: text, reference, public workloads, chip, what is left.", NoArguments, _brief),
        ToolSpec("list_files", "Files of the run's folder, with sizes.", NoArguments, _list_files),
        ToolSpec(
            "read_file", f"A file's text, at most {READ_LIMIT} characters from offset.", ReadArguments, _read_file
        ),
        ToolSpec("write_file", "Write a whole text file in the run's folder.", WriteArguments, _write_file),
        ToolSpec(
            "check",
            "Compile a candidate and run small workloads, untimed; costs no evaluation.",
            SourceArguments,
            _check,
        ),
        ToolSpec("evaluate", "Judge a candidate on all workloads; costs one evaluation.", EvaluateArguments, _evaluate),
        ToolSpec("poll", "Go on waiting for an evaluation that evaluate or poll left running.", PollArguments, _poll),
        ToolSpec(
            "probe",
            "Time your own kernels: each function `probe...()` of the file allocates and launches; "
            "answers ns a call, least and median. See docs page 'probe'.",
            SourceArguments,
            _probe,
        ),
        ToolSpec(
            "profile",
            "What limits each public workload of an evaluation, slowest share first.",
            ProfileArguments,
            _profile,
        ),
        ToolSpec("docs", "Pages on rules, tools and kernels.", DocsArguments, _docs),
        ToolSpec("notes", "Add to the notebook, or read it.", NotesArguments, _notes),
        ToolSpec("history", "All evaluations of the run, or one with its source.", HistoryArguments, _history),
        ToolSpec("submit", "Say that the best candidate so far is final; ends the run.", NoArguments, _submit),
    )
}
