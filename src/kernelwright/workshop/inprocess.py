"""The tools as an engineer in this process calls them."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from kernelwright.core.problem import Brief
from kernelwright.core.recall import Recall
from kernelwright.workshop.tools import Answer, call_tool, recall
from kernelwright.workshop.workbench import Workbench


class Workshop:
    """A `core.protocols.Tools`: every method is one call of the tool of that name, by `client`."""

    def __init__(self, bench: Workbench, client: str = "") -> None:
        self._bench, self._client = bench, client

    def call(self, name: str, arguments: Mapping[str, object], client: str = "") -> Answer:
        """Return what the tool answers; raises as `call_tool` does."""
        return call_tool(self._bench, name, arguments, client or self._client)

    def brief(self) -> Brief:
        """See `core.protocols.Tools`."""
        self.call("brief", {})
        return self._bench.brief

    def check(self, source: str) -> Answer:
        """See `core.protocols.Tools`."""
        return self.call("check", {"source": source})

    def evaluate(self, source: str, note: str = "") -> Answer:
        """See `core.protocols.Tools`."""
        return self.call("evaluate", {"source": source, "note": note})

    def probe(self, source: str) -> Answer:
        """See `core.protocols.Tools`."""
        return self.call("probe", {"source": source})

    def note(self, text: str) -> None:
        """See `core.protocols.Tools`."""
        self.call("notes", {"text": text})

    def notes(self) -> tuple[str, ...]:
        """See `core.protocols.Tools`."""
        return tuple(cast(list[str], self.call("notes", {})["notes"]))

    def history(self) -> tuple[Answer, ...]:
        """See `core.protocols.Tools`."""
        page = self.call("history", {})
        rows = cast(list[Answer], page["evaluations"])
        while page.get("next_offset"):
            page = self.call("history", {"offset": page["next_offset"]})
            rows = [*cast(list[Answer], page["evaluations"]), *rows]
        return tuple(self.call("history", {"evaluation": row["evaluation"]}) for row in rows)

    def remaining(self) -> Mapping[str, float]:
        """See `core.protocols.Tools`; no call, costs nothing."""
        return self._bench.recorder.remaining()

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        """See `core.protocols.Tools`; no call, costs nothing."""
        self._bench.recorder.remark(kind, payload)

    def recall(self, after: int = 0, client: str = "") -> Recall:
        """See `core.protocols.Tools`; no call, costs nothing."""
        return recall(self._bench, after, client or self._client)

    def heed(self) -> bool:
        """See `core.protocols.Tools`; no call, costs nothing."""
        return self._bench.recorder.heed()

    def own_folder(self) -> Path:
        """See `core.protocols.Tools`; made when it is asked for."""
        folder = self._bench.folder.parent / "engineer"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def submit(self) -> Answer:
        """See `core.protocols.Tools`."""
        return self.call("submit", {})
