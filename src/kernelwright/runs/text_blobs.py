"""Long texts in tool calls become blobs: entries stay readable, equal sources are kept once."""

import hashlib
from collections.abc import Callable

LONG_CHARACTERS = 400
_KEY = "blob"


def to_blobs(value: object) -> tuple[object, dict[str, bytes]]:
    """Return a JSON value with every long text replaced by `{"blob": HASH}`, and those texts."""
    blobs: dict[str, bytes] = {}

    def replace(part: object) -> object:
        if isinstance(part, str) and len(part) > LONG_CHARACTERS:
            content = part.encode()
            digest = hashlib.sha256(content).hexdigest()
            blobs[digest] = content
            return {_KEY: digest}
        if isinstance(part, dict):
            return {key: replace(item) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return [replace(item) for item in part]
        return part

    return replace(value), blobs


def from_blobs(value: object, blob: Callable[[str], bytes]) -> object:
    """Return the JSON value with its long texts back in place."""
    if isinstance(value, dict):
        if set(value) == {_KEY}:
            return blob(value[_KEY]).decode()
        return {key: from_blobs(item, blob) for key, item in value.items()}
    if isinstance(value, list):
        return [from_blobs(item, blob) for item in value]
    return value
