"""Errors that people see. A bad candidate is a `Fault`, never one of these."""

import difflib
from collections.abc import Iterable, Mapping


class KernelwrightError(Exception):
    """Base of every error raised on purpose; the text is one line, its numbers repeat in `facts`."""

    exit_code = 3

    def __init__(self, text: str, facts: Mapping[str, object] | None = None) -> None:
        super().__init__(text)
        self.facts: dict[str, object] = dict(facts or {})


class RequestError(KernelwrightError):
    """The request cannot be met as asked; exit code 2, no traceback."""

    exit_code = 2


class HarnessError(KernelwrightError):
    """A fault of ours or of the machine; exit code 3, never counted against a candidate."""

    exit_code = 3


class OutageError(HarnessError):
    """The machine could not do it just now, a full disk or a locked database: the same thing may work later."""


class UnknownNameError(RequestError):
    """A name that no registry knows; the text lists the known ones and the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(
            f"{kind} '{name}' is not known; known: {', '.join(names)}.{hint}",
            {"kind": kind, "name": name, "known": names},
        )


class CompileError(KernelwrightError):
    """A kernel that the compiler refuses; the text names the op and the source line."""

    exit_code = 1


class UnsupportedOpError(CompileError):
    """An op that the compiler does not cover yet."""


class OverLimitError(CompileError):
    """A kernel whose compiled form would pass a size limit; the text gives figure and limit."""
