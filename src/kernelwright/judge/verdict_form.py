"""Verdicts from what the stages found, and their JSON form."""

from collections.abc import Mapping

from kernelwright.core.codec import to_json
from kernelwright.core.fault import Fault
from kernelwright.core.problem import Workload
from kernelwright.core.source_lines import with_code
from kernelwright.core.verdict import Verdict, WorkloadResult

_KINDS = {
    "incorrect": "wrong answer",
    "compile_error": "does not compile",
    "runtime_error": "fails while running",
    "memory_fault": "memory access outside its buffers, or a race between programs",
    "timeout": "takes too long",
    "over_limit": "passes a size limit",
    "cheating": "breaks a rule",
    "harness_error": "could not be judged",
}
_TOO_LARGE = "needs more on-chip memory than the chip has, with smaller tiles or fewer stages it fits"


def failed_verdict(fault: Fault, workload: Workload | None = None, source: str = "") -> Verdict:
    """Return the verdict of a first failure; on a hidden workload it tells regime and kind only.

    Facts hold the text of the lines of `source` that the fault names.
    """
    fault = with_code(fault, source)
    if workload is None:
        return Verdict(fault.status, fault.reason, dict(fault.facts))
    if workload.hidden:
        # Figures could carry lengths out of host code, so that even here none is told.
        is_too_large = "needs_bytes" in fault.facts
        kind = _TOO_LARGE if is_too_large else _KINDS[fault.status]
        facts = {"regime": workload.regime, "hidden": True, **({"kind": kind} if is_too_large else {})}
        return Verdict(fault.status, f"hidden workload of regime '{workload.regime}': {kind}", facts)
    facts = {key: value for key, value in fault.facts.items() if key != "call"}
    return Verdict(
        fault.status,
        f"workload '{workload.name}': {fault.reason}",
        {**facts, "workload": workload.name, "hidden": False},
    )


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as the JSON object that `kernelwright judge` prints; figures that do not apply are null."""
    return {
        "status": verdict.status,
        "reason": verdict.reason,
        "facts": _plain(verdict.facts),
        "geomean_speedup": verdict.geomean_speedup,
        "ci95": None if verdict.ci95 is None else list(verdict.ci95),
        "noise_floor": verdict.noise_floor,
        "roofline_fraction": verdict.roofline_fraction,
        "roofline_fraction_bound": verdict.roofline_fraction_bound,
        "workloads": [_workload_json(result, verdict.emulated) for result in verdict.workloads],
        "plan_sha256": verdict.plan_sha256,
        "machine_sha256": verdict.machine_sha256,
        "architecture": verdict.architecture,
        "baseline": verdict.baseline,
        "emulated": verdict.emulated,
        **({"unsafe": True} if verdict.unsafe else {}),
        "advice": list(verdict.advice),
        "flags": list(verdict.flags),
        "seconds": dict(verdict.seconds),
        "conditions": to_json(verdict.conditions),
    }


def _workload_json(result: WorkloadResult, emulated: bool) -> dict[str, object]:
    return {
        "name": result.name,
        "regime": result.regime,
        "hidden": result.hidden,
        "baseline_ns": result.baseline_ns,
        "candidate_ns": result.candidate_ns,
        "speedup": result.speedup,
        "ci95": list(result.ci95),
        "rel_l2": result.rel_l2,
        "rel_l2_gate": result.rel_l2_gate,
        "roofline_ns": result.roofline_ns,
        "bound": result.bound,
        **({"emulated": True} if emulated else {}),
    }


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}
