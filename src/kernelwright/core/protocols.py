"""What rooms expect of each other, as protocols: nothing here is implemented."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import Entry
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Brief
from kernelwright.core.recall import Recall
from kernelwright.core.timing import Timing
from kernelwright.core.verdict import Verdict
from kernelwright.core.work import Peaks


@dataclass(frozen=True)
class ChipSpec:
    """What is known of a chip before anything runs on it; `facts` are (name, value, standing)."""

    name: str
    title: str
    emulated: bool
    threads: int
    facts: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A plan compiled on a chip: hash of its machine code and what compiling took."""

    machine_sha256: str
    compile_ns: int


@dataclass(frozen=True)
class Execution:
    """What one run of a plan left: the bytes of each output argument, and its time."""

    outputs: Mapping[str, bytes]
    elapsed_ns: int


class ChipSession(Protocol):
    """A chip at work, in a process of its own. A `Fault` is the candidate's; ours are raised.

    Inputs are put once under a key and referred to by it; every run gets its own copy of outputs
    and scratch, at fresh addresses, filled with poison drawn from `poison_seed`.
    """

    def put(self, key: str, arrays: Mapping[str, bytes | memoryview]) -> None:
        """Keep the bytes of every tensor argument (outputs included, for their size) under `key`."""

    def drop(self, key: str) -> None:
        """Forget the inputs kept under `key`."""

    def load(self, plan: LaunchPlan, checked: bool, limit_s: float) -> Loaded | Fault:
        """Compile every kernel of `plan`; `checked` adds bounds checks to every access, and a search for races."""

    def run(
        self, plan: LaunchPlan, inputs: str, checked: bool, poison_seed: int, limit_s: float, stale: bool = False
    ) -> Execution | Fault:
        """Run `plan` once: poisoned outputs and scratch, canaries, inputs hashed before and after.

        With `stale` scratch holds what a call of the plan on other inputs left, and scratch that host code kept from
        an earlier call is not filled again.
        """

    def time(
        self, plans: Sequence[LaunchPlan], inputs: Sequence[str], schedule: Sequence[int], limit_s: float
    ) -> Timing | Fault:
        """Return times for each item of `schedule`, an index into `plans`; inputs rotate call by call.

        Copies of inputs are rotated so that no call finds its inputs in the last-level cache.
        """

    def witness(self, plan: LaunchPlan, inputs: str) -> Mapping[str, bytes]:
        """Return the outputs that one call of the last `time` left, drawn at random; `plan` was timed on `inputs`."""

    def close(self) -> None:
        """End the process; safe to call twice."""


class Chip(Protocol):
    """A machine that runs launch plans."""

    @property
    def spec(self) -> ChipSpec:
        """Return what is known of the chip."""

    def open(self) -> ChipSession:
        """Start a session."""

    def peaks(self, again: bool = False) -> Peaks:
        """Return measured limits; measured once per machine and kept in the cache folder.

        `again` measures anew and keeps the larger figures: a busy machine only makes them smaller.
        """


class Capture(Protocol):
    """The sandbox as the judge sees it: candidate source in, launch plans out."""

    @property
    def confinement(self) -> str:
        """Return how candidates are shut in; `unsafe` if they are not."""

    def __call__(
        self, candidate: Candidate, entry: str, calls: Sequence[Sequence[Argument]]
    ) -> tuple[LaunchPlan, ...] | Fault:
        """Return one plan per call (one call a workload), or the first failure.

        `Fault.facts["call"]` is the index of the call that failed.
        """

    def prepare(self, wait: bool = False) -> None:
        """Make the next capture quick by starting its process now; `wait` until it stands ready."""


class Judge(Protocol):
    """One judgement, already bound to problem, suite and chip."""

    def __call__(self, candidate: Candidate, seed: int, progress: Callable[[str], None]) -> Verdict:
        """Return the verdict; `progress` gets one short line per phase."""


