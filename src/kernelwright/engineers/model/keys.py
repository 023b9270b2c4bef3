"""Keeps keys out of whatever is written down, sent to a model or shown."""

import re
from collections.abc import Iterable, Mapping

from kernelwright.engineers.model.providers import PROVIDERS

HIDDEN = "[key]"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)S?$", re.IGNORECASE)
# Shorter values of variables that are no keys of ours are words of everyday texts.
_LEAST_LENGTH = 12


class KeyFilter:
    """Replaces every known key in texts; longer keys first, so that none is left in part."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = sorted({key for key in keys if key}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """Return `text` without keys."""
        for key in self._keys:
            text = text.replace(key, HIDDEN)
        return text

    def clean_value(self, value: object) -> object:
        """Return a JSON value without keys, wherever they stand in it."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean(str(name)): self.clean_value(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_value(item) for item in value]
        return value

    def clean_object(self, value: Mapping[str, object]) -> dict[str, object]:
        """Return a JSON object without keys."""
        return {self.clean(str(name)): self.clean_value(item) for name, item in value.items()}


def keys_of(environment: Mapping[str, str]) -> KeyFilter:
    """Return a filter for the keys of all providers, and for whatever else looks like a secret by its name."""
    ours = {provider.key_variable for provider in PROVIDERS.values()}
    found = [value.strip() for name, value in environment.items() if name in ours]
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and len(value.strip()) >= _LEAST_LENGTH:
            found.append(value.strip())
    return KeyFilter(found)
