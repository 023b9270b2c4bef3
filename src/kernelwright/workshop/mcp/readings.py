"""What clients may read beside the tools: the brief as a prompt to begin with, and resources of the run."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from kernelwright.core.errors import KernelwrightError, UnknownNameError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.workshop.mcp.answers import PAGE_TOKENS, Answer, format_answer, page_end
from kernelwright.workshop.mcp.texts import START, START_TITLE

Context = ServerRequestContext[dict[str, object], object]
# Arguments: who asks, and a tool without arguments; returns its answer, None if that takes too long.
Ask = Callable[[Context, str], Awaitable[Answer | None]]
State = Callable[[], Mapping[str, object] | None]

PROMPT = "start"
NOT_READY = "The run is still being opened. Call the tool {tool} for it, and poll while it answers with a job."
STILL_OPEN = {"state": "open", "advice": "the run goes on; its final report comes when it is closed"}


@dataclass(frozen=True)
class Reading:
    """A resource: `tool` is the call that answers it, None for the run's state; `form` makes text of the answer."""

    uri: str
    name: str
    description: str
    mime_type: str
    tool: str | None
    form: Callable[[Answer], str]


def format_brief(answer: Answer) -> str:
    """Return the brief as Markdown: task, reference, public workloads, what is known of the chip, what is left."""
    if "text" not in answer:
        return format_answer(answer)
    workloads = cast(list[Mapping[str, object]], answer["workloads"])
    listed = "\n".join(f"- {w['name']} ({w['regime']}): {json.dumps(w['params'])}" for w in workloads)
    return (
        f"{str(answer['text']).rstrip()}\n\n"
        f"## Entry function\n\n`{answer['entry']}`\n\n## Public workloads\n\n{listed}\n\n"
        f"## Chip\n\n{json.dumps(answer['chip'])}\n\n## Left of the budget\n\n{json.dumps(answer['remaining'])}\n\n"
        f"## Reference\n\n```python\n{str(answer['reference']).rstrip()}\n```\n"
    )


def format_notes(answer: Answer) -> str:
    """Return the newest notes as text, oldest of them first."""
    if "notes" not in answer:
        return format_answer(answer)
    older = f"({answer['left_out']} older notes: call notes with offset)\n\n" if answer["left_out"] else ""
    return older + ("\n\n".join(cast(list[str], answer["notes"])) or "(nothing is written in the notebook yet)")


READINGS: Mapping[str, Reading] = {
    reading.uri: reading
    for reading in (
        Reading("kernelwright://brief", "brief", "What is asked.", "text/markdown", "brief", format_brief),
        Reading("kernelwright://notebook", "notebook", "Newest notes of the run.", "text/plain", "notes", format_notes),
        Reading(
            "kernelwright://history", "history", "Evaluations so far.", "application/json", "history", format_answer
        ),
        Reading("kernelwright://report", "report", "State, and final result.", "application/json", None, format_answer),
    )
}


class Readings:
    """Handlers of the SDK for prompts and resources; what they read of the run is a call of a tool, and recorded."""

    def __init__(self, ask: Ask, state: State) -> None:
        self._ask, self._state = ask, state

    async def list_resources(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Return the resources."""
        found = [
            types.Resource(uri=r.uri, name=r.name, description=r.description, mime_type=r.mime_type)
            for r in READINGS.values()
        ]
        return types.ListResourcesResult(resources=found)

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Return one resource, cut where it is longer than a page; raises MCPError for unknown ones."""
        if params.uri not in READINGS:
            raise MCPError(types.INVALID_PARAMS, str(UnknownNameError("resource", params.uri, READINGS)))
        reading = READINGS[params.uri]
        text = await self._text(context, reading)
        end = page_end(text, 0, PAGE_TOKENS)
        if end < len(text):
            text = f"{text[:end]}\n(cut; the tool {reading.tool or 'history'} has all of it)"
        contents = types.TextResourceContents(uri=params.uri, mime_type=reading.mime_type, text=text)
        return types.ReadResourceResult(contents=[contents])

    async def list_prompts(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """Return the one prompt."""
        return types.ListPromptsResult(prompts=[types.Prompt(name=PROMPT, title=START_TITLE, description=START_TITLE)])

    async def prompt(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Return the prompt to begin with, the brief in it."""
        if params.name != PROMPT:
            raise MCPError(types.INVALID_PARAMS, str(UnknownNameError("prompt", params.name, [PROMPT])))
        text = START.format(brief=await self._text(context, READINGS["kernelwright://brief"]))
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=START_TITLE, messages=[message])

    async def _text(self, context: Context, reading: Reading) -> str:
        if reading.tool is None:
            return reading.form(self._state() or STILL_OPEN)
        try:
            answer = await self._ask(context, reading.tool)
        except (BudgetSpent, KernelwrightError) as error:
            raise MCPError(types.INTERNAL_ERROR, " ".join(str(error).split())) from None
        return NOT_READY.format(tool=reading.tool) if answer is None else reading.form(answer)
