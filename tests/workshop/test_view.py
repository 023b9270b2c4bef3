"""What an engineer may know: hidden workloads leave no trace but aggregates."""

import json
import math

from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import Verdict, WorkloadResult
from kernelwright.workshop.profile import profile_view
from kernelwright.workshop.view import evaluation_view, verdict_view


def result(name: str, hidden: bool, speedup: float) -> WorkloadResult:
    return WorkloadResult(name, "hit", hidden, 8e6, 8e6 / speedup, speedup, (1.9, 2.1), 2e-3, 1e-2, 1e6, "compute")


ROWS = (result("open", False, 2.0), result("hidden-a", True, 2.0), result("hidden-b", True, 8.0))


def test_public_rows_are_whole_and_hidden_ones_are_one_number() -> None:
    view = evaluation_view(
        Evaluation(3, "c" * 64, Verdict("accepted", "", workloads=ROWS, geomean_speedup=3.2)), ["open"]
    )
    assert [row["name"] for row in view["workloads"]] == ["open"]  # type: ignore[attr-defined]
    hidden = view["hidden"]
    assert isinstance(hidden, dict)
    assert hidden["count"] == 2 and math.isclose(hidden["geomean_speedup"], 4.0)
    assert "hidden-" not in json.dumps(view)


def test_a_row_that_is_not_among_the_public_ones_counts_as_hidden_whatever_it_says() -> None:
    view = verdict_view(Verdict("accepted", "", workloads=(result("secret", False, 2.0),)), ["open"])
    assert "secret" not in json.dumps(view)


def test_a_failure_on_a_hidden_workload_tells_regime_and_kind_only() -> None:
    facts = {"hidden": True, "regime": "verify", "workload": "hidden-verify", "request": 3, "extend": [7, 8]}
    view = verdict_view(Verdict("incorrect", "workload hidden-verify: request 3 of 7,8", facts), ["open"])
    assert view["facts"] == {"hidden": True, "regime": "verify"}
    text = json.dumps(view)
    assert "verify" in text and "incorrect" in text
    assert "hidden-verify" not in text and "request" not in text and "7" not in str(view["reason"])


def test_a_failure_on_a_public_workload_is_told_in_full_without_seeds() -> None:
    facts = {"workload": "open", "request": 3, "seed": 99, "input_seed": 5, "oracle_sha": "ab", "got": math.inf}
    view = verdict_view(Verdict("incorrect", "workload 'open': request 3, expected 1, got inf", facts), ["open"])
    assert view["facts"] == {"workload": "open", "request": 3, "got": "inf"}
    json.dumps(view, allow_nan=False)


def test_an_emulated_chip_s_rates_are_not_told_through_rooflines() -> None:
    rows = (result("open", False, 2.0), result("slow", False, 1.1))
    verdict = Verdict("accepted", "", workloads=rows, roofline_fraction=0.4, roofline_fraction_bound=0.5, emulated=True)
    found = Evaluation(3, "c" * 64, verdict)
    view, profile = evaluation_view(found, ["open", "slow"]), profile_view(found, ["open", "slow"])
    assert view["roofline_fraction"] is None and view["roofline_fraction_bound"] is None
    told = json.dumps([view["workloads"], profile["workloads"]])
    assert "roofline" not in told and "bound" not in told and "1000000.0" not in told
    assert [row["name"] for row in profile["workloads"]] == ["slow", "open"]  # type: ignore[attr-defined]
