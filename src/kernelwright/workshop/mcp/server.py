"""The table of tools as an MCP server: one definition, whoever answers the calls and over whatever transport."""

import asyncio
import concurrent.futures
import contextlib
import re
import time
from collections.abc import Callable, Mapping

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server

from kernelwright import __version__
from kernelwright.core.errors import KernelwrightError, RequestError, UnknownNameError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.workshop.arguments import PollArguments
from kernelwright.workshop.mcp.answers import Answer, format_answer, page_of
from kernelwright.workshop.mcp.jobs import Caller, Job, Jobs
from kernelwright.workshop.mcp.readings import Context, Readings, State
from kernelwright.workshop.mcp.texts import INSTRUCTIONS
from kernelwright.workshop.tools import TOOLS, ToolSpec, checked_arguments

# Clients give up after 60 s and more; a call that is not done by then is answered with a job.
PATIENCE_S = 45.0
PROGRESS_S = 5.0
_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS = 40
_LINE_CHARACTERS = 2000


class ToolServer:
    """Serves the calls of MCP clients by `call`; state is that of the process, sessions may come and go.

    A call that takes longer than `patience_s` is answered with a job. `doing` says in a few words what goes on now;
    clients that wait are told every `progress_s`. `state` tells of a run that is over, None while it is open.
    """

    def __init__(
        self,
        call: Caller,
        patience_s: float = PATIENCE_S,
        doing: Callable[[], str] = lambda: "",
        state: State = lambda: None,
        progress_s: float = PROGRESS_S,
    ) -> None:
        self.jobs = Jobs(call)
        self.requests_in_hand = 0
        self._patience_s, self._progress_s, self._doing = patience_s, progress_s, doing
        self._readings = Readings(self._asked, state)

    def sdk_server(self) -> Server[dict[str, object]]:
        """Return a server of the SDK, to be run on a transport."""
        server: Server[dict[str, object]] = Server(
            "kernelwright",
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._readings.list_resources,
            on_read_resource=self._readings.read_resource,
            on_list_prompts=self._readings.list_prompts,
            on_get_prompt=self._readings.prompt,
        )
        server.middleware.append(self._counted)
        return server

    async def _counted(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        self.requests_in_hand += 1
        try:
            return await call_next(ctx)
        finally:
            self.requests_in_hand -= 1

    async def _list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(spec) for spec in TOOLS.values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            return _told(await self._answer(context, params.name, params.arguments or {}))
        except BudgetSpent as spent:
            return _refused(f"the run is over: {spent}. Nothing more can be called.")
        except KernelwrightError as error:
            return _refused(str(error))
        except Exception as error:  # a client that hears of it can go on, a broken connection cannot
            return _refused(f"a fault of kernelwright, {type(error).__name__}: {error}")

    async def _answer(self, context: Context, name: str, arguments: Mapping[str, object]) -> str:
        """Return the JSON text that a call is answered with: the answer, a page of it, or its job."""
        if name not in TOOLS:
            raise UnknownNameError("tool", name, TOOLS)
        _require_text(arguments)
        checked, offset = checked_arguments(TOOLS[name], arguments), 0
        if isinstance(checked, PollArguments):
            job, offset = self.jobs.find(checked.job), checked.offset
        else:
            job = self.jobs.start(name, arguments, client_name(context))
        answer = await self._settled(context, job)
        if answer is None:
            doing = {"doing": self._doing()} if self._doing() else {}
            return format_answer({"job": job.id, "state": "running", **doing})
        return page_of(answer, job.id, offset)

    async def _asked(self, context: Context, tool: str) -> Answer | None:
        return await self._settled(context, self.jobs.start(tool, {}, client_name(context)))

    async def _settled(self, context: Context, job: Job) -> Answer | None:
        """Return the answer of a job, or None if it takes longer than the patience; raises what the call raised."""
        began_s = time.monotonic()
        done = _done_event(job.future)
        while not job.future.done() and (left_s := began_s + self._patience_s - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), min(self._progress_s, left_s))
            if not job.future.done():
                waited_s = time.monotonic() - began_s
                await context.session.report_progress(waited_s, None, self._doing() or "running")
        return job.future.result() if job.future.done() else None


def client_name(context: Context) -> str:
    """Return who asks: `client` of the address it called, else the name it gave when it connected.

    Letters, digits, dots, dashes and underscores; 'client' where there is no name.
    """
    query = getattr(context.request, "query_params", {})
    params = context.session.client_params
    given = query.get("client") or (params.client_info.name if params else "")
    return _NAME.sub("-", given).strip("-")[:_NAME_CHARACTERS] or "client"


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
        text = "arguments must be text that UTF-8 can hold, there is half a surrogate pair in them"
        raise RequestError(text) from None
    except ValueError:
        raise RequestError("numbers in arguments must be finite, one is not") from None


def _tool(spec: ToolSpec) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=spec.is_read_only,
        destructive_hint=spec.is_destructive,
        idempotent_hint=spec.is_idempotent,
        open_world_hint=False,
    )
    schema = spec.arguments.model_json_schema()
    return types.Tool(name=spec.name, description=spec.description, input_schema=schema, annotations=hints)


def _told(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def _refused(text: str) -> types.CallToolResult:
    line = " ".join(text.split())[:_LINE_CHARACTERS]
    return types.CallToolResult(content=[types.TextContent(type="text", text=line)], is_error=True)
