"""MLIR locations to source lines."""

import re

from kernelwright.compiler.ir import Location

UNKNOWN = Location()
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|#\w+|[a-z]+|\d+|[()\[\]<>:,=]|[^\s]')
# Lines in Triton's own library say nothing about a kernel as long as a caller is known.
_LIBRARY = "/triton/language/"


class LocationTable:
    """Resolves location text, through the `#loc` aliases of one module."""

    def __init__(self, aliases: dict[str, str], own_file: str) -> None:
        """Take alias texts by name; places in `own_file`, the parsed temporary file, count as unknown."""
        self._aliases = aliases
        self._own_file = own_file
        self._known: dict[str, Location] = {}

    def resolve(self, text: str) -> Location:
        """Return the innermost source position of `text`, the inside of a `loc(...)`.

        Of a call site that is the callee's place, or the caller's when the callee's is unknown or in Triton's
        library. Unknown places give line 0.
        """
        known = self._known.get(text)
        if known is None:
            self._known[text] = UNKNOWN
            places = self._places(text)
            outside = [place for place in places if _LIBRARY not in place.file]
            known = self._known[text] = (outside or places or [UNKNOWN])[0]
        return known

    def _places(self, text: str) -> list[Location]:
        """Return every source position that `text` names, innermost first."""
        tokens = _TOKEN.findall(text)
        places: list[Location] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token.startswith("#") and token in self._aliases:
                places += self._places(self._aliases[token])
            elif token.startswith('"') and tokens[position + 1 : position + 2] == [":"]:
                file = token[1:-1]
                if file != self._own_file:
                    places.append(Location(file, int(tokens[position + 2])))
                position += 4
            position += 1
        return places
