"""What is known of compiled kernels, on disk by their Triton IR: nothing is read and generated twice."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import llvmlite

from kernelwright.compiler.ir import Location
from kernelwright.compiler.kept import entry_path, read_entry, write_entry
from kernelwright.compiler.native import ObjectCode, assembled


@dataclass(frozen=True)
class Compiled:
    """Object code of a kernel and what a launch must know of it; fields as in `codegen.generate.Generated`."""

    name: str
    arg_types: tuple[str, ...]
    scratch_bytes: int
    locations: dict[int, Location]
    assertions: dict[int, str]
    arguments: dict[int, int]
    code: ObjectCode


def compiled(ttir: str, choices: tuple[object, ...], make: Callable[[], Compiled]) -> Compiled:
    """Return the compiled kernel from the cache directory, else from `make`, kept there from then on.

    An entry belongs to the exact text, the `choices` made for it (options, processor, passes; records that print
    whole) and the compiler. It names its object code, which `native` keeps; one that is damaged, or whose object code
    is gone, is made anew.
    """
    identity = f"{_compiler_sha256()}\n{llvmlite.__version__}\n{choices}\n{ttir}"
    key = hashlib.sha256(identity.encode()).hexdigest()
    path = entry_path(key, ".kernel")
    data = read_entry(path)
    known = _parse(data) if data is not None else None
    if known is not None:
        return known
    made = make()
    write_entry(path, _bytes_of(made))
    return made


@lru_cache(maxsize=1)
def _compiler_sha256() -> str:
    """Return the SHA-256 of the compiler's own sources."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _bytes_of(made: Compiled) -> bytes:
    facts = {
        "name": made.name, "arg_types": made.arg_types, "scratch_bytes": made.scratch_bytes, "object": made.code.key,
        "locations": {str(n): [place.file, place.line] for n, place in made.locations.items()},
        "assertions": made.assertions, "arguments": made.arguments,
    }  # fmt: skip
    return json.dumps(facts).encode()


def _parse(data: bytes) -> Compiled | None:
    """Return the kernel of an entry, None when its object code is not there any more."""
    facts = json.loads(data)
    code = assembled(facts["object"])
    if code is None:
        return None
    return Compiled(
        facts["name"],
        tuple(facts["arg_types"]),
        facts["scratch_bytes"],
        {int(n): Location(file, line) for n, (file, line) in facts["locations"].items()},
        {int(n): text for n, text in facts["assertions"].items()},
        {int(n): argument for n, argument in facts["arguments"].items()},
        code,
    )
