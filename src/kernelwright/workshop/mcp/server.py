"""The table of tools as an MCP server: one definition, whoever serves the calls and over whatever transport."""

import asyncio
import concurrent.futures
import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from kernelwright import __version__
from kernelwright.core.errors import KernelwrightError, RequestError, UnknownNameError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.workshop.arguments import PollArguments
from kernelwright.workshop.mcp.answers import Answer, format_answer, page_of
from kernelwright.workshop.mcp.jobs import Caller, Job, Jobs
from kernelwright.workshop.mcp.texts import INSTRUCTIONS
from kernelwright.workshop.tools import TOOLS, ToolSpec, checked_arguments

Context = ServerRequestContext[dict[str, object], object]

# Clients give up after 60 s and more; a call that is not done by then is answered with a job.
PATIENCE_S = 45.0
PROGRESS_S = 5.0
_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class ToolServer:
    """Serves `call` to MCP clients, see `sdk_server`; state is that of the process, sessions may come and go.

    A call that takes longer than `patience_s` is answered with a job. `doing` says in a few words what goes on now;
    clients that wait are told every `progress_s`.
    """

    call: Caller
    patience_s: float = PATIENCE_S
    doing: Callable[[], str] = lambda: ""
    progress_s: float = PROGRESS_S
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jobs", Jobs(self.call))

    def sdk_server(self) -> Server[dict[str, object]]:
        """Return a server of the SDK, to be run on a transport."""
        return Server(
            "kernelwright",
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def answer(self, context: Context, name: str, arguments: Mapping[str, object]) -> str:
        """Return the JSON text that a call is answered with: the answer, a page of it, or its job.

        Raises RequestError for wrong requests, BudgetSpent when the run is over.
        """
        if name not in TOOLS:
            raise UnknownNameError("tool", name, TOOLS)
        _require_text(arguments)
        checked = checked_arguments(TOOLS[name], arguments)
        if isinstance(checked, PollArguments):
            return await self._settled(context, self.jobs.find(checked.job), checked.offset)
        return await self._settled(context, self.jobs.start(name, arguments, client_name(context)), 0)

    async def _settled(self, context: Context, job: Job, offset: int) -> str:
        began_s = time.monotonic()
        done = _done_event(job.future)
        while not job.future.done() and (left_s := began_s + self.patience_s - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), min(self.progress_s, left_s))
            if not job.future.done():
                waited_s = round(time.monotonic() - began_s)
                await context.session.report_progress(waited_s, None, self.doing() or "running")
        if not job.future.done():
            doing = {"doing": self.doing()} if self.doing() else {}
            return page_of({"job": job.id, "state": "running", **doing}, job.id)
        return page_of(job.future.result(), job.id, offset)

    async def _list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(spec) for spec in TOOLS.values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            text = await self.answer(context, params.name, params.arguments or {})
        except BudgetSpent as spent:
            return _told(f"the run is over: {spent}. Nothing more can be called.", is_error=True)
        except KernelwrightError as error:
            return _told(_one_line(str(error)), is_error=True)
        except Exception as error:  # a client that hears of it can go on, a broken connection cannot
            return _told(_one_line(f"a fault of kernelwright, {type(error).__name__}: {error}"), is_error=True)
        return _told(text)


def _done_event(future: concurrent.futures.Future[Answer]) -> asyncio.Event:
    """Return an event of this loop that is set when `future` is done; whoever stops waiting does not stop the call."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
            loop.call_soon_threadsafe(event.set)

    future.add_done_callback(tell)
    return event


def _require_text(arguments: Mapping[str, object]) -> None:
    try:
        format_answer(arguments).encode()
    except UnicodeEncodeError:
        raise RequestError(
            "arguments must be text that UTF-8 can hold, there is half a surrogate pair in them"
        ) from None


def client_name(context: Context) -> str:
    """Return who asks: `client` of the address it called, else the name it gave when it connected.

    Letters, digits, dots, dashes and underscores; 'client' where there is no name.
    """
    query = getattr(context.request, "query_params", {})
    params = context.session.client_params
    given = query.get("client") or (params.client_info.name if params else "")
    return _NAME.sub("-", given).strip("-")[:_NAME_CHARACTERS] or "client"


def _tool(spec: ToolSpec) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=spec.is_read_only,
        destructive_hint=spec.is_destructive,
        idempotent_hint=spec.is_idempotent,
        open_world_hint=False,
    )
    schema = spec.arguments.model_json_schema()
    return types.Tool(name=spec.name, description=spec.description, input_schema=schema, annotations=hints)


def _told(text: str, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:2000]
