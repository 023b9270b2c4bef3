"""The tools of an engineer: one table, used in process and by every server that offers them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.entry import canonical_json
from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.protocols import ChipSpec
from kernelwright.core.recall import Recall
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
from kernelwright.workshop.docs import docs_found, docs_list, docs_text, require_one
from kernelwright.workshop.pages import PAGES
from kernelwright.workshop.profile import profile_view, told_in_full
from kernelwright.workshop.view import evaluation_view, verdict_view
from kernelwright.workshop.workbench import Workbench

Answer = Mapping[str, object]
READ_LIMIT = 30_000


@dataclass(frozen=True)
class ToolSpec:
    """One tool: what engineers read of it, what it takes, and what it does.

    `is_read_only`: it changes nothing but the record of calls. `is_idempotent`: made twice in turn it does no more than
    made once. `is_destructive`: what was there before is gone. `uses_chip`: it may take minutes, and such calls wait
    for each other.
    """

    name: str
    description: str
    arguments: type[Arguments]
    function: Callable[[Workbench, Any], Answer]
    is_read_only: bool = False
    is_idempotent: bool = True
    is_destructive: bool = False
    uses_chip: bool = False


def call_tool(bench: Workbench, name: str, arguments: Mapping[str, object], client: str = "") -> Answer:
    """Return the JSON object that tool `name` answers, after the record holds the call, and who asked.

    Raises UnknownNameError and RequestError for wrong requests, BudgetSpent when the run is over.
    """
    spec = TOOLS.get(name)
    if spec is None:
        raise UnknownNameError("tool", name, TOOLS)
    checked = checked_arguments(spec, arguments)
    return bench.recorder.tool_call(name, checked.model_dump(), lambda: spec.function(bench, checked), client)


def checked_arguments(spec: ToolSpec, arguments: Mapping[str, object]) -> Arguments:
    """Return the arguments of a call of `spec`; raises RequestError for wrong ones, in one line."""
    try:
        return spec.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise _refusal(spec, error, arguments) from None


def _refusal(spec: ToolSpec, error: ValidationError, arguments: Mapping[str, object]) -> RequestError:
    # A wrong name explains what is missing better than what is missing does.
    first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UnknownNameError(f"argument of {spec.name}", place, spec.arguments.model_fields)
    shown = repr(arguments.get(place))[:80]
    return RequestError(f"argument {place} of {spec.name}: {first['msg']}, got {shown}")


def _brief(bench: Workbench, _: NoArguments) -> Answer:
    brief = cast(dict[str, object], to_json(bench.brief))
    return {**brief, "chip": to_json(_public(bench.chip)), "remaining": remaining_view(bench.recorder)}


def recall(bench: Workbench, after: int, client: str) -> Recall:
    """Return what the record holds for the engineer of that name, of evaluations those numbered above `after`."""
    names, best = _public_names(bench), _best(bench)
    return Recall(
        _brief(bench, NoArguments()),
        tuple(evaluation_view(found, names) for found in bench.recorder.evaluations()[after:]),
        bench.recorder.source(best.candidate_sha256) if best else "",
        bench.recorder.notes(),
        bench.recorder.summary(client),
    )


def _public(chip: ChipSpec) -> ChipSpec:
    return replace(chip, facts=tuple(fact for fact in chip.facts if fact[2] != "hidden"))


def _list_files(bench: Workbench, _: NoArguments) -> Answer:
    return {"files": [{"path": name, "size_bytes": bench.files.size_bytes(name)} for name in bench.files.names()]}


def _read_file(bench: Workbench, arguments: ReadArguments) -> Answer:
    return {"path": arguments.path, **_part(bench.files.read(arguments.path), arguments.offset)}


def _part(text: str, offset: int) -> dict[str, object]:
    end = offset + READ_LIMIT
    return {
        "text": text[offset:end],
        "characters": len(text),
        "next_offset": end if end < len(text) else None,
    }


def _write_file(bench: Workbench, arguments: WriteArguments) -> Answer:
    return {"path": arguments.path, "size_bytes": bench.files.write(arguments.path, arguments.text)}


def _check(bench: Workbench, arguments: SourceArguments) -> Answer:
    with bench.chip_in_use:
        verdict = bench.check(Candidate(arguments.source))
    return verdict_view(verdict, _public_names(bench))


def _evaluate(bench: Workbench, arguments: EvaluateArguments) -> Answer:
    with bench.chip_in_use:
        found = bench.recorder.evaluate(Candidate(arguments.source), arguments.note)
    return {**evaluation_view(found, _public_names(bench)), "remaining": remaining_view(bench.recorder)}


def _poll(_: Workbench, arguments: PollArguments) -> Answer:
    # In process every answer is ready and whole; a server of the tools has jobs, and answers this one itself.
    raise unknown_job(arguments.job)


def unknown_job(job: str) -> RequestError:
    """Return what to say of a job that nobody knows here, perhaps of a process that has ended."""
    return RequestError(
        f"job '{job}' is not known here. Call history for what was evaluated, or make the call again: "
        "a source that was evaluated is answered from the record."
    )


def _probe(bench: Workbench, arguments: SourceArguments) -> Answer:
    with bench.chip_in_use:
        return bench.probe(arguments.source)


def _profile(bench: Workbench, arguments: ProfileArguments) -> Answer:
    found = _evaluation(bench, arguments.evaluation)
    view = profile_view(found, _public_names(bench), arguments.workload)
    counters, rows = bench.counters, cast(list[dict[str, object]], view["workloads"])
    if counters is None:
        return view
    candidate = Candidate(bench.recorder.source(found.candidate_sha256))
    with bench.chip_in_use:
        told = counters(candidate, told_in_full(rows))
    return {**view, "workloads": [{**row, **told.get(str(row["name"]), {})} for row in rows]}


def _docs(bench: Workbench, arguments: DocsArguments) -> Answer:
    pages = {**PAGES, **bench.pages}
    require_one(arguments)
    if arguments.query is not None:
        return docs_found(pages, bench.language, arguments.query)
    if arguments.page is None:
        return docs_list(pages)
    return {"page": arguments.page, **_part(docs_text(pages, bench.language, arguments.page), arguments.offset)}


def _notes(bench: Workbench, arguments: NotesArguments) -> Answer:
    if arguments.text is not None:
        bench.recorder.note(arguments.text)
        return {"written": len(arguments.text)}
    return _newest("notes", bench.recorder.notes(), arguments.offset)


def _newest(what: str, items: Sequence[object], offset: int) -> dict[str, object]:
    """Return the newest items that fit an answer, oldest first, after leaving out `offset` newer ones."""
    chosen: list[object] = []
    characters = 0
    for item in reversed(items[: max(0, len(items) - offset)]):
        characters += len(item if isinstance(item, str) else canonical_json(item))
        if chosen and characters > READ_LIMIT:
            break
        chosen.insert(0, item)
    shown = min(offset, len(items)) + len(chosen)
    return {what: chosen, "left_out": len(items) - len(chosen), "next_offset": shown if shown < len(items) else None}


def _history(bench: Workbench, arguments: HistoryArguments) -> Answer:
    if arguments.evaluation is not None:
        found = _evaluation(bench, arguments.evaluation)
        view = evaluation_view(found, _public_names(bench))
        return {**view, "source": bench.recorder.source(found.candidate_sha256)}
    return _newest("evaluations", [_history_row(e) for e in bench.recorder.evaluations()], arguments.offset)


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
        raise RequestError("submit needs a candidate that beats the reference, none was found yet. Evaluate one first.")
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
            raise RequestError(
                "no candidate beats the reference yet. Give the number of an evaluation, or evaluate first."
            )
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
        ToolSpec(
            "brief", "What is asked: text, reference, public workloads, chip, what is left.", NoArguments, _brief,
            is_read_only=True,
        ),
        ToolSpec("list_files", "Files of the run's folder, with sizes.", NoArguments, _list_files, is_read_only=True),
        ToolSpec(
            "read_file", f"A file's text, at most {READ_LIMIT} characters from offset.", ReadArguments, _read_file,
            is_read_only=True,
        ),
        ToolSpec(
            "write_file", "Write a whole text file in the run's folder.", WriteArguments, _write_file,
            is_destructive=True,
        ),
        ToolSpec(
            "check", "Compile a candidate and run small workloads, untimed; costs no evaluation.", SourceArguments,
            _check, is_read_only=True, uses_chip=True,
        ),
        ToolSpec(
            "evaluate", "Judge a candidate on all workloads; costs one evaluation.", EvaluateArguments, _evaluate,
            uses_chip=True,
        ),
        ToolSpec(
            "poll", "Go on waiting for a call that was answered with a job, or read on in an answer that was cut.",
            PollArguments, _poll, is_read_only=True,
        ),
        ToolSpec(
            "probe",
            "Time your own kernels: each function `probe...()` of the file allocates and launches; "
            "answers ns a call, least and median. See docs page 'probe'.",
            SourceArguments, _probe, is_read_only=True, uses_chip=True,
        ),
        ToolSpec(
            "profile",
            "What limits each public workload of an evaluation, slowest share first; on an emulated chip with counters "
            "of the first three, or of the one you name.",
            ProfileArguments, _profile, is_read_only=True, uses_chip=True,
        ),
        ToolSpec(
            "docs", "Pages on rules, tools and kernels, and the functions of Triton's language; query searches all.",
            DocsArguments, _docs, is_read_only=True,
        ),
        ToolSpec("notes", "Add to the notebook, or read it.", NotesArguments, _notes, is_idempotent=False),
        ToolSpec(
            "history", "All evaluations of the run, or one with its source.", HistoryArguments, _history,
            is_read_only=True,
        ),
        ToolSpec(
            "submit", "Say that the best candidate so far is final; ends the run.", NoArguments, _submit,
            is_destructive=True,
        ),
    )
}  # fmt: skip
