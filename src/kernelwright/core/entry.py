"""One line of the record."""

import hashlib
import json
from dataclasses import dataclass

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One event of a run, chained to the one before it.

    `kind` names the event, `payload` is its JSON object, `time_ns` UTC wall time since 1970,
    `previous` the hash of the entry before it (GENESIS for the first), `digest` its own.
    """

    run: str
    number: int
    kind: str
    time_ns: int
    payload: dict[str, object]
    previous: str
    digest: str


@dataclass(frozen=True)
class ControlRequest:
    """What someone asked of a run: `command` is steer, pause, resume or stop; `id` orders requests."""

    id: int
    command: str
    text: str


def entry_digest(run: str, number: int, kind: str, time_ns: int, payload_json: str, previous: str) -> str:
    """Return the SHA-256 of an entry's contents; `payload_json` is the canonical text."""
    text = json.dumps([run, number, kind, time_ns, payload_json, previous])
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