class Ledger(Protocol):
    """The append-only record of runs."""

    def append(
        self, run: str, kind: str, payload: Mapping[str, object], blobs: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Write one entry, durable before it returns; `blobs` maps content hash to content."""

    def entries(self, run: str) -> tuple[Entry, ...]:
        """Return the entries of a run in order."""

    def blob(self, digest: str) -> bytes:
        """Return the content with that SHA-256, checked."""


# Entries that engineers write about their own work. model_turn: what a language model answered. model_usage: what it
# took, as {"model", "input_tokens", "output_tokens", "usd"} (usd null where no price is known). compaction: a
# conversation was cut, {"client", "summary", ...} with what its engineer wrote down for itself. nudge, client: what the
# harness of a model or an agent did. outage: {"reason", "lost_ns"}, nobody's work.
REMARKS = frozenset({"model_turn", "model_usage", "compaction", "nudge", "client", "outage"})


class Recorder(Protocol):
    """A run as the workshop sees it: writes what happens, holds the budgets, answers from the record.

    Every method may raise `BudgetSpent` when the run is over; let it pass.
    """

    def tool_call(
        self, name: str, arguments: Mapping[str, object], call: Callable[[], Mapping[str, object]], client: str = ""
    ) -> Mapping[str, object]:
        """Return the JSON object that `call` returns, after an entry holds it, with the name of who asked.

        Arguments are JSON values; long texts such as sources are kept as blobs. On resume the
        recorded results are returned in order, without running `call`, as long as the calls are
        the recorded ones. Texts of people who steer the run appear under the key "steer".
        """

    def evaluate(self, candidate: Candidate, note: str) -> Evaluation:
        """Judge a candidate, or answer from the record; use it inside the `call` of a tool call."""

    def evaluations(self) -> tuple[Evaluation, ...]:
        """Return what was evaluated so far, in order."""

    def source(self, candidate_sha256: str) -> str:
        """Return the text of a candidate that was evaluated in this run."""

    def note(self, text: str) -> None:
        """Write to the notebook."""

    def notes(self) -> tuple[str, ...]:
        """Return the notebook."""

    def remaining(self) -> Mapping[str, float]:
        """Return what is left: "evaluations", "seconds", "tokens", "usd" (infinite where no limit is set)."""

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        """Write an entry of an engineer's own, one of the `REMARKS`; long texts are kept as blobs.

        `lost_ns` in an outage stops the clock of the budget for that long.
        """

    def summary(self, client: str) -> str:
        """Return what `client` wrote down when its conversation was cut last; see `compaction` in `REMARKS`."""

    def heed(self) -> bool:
        """Obey what people asked of the run, and return whether they have paused it; no call, and it never waits.

        Raises `BudgetSpent` when the run is over.
        """

    def submit(self) -> None:
        """Say that the best so far is final: the next tool call raises `BudgetSpent`."""


class Tools(Protocol):
    """What an engineer can touch. Every call is an entry in the ledger."""

    def brief(self) -> Brief:
        """Return what is asked."""

    def check(self, source: str) -> Mapping[str, object]:
        """Parse, capture, compile and run on small workloads, without timing; free of budget."""

    def evaluate(self, source: str, note: str = "") -> Mapping[str, object]:
        """Judge a candidate; costs one evaluation; returns what the engineer may know of the verdict."""

    def probe(self, source: str) -> Mapping[str, object]:
        """Run the engineer's own microbenchmark file and return its timings in ns."""

    def note(self, text: str) -> None:
        """Write to the notebook."""

    def notes(self) -> tuple[str, ...]:
        """Return the notebook, as far as a tool's answer holds it: the newest notes, oldest first."""

    def history(self) -> tuple[Mapping[str, object], ...]:
        """Return every evaluation so far, oldest first: what `evaluate` answered, and its "source"."""

    def call(self, name: str, arguments: Mapping[str, object], client: str = "") -> Mapping[str, object]:
        """Return the answer of any tool of the workshop by name, as other agents call it; `client` is who asks."""

    def remaining(self) -> Mapping[str, float]:
        """Return what is left of each budget: evaluations, seconds, tokens, usd."""

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        """Write an entry of the engineer's own to the ledger; see `Recorder.remark`. No call, costs nothing."""

    def recall(self, after: int = 0, client: str = "") -> Recall:
        """Return what the record holds, of evaluations those numbered above `after`. No call, costs nothing."""

    def heed(self) -> bool:
        """Return whether people have paused the run, for whoever works without calling; see `Recorder.heed`."""

    def own_folder(self) -> Path:
        """Return a folder of the run for an engineer's own files, such as logs; no tool reaches it."""

    def submit(self) -> Mapping[str, object]:
        """Say that the best candidate so far is final."""


class Engineer(Protocol):
    """Someone who tries: works through `tools` until budgets end or nothing more is worth trying.

    One that knows only some problems has their names in an attribute `only_problems`. One that makes the same calls
    when it begins again, as far as answers are the same, says so by an attribute `repeats_calls`: a resumed run then
    answers from the record; others go on live, and find what was done in `history` and `notes`. One that has options,
    or `kinds`, names behind a colon in its own, has a method `with_options(kind, options)` that returns it ready to
    work. One that needs more than the tools, keys or programs, has a method `prepare(setup)` that raises RequestError
    where something lacks, before a run is opened, and returns lines to tell the person who asked for the run. One that
    only a command of its own can start has that command in an attribute `started_by`.
    """

    @property
    def name(self) -> str:
        """Return the public name."""

    def work(self, tools: Tools, seed: int) -> None:
        """Work until done; raises `BudgetSpent` through the tools when the run must stop."""


class BudgetSpent(Exception):
    """Raised by a tool when the run is over; engineers let it pass."""
