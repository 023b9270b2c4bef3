"""What every refusal has to look like."""

from collections.abc import Iterable

from kernelwright.core.verdict import Verdict
from tests.cheats.catalogue import Cheat


def require_refused(verdict: Verdict, cheat: Cheat) -> None:
    """Fail unless the verdict refuses `cheat` with one of its statuses and all of its words."""
    assert verdict.status in cheat.statuses.split(), f"{verdict.status}: {verdict.reason}"
    for word in cheat.words:
        assert word in verdict.reason, verdict.reason
    assert "\n" not in verdict.reason
    assert verdict.geomean_speedup is None


def by_workloads(cheats: Iterable[Cheat]) -> list[Cheat]:
    """Return cheats so that those on equal workloads are neighbours: a judge is made for each set."""
    return sorted(cheats, key=lambda cheat: (len(cheat.workloads), cheat.workloads))
