"""A candidate: the text of one Python file, as an engineer wrote it."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """Source text that defines a problem's entry function and its Triton kernels."""

    source: str

    @property
    def sha256(self) -> str:
        """Return the hash of the text, which is also the name of its blob."""
        return hashlib.sha256(self.source.encode()).hexdigest()
