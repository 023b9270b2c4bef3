"""The plan of one call while it is being written: kernels, buffers and launches as host code asks for them."""

import re
from collections.abc import Callable
from typing import Any

from kernelwright.core.plan import ARGUMENT_ROLES
from kernelwright.sandbox.child.buffers import AddressSpace, Block
from kernelwright.sandbox.child.refusal import Refusal, Refusals

MAX_KERNELS = 64
MAX_LAUNCHES = 256
MAX_SCRATCH_BYTES = 4 << 30
MAX_CONSTANT_BYTES = 64 << 10
MAX_GRID = (1 << 31) - 1
MAX_IR_BYTES = 2 << 20

_PARAMETERS = re.compile(r"tt\.func public @[^(]*\((.*?)\) attributes", re.DOTALL)
_PARAMETER = re.compile(r"%[\w$.\-]+: ")
_IR_TYPES = {
    "u1": "i1",
    "fp16": "f16",
    "fp32": "f32",
    "fp64": "f64",
    "u8": "i8",
    "u16": "i16",
    "u32": "i32",
    "u64": "i64",
}

Json = dict[str, Any]


class Recorder:
    """Writes one plan at a time; `announce` sends the text of a kernel once and a sign of life for each."""

    def __init__(self, addresses: AddressSpace, refusals: Refusals, announce: Callable[[Json], None]) -> None:
        self._addresses = addresses
        self._refusals = refusals
        self._announce = announce
        self._texts: dict[str, int] = {}
        self._call: int | None = None
        self._options: list[Json] | None = None
        self._label = ""

    def open(self, call: int, blocks: list[Block]) -> None:
        """Start the plan of capture number `call`; `blocks` are its tensor arguments, in order."""
        self._call = call
        self._blocks = list(blocks)
        self._kernels: list[list[Any]] = []
        self._launches: list[list[Json]] = []

    def close(self) -> Json:
        """Return the plan as JSON values; buffers are the arguments, then the rest in order of first use."""
        call, self._call = self._call, None
        buffers = [
            {"name": b.name, "role": b.role, "dtype": b.dtype, "size_bytes": b.size_bytes, "fill": b.fill,
             "data": list(b.data), "kept": b.call != call}
            for b in self._blocks
        ]  # fmt: skip
        return {"kernels": self._kernels, "buffers": buffers, "launches": self._launches}

    def begin_options(self) -> None:
        """Collect the launches that follow as options of one launch."""
        self._options = []

    def label(self, text: str) -> None:
        """Name the option that comes next, and say that the search for options goes on."""
        self._announce({"event": "alive"})
        self._label = text

    def end_options(self) -> None:
        """End the launch that `begin_options` started."""
        options, self._options, self._label = self._options, None, ""
        if options:
            self._append(options)

    def launch(self, ir: str, name: str, shape: tuple[int, int], grid: tuple[Any, ...], args: list[Any]) -> None:
        """Record a launch of the IR text; `shape` is (num_warps, num_stages), `args` are (type, value) pairs."""
        if self._call is None:
            raise self._refusals.refuse(
                "cheating", f"kernel {name} was launched outside the entry function", "launch it from there"
            )
        sizes = self._grid(grid, name)
        parameters = parameter_count(ir)
        if parameters != len(args):
            # What Triton compiled has them all: somebody put other code in its cache.
            raise self._refusals.refuse(
                "cheating", f"kernel {name} has {parameters} parameters, {len(args)} arguments were bound",
                "launch what Triton compiled",
            )  # fmt: skip
        option = {
            "kernel": self._kernel(ir, name, shape),
            "grid": sizes,
            "args": [self._argument(kind, value, name) for kind, value in args],
            "label": self._label,
        }
        if 0 in sizes:
            return
        if self._options is not None:
            self._options.append(option)
        else:
            self._append([option])

    def _append(self, options: list[Json]) -> None:
        if len(self._launches) == MAX_LAUNCHES:
            raise self._over("host code launches more kernels than allowed", MAX_LAUNCHES, "launches")
        self._launches.append(options)

    def _grid(self, grid: tuple[Any, ...], name: str) -> list[int]:
        try:
            sizes = [size.__index__() for size in grid]
        except AttributeError:
            kinds = ", ".join(type(size).__name__ for size in grid)
            raise TypeError(f"the grid of {name} must be integers, got ({kinds})") from None
        if any(size < 0 or size > MAX_GRID for size in sizes):
            raise self._over(f"the grid of {name} is {tuple(sizes)}", MAX_GRID, "programs along an axis")
        return sizes

    def _kernel(self, ir: str, name: str, shape: tuple[int, int]) -> int:
        text = self._texts.get(ir)
        if text is None:
            if len(ir) > MAX_IR_BYTES:
                raise self._over(f"the IR of {name} has {len(ir)} bytes", MAX_IR_BYTES, "bytes")
            text = self._texts[ir] = len(self._texts)
            self._announce({"event": "ir", "text": ir})
        record = [text, name, *shape]
        if record not in self._kernels:
            if len(self._kernels) == MAX_KERNELS:
                raise self._over(
                    "a plan holds too many different kernels", MAX_KERNELS, "kernels, configurations counted"
                )
            self._kernels.append(record)
        return self._kernels.index(record)

    def _argument(self, kind: str, value: Any, kernel: str) -> list[Any]:
        if kind.startswith("*"):
            return self._pointer(value, kernel)
        number = value if isinstance(value, float) else int(value)
        return ["s", _IR_TYPES.get(kind, kind), number]

    def _pointer(self, value: Any, kernel: str) -> list[Any]:
        address = value.data_ptr() if hasattr(value, "data_ptr") else -1
        found = self._addresses.find(address)
        if found is None:
            raise self._refusals.refuse(
                "cheating", f"an argument of {kernel} points at no tensor of this call", "pass tensors"
            )
        block, offset = found
        if block not in self._blocks:
            self._admit(block)
        return ["p", self._blocks.index(block), offset]

    def _admit(self, block: Block) -> None:
        if block.role in ARGUMENT_ROLES:
            raise self._refusals.refuse(
                "cheating", f"a kernel gets {block.name} of an earlier call", "use the arguments of this call"
            )
        used = sum(b.size_bytes for b in (*self._blocks, block) if b.role == block.role)
        if block.role == "scratch" and used > MAX_SCRATCH_BYTES:
            raise self._over(f"host code uses {used} bytes of scratch", MAX_SCRATCH_BYTES, "bytes")
        if block.role == "constant" and used > MAX_CONSTANT_BYTES:
            raise self._over(f"host code uses {used} bytes of constants", MAX_CONSTANT_BYTES, "bytes")
        self._blocks.append(block)

    def _over(self, what: str, limit: int, unit: str) -> Refusal:
        return self._refusals.refuse("over_limit", what, f"at most {limit} {unit}", limit=limit)


def parameter_count(ir: str) -> int:
    """Return how many parameters the public function of an IR text has."""
    found = _PARAMETERS.search(ir)
    return 0 if found is None else len(_PARAMETER.findall(found.group(1)))
