"""What an engineer may know of a verdict: public workloads in full, hidden ones as aggregates only."""

import math
from collections.abc import Iterable, Mapping

from kernelwright.core.codec import to_json
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import Verdict, WorkloadResult

TEXT_LIMIT = 4000
# What a workload's result holds of the chip's rates.
OF_ROOFLINE = ("roofline_ns", "bound")
# Names of facts that would help to guess hidden inputs or the oracle's work.
_SECRET_WORDS = ("seed", "secret", "oracle")


def evaluation_view(evaluation: Evaluation, public: Iterable[str]) -> dict[str, object]:
    """Return the JSON object on one evaluation; `public` are the names of the public workloads."""
    return {
        "evaluation": evaluation.number,
        "candidate_sha256": evaluation.candidate_sha256,
        "note": evaluation.note,
        "repeats": evaluation.repeats,
        "is_best": evaluation.is_best,
        "is_redesign": evaluation.is_redesign,
        **verdict_view(evaluation.verdict, public),
    }


def verdict_view(verdict: Verdict, public: Iterable[str]) -> dict[str, object]:
    """Return the JSON object on a verdict: no seed, no expected output, nothing that tells hidden lengths.

    Rooflines of an emulated chip are its profile's rates, which engineers learn by probes alone.
    """
    names = set(public)
    shown = [w for w in verdict.workloads if not w.hidden and w.name in names]
    hidden = [w for w in verdict.workloads if w.hidden or w.name not in names]
    return {
        "status": verdict.status,
        **_failure(verdict, names),
        "geomean_speedup": verdict.geomean_speedup,
        "ci95": None if verdict.ci95 is None else list(verdict.ci95),
        "noise_floor": verdict.noise_floor,
        "roofline_fraction": None if verdict.emulated else verdict.roofline_fraction,
        "roofline_fraction_bound": None if verdict.emulated else verdict.roofline_fraction_bound,
        "architecture": verdict.architecture,
        "emulated": verdict.emulated,
        **({"unsafe": True} if verdict.unsafe else {}),
        "workloads": [_workload(w, verdict.emulated) for w in shown],
        "hidden": _aggregate(hidden),
        "advice": [text[:TEXT_LIMIT] for text in verdict.advice[:20]],
        "flags": list(verdict.flags[:20]),
        "seconds": dict(verdict.seconds),
    }


def _workload(result: WorkloadResult, emulated: bool) -> dict[str, object]:
    view = to_json(result)
    assert isinstance(view, dict)
    return {name: value for name, value in view.items() if not (emulated and name in OF_ROOFLINE)}


def _failure(verdict: Verdict, public: set[str]) -> dict[str, object]:
    where = verdict.facts.get("workload")
    if verdict.facts.get("hidden") is True or (where is not None and where not in public):
        regime = verdict.facts.get("regime")
        place = f" of regime {regime}" if regime else ""
        kind = f": {verdict.facts['kind']}" if "kind" in verdict.facts else ""
        return {
            "reason": f"{verdict.status} on a hidden workload{place}{kind}; lengths differ there from the public ones",
            "facts": {"hidden": True, "regime": regime},
        }
    facts = {k: v for k, v in verdict.facts.items() if not any(word in k for word in _SECRET_WORDS)}
    return {"reason": verdict.reason[:TEXT_LIMIT], "facts": _plain(facts)}


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts as JSON values that the record takes: no infinities, texts bounded."""
    plain: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, float) and not math.isfinite(value):
            plain[name] = str(value)
        elif isinstance(value, str):
            plain[name] = value[:TEXT_LIMIT]
        else:
            plain[name] = to_json(value)
    return plain


def _aggregate(hidden: list[WorkloadResult]) -> dict[str, object]:
    if not hidden:
        return {"count": 0, "geomean_speedup": None}
    logs = [math.log(w.speedup) for w in hidden]
    return {"count": len(hidden), "geomean_speedup": math.exp(sum(logs) / len(logs))}
