"""Two kernels timed in turn on all workloads, block by block; blocks that the machine disturbed are taken again."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kernelwright.core.errors import HarnessError
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.timing import Conditions, joined_conditions
from kernelwright.core.verdict import Direct
from kernelwright.judge.cases import Case
from kernelwright.judge.stages import Station, Stopwatch, require
from kernelwright.judge.statistics import Paired, joined, summarise
from kernelwright.judge.timing import POLLUTED_SHARE, time_block

# How often a polluted block is taken again, and how long the machine may settle before the first time; doubled each
# time after.
MOST_REPEATS = 6
_REST_S = 0.02

# Where the best is told apart from a candidate that is nearly equal: blocks over all workloads together, and a
# workload's own bounds. After a quarter and a half of them a clear case ends. The chances that the interval of each
# look misses the truth add up to 5 %, so that it holds wherever the comparison ends.
_DECIDING_PAIRS, _FEWEST, _MOST = 288, 16, 64
_LOOKS = ((0.25, 0.005), (0.5, 0.01), (1.0, 0.035))


@dataclass(frozen=True)
class Look:
    """After so many blocks a workload the comparison may end, with intervals that miss with probability `miss`."""

    blocks: int
    miss: float


@dataclass
class Contest:
    """Baselines and candidates in turn on `cases`; blocks add up over calls of `play`.

    Blocks of all workloads take turns: a slow second of the machine then costs each of them one block, which a
    trimmed mean leaves out, and not all the blocks of one.
    """

    station: Station
    baselines: Sequence[LaunchPlan]
    plans: Sequence[LaunchPlan]
    cases: Sequence[Case]
    watch: Stopwatch
    sleep: Callable[[float], None] = time.sleep
    _pairs: list[list[Paired]] = field(init=False)
    _conditions: list[Conditions | None] = field(default_factory=list)
    _repeated: int = 0

    def __post_init__(self) -> None:
        self._pairs = [[] for _ in self.cases]

    @property
    def pairs(self) -> tuple[Paired, ...]:
        """Return the times of each workload so far."""
        return tuple(joined(pairs) for pairs in self._pairs)

    @property
    def conditions(self) -> Conditions | None:
        """Return the conditions so far, discarded blocks included."""
        return joined_conditions(self._conditions, sum(len(pairs) for pairs in self._pairs), self._repeated)

    def play(self, blocks: int) -> "Contest":
        """Take `blocks` more blocks on every workload.

        Raises HarnessError when one stays polluted, FirstFailure when a kernel fails.
        """
        for _ in range(blocks):
            left = self._round(range(len(self.cases)))
            for repeat in range(MOST_REPEATS):
                if not left:
                    break
                self._repeated += len(left)
                self.sleep(_REST_S * 2**repeat)
                left = self._round(left)
            if left:
                raise HarnessError(
                    f"timed calls must keep their cores for {1 - POLLUTED_SHARE:.0%} of their time, others "
                    f"took more {MOST_REPEATS + 1} times in turn. Let the machine come to rest."
                )
        return self

    def _round(self, numbers: Sequence[int]) -> list[int]:
        """Take one block on each of the workloads `numbers` and return those whose block was polluted."""
        polluted = []
        for number in numbers:
            case = self.cases[number]
            self.watch.require_time(case.workload)
            limit_s = self.station.limits.launch_s
            found = time_block(self.station.session, self.baselines[number], self.plans[number], case.key, limit_s)
            block = require(found, case.workload)
            self._conditions.append(block.conditions)
            if block.is_polluted:
                polluted.append(number)
            else:
                self._pairs[number].append(block.pair)
        return polluted


def looks(workloads: int) -> tuple[Look, ...]:
    """Return when a comparison over so many workloads may end; nothing but their number decides."""
    most = min(max(math.ceil(_DECIDING_PAIRS / max(workloads, 1)), _FEWEST), _MOST)
    return tuple(Look(math.ceil(share * most), miss) for share, miss in _LOOKS)


def direct_of(contest: Contest, best_sha256: str) -> Direct:
    """Return how the candidate of a fresh `contest` does against the best.

    At each look it ends when the candidate is better by more than the noise floor, or not ahead at all.
    """
    direct = None
    played = 0
    for look in looks(len(contest.cases)):
        contest.play(look.blocks - played)
        played = look.blocks
        summary = summarise(contest.pairs, look.miss)
        ratio = summary.geomean
        direct = Direct(best_sha256, ratio.value, ratio.ci95, summary.noise_floor, played, contest.conditions)
        if direct.is_gain or direct.speedup <= 1:
            break
    assert direct is not None
    return direct
