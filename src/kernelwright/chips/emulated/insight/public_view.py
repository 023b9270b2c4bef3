"""What a vendor's profiler would show of a launch, and nothing that the profile hides: what engineers are told."""

from collections.abc import Sequence

from kernelwright.chips.emulated.insight.counters import TimedLaunch, launch_counters
from kernelwright.chips.emulated.insight.explain import explain
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.profile import Profile

# Findings of a launch that are told, the largest share first.
MOST_FINDINGS = 4
# Launches of a workload that are told, the longest ones.
MOST_LAUNCHES = 6


def launches_view(profile: Profile, machine: Machine, launches: Sequence[TimedLaunch]) -> dict[str, object]:
    """Return the longest launches of one workload as JSON, in the order they run in, and how many are left out."""
    longest = sorted(range(len(launches)), key=lambda place: -launches[place].time.time_ns)[:MOST_LAUNCHES]
    shown = [launch_view(profile, machine, launches[place]) for place in sorted(longest)]
    return {"launches": shown, "launches_left_out": len(launches) - len(shown)}


def launch_view(profile: Profile, machine: Machine, launch: TimedLaunch) -> dict[str, object]:
    """Return one launch as JSON: emulated ns, what bounds it, occupancy, counters by name, findings in words.

    Counters and findings that say a number which the profile hides are left out, or said without it.
    """
    time, known = launch.time, profile.public_values()
    counters = [c for c in launch_counters(machine, launch) if set(c.tells) <= set(known)]
    findings = [finding.said_to(known) for finding in explain(machine, launch)]
    return {
        "kernel": launch.kernel,
        "grid": list(launch.grid),
        "time_ns": time.time_ns,
        "bound": time.bound,
        "waves": _plain(time.occupancy.waves),
        "blocks_per_unit": time.occupancy.blocks_per_unit,
        "limiter": time.occupancy.limiter,
        "counters": {counter.name: _plain(counter.value) for counter in counters},
        "findings": [text for text in findings if text][:MOST_FINDINGS],
    }


def _plain(value: float) -> int | float:
    """Return a number as people read it: whole ones whole, others to six digits."""
    short = value if value == int(value) else float(f"{value:.6g}")
    return int(short) if short == int(short) else short
