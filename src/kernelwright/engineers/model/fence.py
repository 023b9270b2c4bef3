"""Marks what is data in a conversation, so that no text in it can pass for words of the harness."""

import secrets


class Fence:
    """Lines around data, with a mark that nobody can know beforehand."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark or secrets.token_hex(4)

    @property
    def beginning(self) -> str:
        """Return how the lines begin."""
        return f"<<{self._mark}"

    def around(self, text: str, what: str) -> str:
        """Return `text` between its lines; the mark in it is taken out."""
        inside = text.replace(self._mark, "")
        return f"{self.beginning} {what}\n{inside}\n{self.beginning} end"
