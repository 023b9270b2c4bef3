"""Refusals: what host code may not do, raised so that candidate code cannot swallow it."""

import sys

from kernelwright.core.fault import Fault, Status

# The file name in the candidate's code objects; locations in the IR carry it.
CANDIDATE_PATH = "candidate.py"


class Refusal(BaseException):
    """Carries a fault past `except Exception` in candidate code; the recorder keeps the first one."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class Refusals:
    """The first fault that was raised, even if candidate code went on after it."""

    def __init__(self) -> None:
        self.first: Fault | None = None

    def refuse(self, status: Status, what: str, advice: str, **facts: object) -> Refusal:
        """Return the exception to raise: `what` happened, at the candidate's current line, and what to change."""
        line = current_line()
        place = f" (line {line})" if line else ""
        fault = Fault(status, f"{what}{place}; {advice}", {"line": line, **facts})
        if self.first is None:
            self.first = fault
        return Refusal(self.first)


def current_line() -> int:
    """Return the candidate's line that is running, the innermost one; 0 if none is."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == CANDIDATE_PATH:
            return frame.f_lineno
        if frame.f_back is None:
            return 0
        frame = frame.f_back
    return 0
