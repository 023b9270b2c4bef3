"""Why an emulated launch takes its time, and what to change: sentences computed from its counters and its program."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from kernelwright.chips.emulated.engine.totals import BUSY_ENOUGH
from kernelwright.chips.emulated.insight.counters import TimedLaunch, hit_share
from kernelwright.chips.emulated.insight.staging import (
    access_bytes,
    blocks_that_fit,
    bytes_of_a_stage,
    copy_depth,
    has_loads_in_loops,
    loop_accesses,
)
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.tile_program import DotShape, Kind, TileProgram

# A finding below this share of the time is not worth a change.
LEAST_SHARE = 0.03
_KB = 1024
_ORDINALS = {2: "a second", 3: "a third", 4: "a fourth", 5: "a fifth", 6: "a sixth"}


@dataclass(frozen=True)
class Finding:
    """What holds a launch: `share` of its time (0 to 1) that it accounts for, `seen` with figures, `advice`.

    `is_busy` where the share is of a resource's peak, not of time spent waiting or lost. `tells` are the fields of the
    profile whose values `seen` and `advice` say; `plain` is the sentence for who may not know them.
    """

    share: float
    seen: str
    advice: str
    is_busy: bool = False
    tells: tuple[str, ...] = ()
    plain: str = ""

    def __str__(self) -> str:
        return f"{self.seen}; {self.advice}"

    def said_to(self, known: Collection[str]) -> str:
        """Return the sentence for who knows the fields `known` of the profile and no other."""
        return str(self) if set(self.tells) <= set(known) else self.plain


def explain(machine: Machine, launch: TimedLaunch) -> tuple[Finding, ...]:
    """Return what holds the launch, the largest share first; equal shares in the order of the rules.

    Shares overlap: while a unit waits for copies, memory may be at its peak. A resource that is busy for less than
    `BUSY_ENOUGH` of the time does not hold a launch by itself, so it ranks behind waits of half its share.
    """
    found = [finding for rule in _RULES for finding in rule(machine, launch) if finding.share >= LEAST_SHARE]
    return tuple(sorted(found, key=lambda finding: -_rank(finding)))


def _rank(finding: Finding) -> float:
    return finding.share / 2 if finding.is_busy and finding.share < BUSY_ENOUGH else finding.share


def format_explanation(findings: tuple[Finding, ...]) -> str:
    """Return the first finding as one sentence."""
    if not findings:
        return "emulated: no single cause takes 3 % of the time"
    return f"emulated: {findings[0]}"


def _floor(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    floor, total = machine.launch_floor_ns, launch.time.time_ns
    seen = f"the launch floor is {floor / 1e3:.3g} of {total / 1e3:.3g} us"
    advice = "fuse launches, or give one launch more work"
    plain = f"the least that any launch takes is a good part of {total / 1e3:.3g} us; {advice}"
    return [Finding(floor / max(total, 1), seen, advice, tells=("launch_floor_ns",), plain=plain)]


def _copies(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    share = launch.time.waits.get("copies", 0.0)
    depth = copy_depth(launch.program)
    seen = f"{share:.0%} of block time waits on async_wait depth {depth}"
    advice, tells = _stage_advice(machine, launch), ("shared_block_bytes",)
    return [Finding(share, seen, advice, tells=tells, plain=f"{seen}; more stages copy further ahead if they fit")]


def _stage_advice(machine: Machine, launch: TimedLaunch) -> str:
    """Return what one more pipeline stage would need, whether it fits, and what that does to occupancy."""
    program = launch.program
    stage = bytes_of_a_stage(program)
    if not stage:
        return "the copies are outside of loops, so more stages do not help: start them earlier"
    need, limit = program.shared_bytes + stage, machine.shared_block_bytes
    name = _ORDINALS.get(program.stages + 1, f"stage {program.stages + 1}")
    wanted = f"{name} stage needs {need / _KB:.3g} KB"
    if need > limit:
        return f"{wanted} and does not fit in {limit / _KB:.3g} KB: make the copied tiles smaller"
    before, after = launch.time.occupancy.blocks_per_unit, blocks_that_fit(machine, program, need)
    if after < before:
        return f"{wanted} and fits, but leaves {after} instead of {before} blocks on a unit"
    if _at_peak(launch, ("memory", "llc", "l2")):
        return f"{wanted} and fits, but {_at_peak(launch, ('memory', 'llc', 'l2'))} is already near its peak"
    return f"{wanted} and fits"


def _dependency(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    share = launch.time.waits.get("dependency", 0.0)
    held, program = launch.time.occupancy, launch.program
    warps = held.blocks_per_unit * program.warps
    seen = f"{share:.0%} of block time waits on results, with {warps} warps on a unit (limited by {held.limiter})"
    if has_loads_in_loops(program) and not bytes_of_a_stage(program):
        return [Finding(share, seen, _unpipelined(program))]
    advice, field, plain = _occupancy_advice(machine, launch)
    return [Finding(share, seen, advice, tells=(field,) if field else (), plain=f"{seen}; {plain}")]


def _unpipelined(program: TileProgram) -> str:
    if program.stages > 1:
        return f"Triton pipelines no load of the loop at num_stages {program.stages}: only those that feed a dot can be"
    return "loads in the loop are not pipelined at num_stages 1: 2 or more copy ahead"


def _occupancy_advice(machine: Machine, launch: TimedLaunch) -> tuple[str, str, str]:
    """Return what would put one more block on each unit, the field of the machine that this tells, the same without."""
    held, program = launch.time.occupancy, launch.program
    wanted = held.blocks_per_unit + 1
    if held.limiter.startswith("shared"):
        room = machine.shared_bytes // wanted
        now = f"{program.shared_bytes / _KB:.3g} KB"
        full = f"{wanted} blocks fit when a block takes {room / _KB:.3g} instead of {now}"
        return full, "shared_bytes", f"{wanted} blocks fit when a block takes less on-chip memory than {now}"
    if held.limiter.startswith("register"):
        room = machine.registers // (wanted * program.warps * machine.warp_lanes)
        full = f"{wanted} blocks fit with {room} instead of {program.registers_per_thread} registers a thread"
        return (
            full,
            "registers",
            f"{wanted} blocks fit with fewer than {program.registers_per_thread} registers a thread",
        )
    advice = "give each warp more independent work: larger tiles or two tiles a block"
    if held.limiter == "grid":
        advice = "the grid has no further blocks: cut the work into more, such as by splitting the reduction"
    return advice, "", advice


def _barriers(_machine: Machine, launch: TimedLaunch) -> list[Finding]:
    share = launch.time.waits.get("barrier", 0.0)
    seen = f"{share:.0%} of block time waits at barriers of {launch.program.warps} warps"
    return [Finding(share, seen, "fewer warps a block, or reductions that stay inside a warp")]


def _idle_units(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    blocks, waves = launch.blocks, launch.time.occupancy.waves
    units = machine.units - len(machine.fused_off)
    if blocks < units:
        seen = f"{blocks} blocks leave {units - blocks} of {units} units idle"
        advice = "split the work into more blocks (smaller tiles, split-K)"
        plain = f"{blocks} blocks leave units idle; {advice}"
        return [Finding(1.0 - blocks / units, seen, advice, tells=("units",), plain=plain)]
    rounds = -(-blocks // max(1, units * launch.time.occupancy.blocks_per_unit))
    idle = 1.0 - waves / rounds if waves > 1.0 else 0.0
    seen = f"{waves:.3g} waves: the last one leaves {idle:.0%} of the block slots of the whole launch idle"
    return [Finding(idle, seen, f"change the grid towards {rounds - 1} or {rounds} whole waves, or make it persistent")]


def _matrix(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    busy = launch.time.busy.get("matrix", 0.0)
    dots = [op.dot for segment in launch.program.segments for op in segment.ops if op.dot is not None]
    if not dots or not busy:
        return []
    useful = min(atom_use(machine, dot) for dot in dots)
    worst = min(dots, key=lambda dot: atom_use(machine, dot))
    found = [_matrix_rate(machine, busy, dots[0])]
    if useful < 1.0:
        atom = machine.atoms[worst.dtype]
        seen = f"a {worst.m}x{worst.n}x{worst.k} dot over {worst.warps_m}x{worst.warps_n} warps fills {useful:.0%} of"
        seen += f" its {atom.m}x{atom.n}x{atom.k} atoms"
        advice = "pack more rows into the tile, or use fewer warps along it"
        plain = f"a {worst.m}x{worst.n}x{worst.k} dot over {worst.warps_m}x{worst.warps_n} warps leaves a part of the"
        plain += f" matrix pipe's smallest products empty; {advice}"
        tells = (f"atoms.{worst.dtype}",)
        found.append(Finding(busy * (1.0 - useful), seen, advice, tells=tells, plain=plain))
    warps = launch.time.occupancy.blocks_per_unit * launch.program.warps
    if warps < machine.engines:
        seen = f"{warps} warps use {warps} of {machine.engines} warp engines, each with its share of the matrix pipe"
        plain = f"{warps} warps on a unit do not use the whole matrix pipe; more warps a block, or a second block"
        advice = f"num_warps {machine.engines} or a second block"
        found.append(Finding(1.0 - warps / machine.engines, seen, advice, tells=("engines",), plain=plain))
    return found


def _matrix_rate(machine: Machine, busy: float, dot: DotShape) -> Finding:
    rates = machine.dot_flops
    faster = sorted((rate, name) for name, rate in rates.items() if rate > rates.get(dot.dtype, 0.0))
    seen = f"the matrix pipe is busy {busy:.0%} of the time"
    plain = "only less work helps, such as skipping masked tiles"
    if not faster:
        return Finding(busy, seen, plain, is_busy=True)
    rate, name = faster[0]
    advice = f"{plain}, or {name} at {rate / rates[dot.dtype]:.3g} times the rate of {dot.dtype}"
    tells = (f"dot_flops.{name}", f"dot_flops.{dot.dtype}")
    return Finding(busy, seen, advice, is_busy=True, tells=tells, plain=f"{seen}; {plain}")


def atom_use(machine: Machine, dot: DotShape) -> float:
    """Return the share of the atoms' work that a dot needs, 1 where each warp's part is a multiple of the atom."""
    atom = machine.atoms.get(dot.dtype)
    if atom is None:
        return 1.0
    m, n = -(-dot.m // dot.warps_m), -(-dot.n // dot.warps_n)
    padded = (-(-m // atom.m) * atom.m) * (-(-n // atom.n) * atom.n) * (-(-dot.k // atom.k) * atom.k)
    return m * n * dot.k / padded


def _vector(_machine: Machine, launch: TimedLaunch) -> list[Finding]:
    found = []
    for resource, kind, words in (
        ("lanes", Kind.LANES, "vector lanes"),
        ("special", Kind.SPECIAL, "special functions"),
    ):
        busy = launch.time.busy.get(resource, 0.0)
        name, share = _largest_class(launch.program, kind)
        if name:
            seen = f"{words} are busy {busy:.0%} of the time, {share:.0%} of their operations of class {name}"
            found.append(Finding(busy, seen, _VECTOR_ADVICE.get(name, "fewer operations an element"), is_busy=True))
    return found


_VECTOR_ADVICE = {
    "exp": "fewer exponentials an element: skip masked tiles, exp2 with the scale folded in",
    "divide": "multiply by a reciprocal computed once a row",
    "convert": "convert once outside of the loop, or keep the narrow type until the dot",
    "wide": "keep index arithmetic in 32 bits",
    "int": "move index arithmetic out of the loop",
    "select": "mask only the tiles at the border",
}


def _largest_class(program: TileProgram, kind: Kind) -> tuple[str, float]:
    """Return the class with most operations in loops (or anywhere, without loops), and its share."""
    segments = [s for s in program.segments if s.name.startswith("for")] or list(program.segments)
    sums: dict[str, float] = {}
    for segment in segments:
        for op in segment.ops:
            if op.kind is kind:
                for name, amount in op.amounts.items():
                    sums[name] = sums.get(name, 0.0) + amount
    total = sum(sums[name] for name in sorted(sums))
    if not total:
        return "", 0.0
    name = max(sorted(sums), key=lambda key: sums[key])
    return name, sums[name] / total


def _shared(_machine: Machine, launch: TimedLaunch) -> list[Finding]:
    busy = launch.time.busy.get("shared", 0.0)
    worst, degree = 0, 1.0
    for segment in launch.program.segments:
        for op in segment.ops:
            if op.kind in (Kind.SHARED_READ, Kind.SHARED_WRITE) and op.amounts.get("bytes"):
                conflict = op.amounts.get("wavefront_bytes", 0.0) / op.amounts["bytes"]
                worst, degree = (op.line, conflict) if conflict > degree else (worst, degree)
    seen = f"the shared-memory port is busy {busy:.0%} of the time"
    advice = "larger tiles a warp read each operand less often"
    if degree > 1.0:
        seen += f", with {degree:.3g}-way bank conflicts at line {worst}"
        advice = "another tile width or order of that operand may lie without conflicts"
    return [Finding(busy, seen, advice, is_busy=True)]


def _memory(machine: Machine, launch: TimedLaunch) -> list[Finding]:
    found = []
    moved = launch.time.bytes
    for level, words in (("memory", "memory"), ("llc", "the last-level cache"), ("l2", "L2"), ("link", "the die link")):
        busy = launch.time.busy.get(level, 0.0)
        seen = f"{words} is busy {busy:.0%} of the time with {moved.get(level, 0.0) / 1e6:,.0f} MB"
        hits = hit_share(moved, "llc" if level == "memory" else "l2")
        if level in ("memory", "llc") and hits is not None:
            seen += f" ({hits:.0%} of the bytes hit in {'the last-level cache' if level == 'memory' else 'L2'} before)"
        found.append(Finding(busy, seen, _memory_advice(launch, level), is_busy=True))
    return found


def _memory_advice(launch: TimedLaunch, level: str) -> str:
    accesses = loop_accesses(launch.program)
    total = sum(access_bytes(access) for access in accesses)
    # A narrow access counts where it moves a good part of the bytes.
    narrow = [a for a in accesses if a.vector_bytes < min(16, a.element_bytes * 8) and 4 * access_bytes(a) >= total]
    if narrow:
        worst = min(narrow, key=lambda access: (access.vector_bytes, access.line))
        return f"line {worst.line} moves {worst.vector_bytes} bytes a thread at a time where 16 are possible if aligned"
    if level == "memory":
        return "only fewer bytes help: reuse tiles between heads or rows, or a narrower type"
    return "order blocks so that neighbours read the same tiles, or make tiles larger"


def _at_peak(launch: TimedLaunch, names: tuple[str, ...]) -> str:
    return next((name for name in names if launch.time.busy.get(name, 0.0) > 0.8), "")


_RULES: tuple[Callable[[Machine, TimedLaunch], list[Finding]], ...] = (
    _floor, _idle_units, _copies, _dependency, _barriers, _matrix, _vector, _shared, _memory,
)  # fmt: skip
