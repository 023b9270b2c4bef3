"""Clients of one run, each with a share of its evaluations: what one spends, no other loses."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import cast

from kernelwright.core.entry import Entry
from kernelwright.core.errors import RequestError
from kernelwright.core.protocols import Tools
from kernelwright.workshop.mcp.answers import Answer

# What a `client` entry says of one that wants no more of its share.
FINISHED = "finished"


class Shares:
    """Calls tools for clients, each of which may use `each` evaluations; without `each` all use the run's together.

    With shares one client's `submit` ends its own work; the run is submitted when all who called have done so. Counts
    come from the record, so they outlive sessions and processes. Calls of `evaluate` and `submit` come one at a time.
    """

    def __init__(self, each: int | None = None) -> None:
        self._each = each
        self._used: dict[str, int] = {}
        self._called: set[str] = set()
        self._finished: set[str] = set()
        self._judged: set[str] = set()

    def take_up(self, entries: Iterable[Entry]) -> None:
        """Count what the record says that clients did."""
        for entry in entries:
            payload = entry.payload
            if entry.kind == "evaluation":
                self._judged.add(str(payload["candidate"]))
            elif entry.kind == "client" and payload.get("event") == FINISHED:
                self._finished.add(str(payload["client"]))
            elif entry.kind == "tool_call" and "result" in payload and "client" in payload:
                self._count(str(payload["name"]), str(payload["client"]), cast(Answer, payload["result"]))

    def call(self, tools: Tools, name: str, arguments: Mapping[str, object], client: str) -> Answer:
        """Return what the tool answers; raises RequestError when the client's share is used up."""
        if self._each is None:
            return tools.call(name, arguments, client)
        self._called.add(client)
        if name == "evaluate":
            self._require_share(str(arguments.get("source", "")), client)
        elif name == "submit":
            return self._submitted(tools, client)
        answer = tools.call(name, arguments, client)
        self._count(name, client, answer)
        return {**answer, "share_left": self._left(client)} if name in ("brief", "evaluate") else answer

    def _count(self, name: str, client: str, answer: Answer) -> None:
        self._called.add(client)
        if name != "evaluate" or answer.get("status") == "harness_error":
            return
        self._judged.add(str(answer.get("candidate_sha256")))
        if answer.get("repeats") is None:
            self._used[client] = self._used.get(client, 0) + 1

    def _left(self, client: str) -> int:
        return max(0, (self._each or 0) - self._used.get(client, 0))

    def _require_share(self, source: str, client: str) -> None:
        # What was judged is answered from the record and costs nothing.
        if hashlib.sha256(source.encode()).hexdigest() in self._judged:
            return
        if client in self._finished:
            raise RequestError(f"client '{client}' has submitted; what is left of its share is given up")
        if not self._left(client):
            raise RequestError(
                f"client '{client}' may use {self._each} evaluations of this run and has used them. "
                "Call submit, or go on with check, probe, history and notes."
            )

    def _submitted(self, tools: Tools, client: str) -> Answer:
        if client not in self._finished:
            tools.remark("client", {"client": client, "event": FINISHED})
            self._finished.add(client)
        others = sorted(self._called - self._finished)
        if others:
            return {"finished": client, "run_goes_on_with": others}
        return tools.call("submit", {}, client)
