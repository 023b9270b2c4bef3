"""What of a machine a design sweep can change: name, unit, and how the machine looks with another value."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kernelwright.chips.emulated.machine import Machine
from kernelwright.core.errors import RequestError, UnknownNameError

_MOST_VALUES = 64
# Shares of the profile's value where a sweep names no values.
_AROUND = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Factor:
    """One thing that a sweep changes; `moves` says in words what moves with it and what stays."""

    name: str
    unit: str
    moves: str
    read: Callable[[Machine], float]
    change: Callable[[Machine, float], Machine]
    shares: tuple[float, ...] = _AROUND
    is_whole: bool = True

    def values(self, machine: Machine) -> tuple[float, ...]:
        """Return the values that a sweep takes by default, the machine's own among them."""
        base = self.read(machine)
        found = {float(round(base * share)) if self.is_whole else base * share for share in self.shares}
        return tuple(sorted(found | {base}))

    def applied(self, machine: Machine, value: float) -> Machine:
        """Return the machine with this value; the very machine where it has it already."""
        if value == self.read(machine):
            return machine
        if value <= 0:
            raise RequestError(f"{self.name} must be above 0, got {value:g}")
        return self.change(machine, value)


@dataclass(frozen=True)
class Vary:
    """A factor by name and the values to take, None for the defaults. Values of models may be words."""

    name: str
    values: tuple[float | str, ...] | None


def _scaled_dots(machine: Machine, value: float) -> Machine:
    share = value / machine.dot_flops["bf16"]
    return replace(machine, dot_flops={name: rate * share for name, rate in machine.dot_flops.items()})


def _with_exp(machine: Machine, value: float) -> Machine:
    return replace(machine, special_per_cycle={**machine.special_per_cycle, "exp": value})


def _with_shared(machine: Machine, value: float) -> Machine:
    held = round(value * 1024)
    kept = machine.shared_bytes - machine.shared_block_bytes
    return replace(machine, shared_bytes=held, shared_block_bytes=held - kept)


_FACTORS = (
    Factor("units", "", "usable units; caches, memory and clock stay", lambda m: float(m.usable_units),
           lambda m, v: replace(m, units=round(v), fused_off=())),
    Factor("clock_ghz", "GHz", "what is counted in cycles moves along, memory stays", lambda m: m.clock_hz / 1e9,
           lambda m, v: replace(m, clock_hz=v * 1e9), (0.75, 0.9, 1.0, 1.1, 1.25, 1.5), is_whole=False),
    Factor("dot_rate", "bf16 FLOP/cycle/unit", "all dtypes in proportion", lambda m: m.dot_flops["bf16"], _scaled_dots),
    Factor("lanes", "/unit", "vector lanes", lambda m: float(m.lanes), lambda m, v: replace(m, lanes=round(v))),
    Factor("exp_rate", "/cycle/unit", "exponentials alone", lambda m: m.special_per_cycle["exp"], _with_exp,
           (0.5, 0.75, 1.0, 1.5, 2.0, 4.0)),
    Factor("shared_kib", "KiB/unit", "shared memory of a unit and of a block", lambda m: m.shared_bytes / 1024,
           _with_shared),
    Factor("shared_rate", "B/cycle/unit", "the shared-memory port", lambda m: float(m.shared_bytes_per_cycle),
           lambda m, v: replace(m, shared_bytes_per_cycle=round(v))),
    Factor("registers_k", "Ki/unit", "registers; the limit of a thread stays", lambda m: m.registers / 1024,
           lambda m, v: replace(m, registers=round(v * 1024))),
    Factor("l2_kib", "KiB", "each L2", lambda m: m.l2_bytes / 1024, lambda m, v: replace(m, l2_bytes=round(v * 1024)),
           (0.5, 1.0, 2.0, 4.0)),
    Factor("l2_rate", "B/cycle", "each L2", lambda m: m.l2_bytes_per_cycle,
           lambda m, v: replace(m, l2_bytes_per_cycle=v)),
    Factor("llc_mib", "MiB", "size of the last-level cache", lambda m: m.llc_bytes / 2**20,
           lambda m, v: replace(m, llc_bytes=round(v * 2**20)), (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)),
    Factor("llc_rate", "B/cycle", "rate of the last-level cache", lambda m: m.llc_bytes_per_cycle,
           lambda m, v: replace(m, llc_bytes_per_cycle=v)),
    Factor("hbm_gb_s", "GB/s", "memory bandwidth; latency stays", lambda m: m.memory_bytes_per_s / 1e9,
           lambda m, v: replace(m, memory_bytes_per_s=v * 1e9)),
    Factor("memory_latency", "cycles", "latency of memory", lambda m: float(m.memory_latency),
           lambda m, v: replace(m, memory_latency=round(v)), (0.5, 0.75, 1.0, 1.5, 2.0)),
    Factor("die_link", "B/cycle", "the link between dies", lambda m: m.die_link_bytes_per_cycle,
           lambda m, v: replace(m, die_link_bytes_per_cycle=v)),
    Factor("bulk_depth", "requests/unit", "aligned bulk copies in flight", lambda m: float(m.bulk_depth),
           lambda m, v: replace(m, bulk_depth=round(v))),
    Factor("launch_floor_us", "us", "the floor of a launch", lambda m: m.launch_floor_ns / 1e3,
           lambda m, v: replace(m, launch_floor_ns=round(v * 1e3)), (0.25, 0.5, 1.0, 2.0), is_whole=False),
)  # fmt: skip
FACTORS = {factor.name: factor for factor in _FACTORS}


def parse_vary(text: str, known: tuple[str, ...]) -> tuple[Vary, ...]:
    """Return what `--vary` names: NAME, NAME=LOW:HIGH:STEP or NAME=A/B/C, separated by commas.

    Raises UnknownNameError for a name that is not one of `known`, with the nearest; RequestError for values.
    """
    found: dict[str, Vary] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, values = part.partition("=")
        if name not in known:
            raise UnknownNameError("factor", name, known)
        if name in found:
            raise RequestError(f"--vary must name each factor once, {name} is there twice")
        found[name] = Vary(name, _values(name, values) if values else None)
    if not found:
        raise RequestError(f"--vary must name a factor, such as {known[0]}; known: {', '.join(known)}")
    return tuple(found.values())


def _values(name: str, text: str) -> tuple[float | str, ...]:
    if ":" in text:
        return _range(name, text)
    return tuple(_number(value) for value in text.split("/"))


def _range(name: str, text: str) -> tuple[float, ...]:
    numbers = [_number(part) for part in text.split(":")]
    if len(numbers) != 3 or any(isinstance(number, str) for number in numbers):
        raise RequestError(f"a range must be LOW:HIGH:STEP, got '{text}' for {name}")
    low, high, step = (float(number) for number in numbers)
    if step <= 0 or low > high or (high - low) / step >= _MOST_VALUES:
        raise RequestError(f"a range must rise in at most {_MOST_VALUES} steps, got '{text}' for {name}")
    return tuple(low + step * index for index in range(int((high - low) / step + 1e-9) + 1))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def factor_values(vary: Vary, machine: Machine) -> tuple[float, ...]:
    """Return the values of a factor of the machine that a sweep takes, the machine's own always among them."""
    factor = FACTORS[vary.name]
    if vary.values is None:
        return factor.values(machine)
    words = [value for value in vary.values if isinstance(value, str)]
    if words:
        raise RequestError(f"values of {vary.name} must be numbers, got '{words[0]}'")
    return tuple(sorted({float(value) for value in vary.values} | {factor.read(machine)}))
