"""Seeds that nobody outside the judge can foresee."""

import hashlib

_BITS = 62


def derive_seed(secret: int, *parts: int | str) -> int:
    """Return a seed, 0 or more, that follows from the secret and the parts and tells nothing of either."""
    text = "/".join(str(part) for part in (secret, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> (64 - _BITS)
