"""Lines out of a stream that comes in pieces."""


class Lines:
    """Puts pieces together; the cost is that of the bytes, however long a line is."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def __len__(self) -> int:
        """Return how many bytes the line that has not ended yet has so far."""
        return len(self._rest)

    def add(self, data: bytes) -> list[bytes]:
        """Return the lines that end in `data`, without their ends."""
        first, *others = data.split(b"\n")
        self._rest += first
        if not others:
            return []
        whole = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        return whole
