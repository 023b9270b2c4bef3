"""Where calls of clients meet the tools of a run: before it is open they wait, after its end they are told."""

import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kernelwright.core.errors import RequestError
from kernelwright.core.protocols import BudgetSpent, Tools
from kernelwright.workshop.mcp.answers import Answer
from kernelwright.workshop.mcp.shares import Shares
from kernelwright.workshop.tools import TOOLS

# How often the run is asked whether people or the clock ended it while nobody calls.
HEED_S = 2.0
# So long quick calls have to finish when the work ends.
DRAIN_S = 30.0


@dataclass(frozen=True)
class Errand:
    """A call that uses the chip, waiting for its turn."""

    name: str
    arguments: Mapping[str, object]
    client: str
    done: concurrent.futures.Future[Answer] = field(default_factory=concurrent.futures.Future)


class Desk:
    """Takes calls from any thread by `call`; the engineer's thread answers them in `work`.

    Calls that use the chip are made in the thread of `work`, one at a time, in the order they came; the others at once,
    in the caller's thread. When the run is over, every call is answered by its state instead.
    """

    def __init__(self, shares: Shares | None = None, heed_s: float = HEED_S) -> None:
        self._heed_s = heed_s
        self.shares = shares or Shares()
        self.is_wanted = threading.Event()
        self.last_call_s = time.monotonic()
        self._changed = threading.Condition()
        self._tools: Tools | None = None
        self._errands: deque[Errand] = deque()
        self._quick_calls = 0
        self._over: dict[str, object] | None = None
        self._failure: Exception | None = None

    def call(self, name: str, arguments: Mapping[str, object], client: str) -> Answer:
        """Return what the tool answers, once the run is open; its state when it is over.

        Raises RequestError for wrong requests, and whatever broke the run.
        """
        self.is_wanted.set()
        self.last_call_s = time.monotonic()
        with self._changed:
            while self._tools is None and self._over is None and self._failure is None:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            if self._over is not None or self._tools is None:
                return {"run": self._over}
            tools = self._tools
            if TOOLS[name].uses_chip:
                errand = Errand(name, arguments, client)
                self._errands.append(errand)
                self._changed.notify_all()
            else:
                self._quick_calls += 1
        if TOOLS[name].uses_chip:
            return errand.done.result()
        try:
            return self._made(tools, name, arguments, client)
        finally:
            with self._changed:
                self._quick_calls -= 1
                self._changed.notify_all()

    def work(self, tools: Tools, watch: Callable[[], None] = lambda: None) -> None:
        """Answer calls until the run is over; raises BudgetSpent then.

        `watch` is called at least every `heed_s` in which nothing is asked; what it raises ends the work.
        """
        with self._changed:
            self._tools = tools
            self._changed.notify_all()
        try:
            while self._over is None and self._failure is None:
                errand = self._next_errand()
                if errand is not None:
                    self._run(tools, errand)
                    continue
                self._heed(tools)
                watch()
            self._drain()
        finally:
            self._leave()
        if self._failure is not None:
            raise self._failure
        assert self._over is not None
        raise BudgetSpent(str(self._over["reason"]))

    def state(self) -> Mapping[str, object] | None:
        """Return what calls are answered with when the run is over, None while it is open."""
        return self._over

    def tell(self, **state: object) -> None:
        """Say more about a run that is over, for instance its result: every call is answered by it from now on."""
        with self._changed:
            self._over = {**(self._over or {}), **state}
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Let every call, those that wait too, be answered by what went wrong."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _next_errand(self) -> Errand | None:
        with self._changed:
            if not self._errands and self._over is None and self._failure is None:
                self._changed.wait(self._heed_s)
            return self._errands.popleft() if self._errands and self._over is None else None

    def _run(self, tools: Tools, errand: Errand) -> None:
        try:
            errand.done.set_result(self._made(tools, errand.name, errand.arguments, errand.client))
        except Exception as error:
            errand.done.set_exception(error)
        except BaseException:
            errand.done.set_exception(RequestError("the server was interrupted; make the call again"))
            raise

    def _made(self, tools: Tools, name: str, arguments: Mapping[str, object], client: str) -> Answer:
        try:
            answer = self.shares.call(tools, name, arguments, client)
            self._heed(tools)
        except BudgetSpent as spent:
            self._end(str(spent))
            return {"run": self._over}
        except RequestError:
            raise
        except Exception as error:
            self.fail(error)
            raise
        return answer if self._over is None else {**answer, "run": self._over}

    def _heed(self, tools: Tools) -> None:
        try:
            tools.heed()
        except BudgetSpent as spent:
            self._end(str(spent))

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._over is None:
                self._over = {"state": "judging", "reason": reason, "advice": _ADVICE}
            self._changed.notify_all()

    def _drain(self) -> None:
        """Let quick calls finish, so that their entries come before that of the end."""
        with self._changed:
            self._tools = None
            self._changed.wait_for(lambda: self._quick_calls == 0, DRAIN_S)

    def _leave(self) -> None:
        """Take the tools away, and answer those that wait for the chip."""
        with self._changed:
            self._tools = None
            errands, self._errands = list(self._errands), deque()
        for errand in errands:
            if self._over is not None:
                errand.done.set_result({"run": self._over})
            else:
                errand.done.set_exception(self._failure or RequestError("the server ends; make the call again"))


_ADVICE = "the work is over, the final kernel is being judged afresh; call any tool later for the result"
