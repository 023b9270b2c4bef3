"""Runs a probe file: each of its `probe...` functions is captured like a candidate and timed on the chip."""

import ast
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import RequestError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument
from kernelwright.core.protocols import Capture, ChipSession
from kernelwright.core.source_lines import format_code, with_code

FUNCTIONS_LIMIT = 32
REPEATS = 9
_INPUTS = "probe"
_ENTRY = "measured_probe"


@dataclass(frozen=True)
class Prober:
    """Times probe files on a chip; `open_session` starts a chip session, ended with each file.

    `limit_s` bounds compiling, and running, each function.
    """

    capture: Capture
    open_session: Callable[[], ChipSession]
    limit_s: float = 20.0

    def __call__(self, source: str) -> Mapping[str, object]:
        """Return {"probes": {function: times in ns, or status and reason}}.

        Raises RequestError for a file without probes.
        """
        names = probe_names(source)
        session = self.open_session()
        try:
            session.put(_INPUTS, {})
            captured = self._capture(source, names)
            found = {
                name: one if isinstance(one, Fault) else self._measure(session, one) for name, one in captured.items()
            }
            return {
                "probes": {name: _told(one, source) if isinstance(one, Fault) else one for name, one in found.items()}
            }
        finally:
            session.close()

    def _capture(self, source: str, names: tuple[str, ...]) -> dict[str, LaunchPlan | Fault]:
        """Return the plan or the fault of each function; all are captured together, a faulty one apart."""
        found: dict[str, LaunchPlan | Fault] = {}
        while len(found) < len(names):
            left = [name for name in names if name not in found]
            calls = [(Argument("case", "scalar", value=case),) for case in range(len(left))]
            plans = self.capture(Candidate(_with_entry(source, left)), _ENTRY, calls)
            if not isinstance(plans, Fault):
                found |= zip(left, plans, strict=True)
                continue
            at = plans.facts.get("call")
            guilty = left[at : at + 1] if isinstance(at, int) and len(left) > 1 else left
            found |= dict.fromkeys(guilty, plans)
        return {name: found[name] for name in names}

    def _measure(self, session: ChipSession, captured: LaunchPlan) -> dict[str, object] | Fault:
        plan = captured.choose((0,) * len(captured.launches))
        loaded = session.load(plan, False, self.limit_s)
        if isinstance(loaded, Fault):
            return loaded
        # The first call meets cold code and fresh pages, and is left out.
        times = session.time([plan], [_INPUTS], [0] * (REPEATS + 1), self.limit_s)
        return times if isinstance(times, Fault) else _figures(plan, times.times_ns[1:])


def _with_entry(source: str, names: Sequence[str]) -> str:
    """Return `source` with one entry that calls its probe function number `case`."""
    return f"{source}\n\ndef {_ENTRY}(case):\n    ({', '.join(names)},)[case]()\n"


def probe_names(source: str) -> tuple[str, ...]:
    """Return the names of the file's probe functions, in order; raises RequestError if there is none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise RequestError(f"a probe file must be Python: {error}") from None
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("probe")]
    names = tuple(node.name for node in functions if not node.decorator_list)
    if not 0 < len(names) <= FUNCTIONS_LIMIT:
        raise RequestError(
            f"a probe file must define 1 to {FUNCTIONS_LIMIT} functions named probe..., got {len(names)}."
        )
    return names


def _figures(plan: LaunchPlan, times: tuple[int, ...]) -> dict[str, object]:
    return {
        "ns_min": min(times),
        "ns_median": statistics.median(times),
        "launches": len(plan.launches),
        "repeats": len(times),
    }


def _told(fault: Fault, source: str) -> dict[str, object]:
    if fault.status == "harness_error":
        return {"status": fault.status, "reason": "the chip or sandbox failed, not the probe; try again"}
    code = format_code(with_code(fault, source).facts)
    return {"status": fault.status, "reason": fault.reason, **({"code": list(code)} if code else {})}
