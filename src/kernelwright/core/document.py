"""A piece of documentation that can be searched."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """`text` on what is called `name`, found on page `page`; `signature` is empty for what cannot be called."""

    name: str
    signature: str
    text: str
    page: str
