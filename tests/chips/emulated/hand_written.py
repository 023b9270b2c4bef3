"""A machine of M890-like numbers, and tile programs with traces written by hand, as lowering would give them."""

import math
from dataclasses import dataclass, replace

import numpy as np

from kernelwright.chips.emulated.machine import Atom, Machine
from kernelwright.chips.emulated.tile_program import Access, DotShape, Kind, Segment, TileOp, TileProgram
from kernelwright.chips.emulated.trace import AccessFacts, Trace

KIB, MIB = 1024, 1024 * 1024
WIDTHS = {"f32": 4, "tf32": 4, "f16": 2, "bf16": 2, "f8": 1, "i8": 1, "f4": 1}

MACHINE = Machine(
    name="m890", title="M890-like", family="zhenwu", projected=False, capability=89, clock_hz=1.2e9,
    units=40, dies=2, engines=8, lanes=128, warp_lanes=32, registers=131_072, registers_granularity=64,
    registers_per_thread=256, max_warps=64, max_blocks=64, max_warps_per_block=32,
    dot_flops={"f32": 256.0, "tf32": 4096.0, "f16": 8192.0, "bf16": 8192.0, "f8": 16384.0, "i8": 16384.0},
    atoms={"tf32": Atom(16, 16, 8), "f16": Atom(16, 16, 16), "bf16": Atom(16, 16, 16), "f8": Atom(16, 16, 32),
           "i8": Atom(16, 16, 32)},
    dot_latency=32,
    lane_cost={"f32": 1.0, "int": 1.0, "wide": 4.0, "convert": 2.0, "divide": 10.0, "select": 1.0, "move": 1.0},
    lane_latency=5, special_per_cycle={"exp": 32.0, "log": 32.0, "rsqrt": 32.0, "sincos": 32.0, "other": 16.0},
    special_latency=24, barrier_cycles=24, shared_bytes=256 * KIB, shared_block_bytes=256 * KIB,
    shared_bytes_per_cycle=256, shared_banks=32, shared_latency=28, copy_bytes_per_cycle=96.0,
    copy_request_cycles=4.0, bulk_bits=(8, 16), bulk_bytes_per_cycle=128.0, bulk_setup_cycles=60, bulk_depth=16,
    bulk_align=32, bulk_rows=16, bulk_inner_bytes=32, line_bytes=128, sector_bytes=32, l2_units=4, l2_bytes=MIB,
    l2_bytes_per_cycle=512.0, l2_latency=180, llc_bytes=64 * MIB, llc_slices=16, llc_bytes_per_cycle=7168.0,
    llc_latency=300, die_link_bytes_per_cycle=2048.0, die_link_latency=80, memory_bytes=144 * 10**9,
    memory_bytes_per_s=4.4e12, memory_efficiency=0.95, memory_channels=96, memory_latency=520, atomic_cycles=2.0,
    launch_floor_ns=6000, dispatch_cycles=8.0, tdp_w=700.0, idle_w=100.0, droop_floor=0.8,
    energy_pj={"lane": 2.0, "special": 6.0, "dot_f16": 0.5, "shared_byte": 1.0, "l2_byte": 3.0, "llc_byte": 8.0,
               "memory_byte": 40.0, "link_byte": 6.0},
    fused_off=(39,),
)  # fmt: skip


@dataclass(frozen=True)
class Gemm:
    """C = A B: row-major A (m x k) and B (k x n), pipelined copies of `stages` buffers, blocks in groups of rows."""

    m: int = 4096
    n: int = 4096
    k: int = 4096
    block_m: int = 128
    block_n: int = 128
    block_k: int = 64
    warps: int = 8
    stages: int = 3
    dtype: str = "f16"
    group: int = 8
    registers: int = 128
    vector_bytes: int = 16
    align_bytes: int = 128
    conflicts: float = 1.0
    priority: str = "normal"
    column_major_b: bool = False

    @property
    def flops(self) -> int:
        return 2 * self.m * self.n * self.k

    @property
    def compulsory_bytes(self) -> int:
        width = WIDTHS[self.dtype]
        return (self.m * self.k + self.k * self.n) * width + self.m * self.n * 2


def warp_grid(warps: int, block_m: int, block_n: int) -> tuple[int, int]:
    """Return warps along m and n, as square as Triton makes warp tiles."""
    rows, columns = 1, 1
    while rows * columns < warps:
        if block_m / rows >= block_n / columns:
            rows *= 2
        else:
            columns *= 2
    return rows, columns


def gemm_program(gemm: Gemm) -> TileProgram:
    """Return prologue, body, drained body and epilogue; slots: 0 accumulator, 1 and 2 operands, 3 result."""
    width = WIDTHS[gemm.dtype]
    rows, columns = warp_grid(gemm.warps, gemm.block_m, gemm.block_n)
    threads = gemm.warps * 32
    order_b = (0, 1) if gemm.column_major_b else (1, 0)
    accesses = (
        Access(False, (gemm.block_m, gemm.block_k), width, (1, 0), gemm.vector_bytes, threads, gemm.priority),
        Access(False, (gemm.block_k, gemm.block_n), width, order_b, gemm.vector_bytes, threads, gemm.priority),
        Access(True, (gemm.block_m, gemm.block_n), 2, (1, 0), 16, threads),
    )
    read_a = gemm.block_m * gemm.block_k * width * columns
    read_b = gemm.block_k * gemm.block_n * width * rows
    dot = DotShape(gemm.block_m, gemm.block_n, gemm.block_k, rows, columns, gemm.dtype)
    copies = (
        TileOp(Kind.COPY, "copy a", access=0),
        TileOp(Kind.COPY, "copy b", access=1),
        TileOp(Kind.COMMIT, "commit"),
    )
    compute = (
        _read("read a", read_a, gemm.conflicts, 1),
        _read("read b", read_b, gemm.conflicts, 2),
        TileOp(Kind.DOT, "dot", reads=(0, 1, 2), writes=(0,), dot=dot, line=7),
    )
    wait = TileOp(Kind.WAIT, "wait", count=max(0, gemm.stages - 2))
    outputs = gemm.block_m * gemm.block_n
    return TileProgram(
        name="gemm",
        segments=(
            Segment("prologue", copies),
            Segment("body", (wait, *copies, *compute)),
            Segment("drain", (TileOp(Kind.WAIT, "wait", count=0), *compute)),
            Segment(
                "epilogue",
                (
                    TileOp(Kind.LANES, "convert", reads=(0,), writes=(3,), amounts={"convert": outputs}),
                    TileOp(Kind.STORE, "store", reads=(3,), access=2),
                ),
            ),
        ),
        accesses=accesses,
        slots=4,
        warps=gemm.warps,
        stages=gemm.stages,
        shared_bytes=max(1, gemm.stages - 1) * (gemm.block_m + gemm.block_n) * gemm.block_k * width,
        registers_per_thread=gemm.registers,
        capability=89,
    )


def _read(name: str, size: float, conflicts: float, slot: int) -> TileOp:
    amounts = {"bytes": size, "wavefront_bytes": size * conflicts}
    return TileOp(Kind.SHARED_READ, name, writes=(slot,), amounts=amounts)


def gemm_trace(gemm: Gemm) -> Trace:
    """Return the trace of a GEMM; blocks go down groups of `group` rows, as the tutorials' do."""
    width = WIDTHS[gemm.dtype]
    across, down = math.ceil(gemm.n / gemm.block_n), math.ceil(gemm.m / gemm.block_m)
    steps_k = math.ceil(gemm.k / gemm.block_k)
    ahead = min(max(1, gemm.stages - 1), steps_k)
    segments = [0] * ahead + [1] * (steps_k - ahead) + [2] * ahead + [3]
    a_base, b_base, c_base = 1 << 40, 2 << 40, 3 << 40
    block = np.arange(across * down)
    in_group = gemm.group * across
    first_row = block // in_group * gemm.group
    height = np.minimum(down - first_row, gemm.group)
    row, column = first_row + block % in_group % height, block % in_group // height
    step = np.arange(steps_k)
    a = a_base + (row[:, None] * gemm.block_m * gemm.k + step * gemm.block_k) * width
    b = b_base + (step * gemm.block_k * gemm.n + column[:, None] * gemm.block_n) * width
    c = c_base + (row * gemm.block_m * gemm.n + column * gemm.block_n) * 2
    inputs = np.stack([a, b], axis=2).reshape(len(block), -1)
    addresses = np.concatenate([inputs, c[:, None]], axis=1)
    counts = np.array([2 if s in (0, 1) else int(s == 3) for s in segments])
    sizes = [gemm.block_m * gemm.block_k, gemm.block_k * gemm.block_n]
    active = np.tile(np.array(sizes * steps_k + [gemm.block_m * gemm.block_n], np.int32), len(block))
    inner_b = gemm.block_k if gemm.column_major_b else gemm.block_n
    strides_b = (1, gemm.k) if gemm.column_major_b else (gemm.n, 1)
    return Trace(
        first_step=np.arange(len(block) + 1, dtype=np.int64) * len(segments),
        segments=np.tile(np.array(segments, np.int32), len(block)),
        first_access=np.concatenate([[0], np.cumsum(np.tile(counts, len(block)))]).astype(np.int64),
        addresses=addresses.reshape(-1).astype(np.int64),
        active=active,
        facts=(
            AccessFacts((gemm.k, 1), gemm.align_bytes, gemm.block_k),
            AccessFacts(strides_b, gemm.align_bytes, inner_b),
            AccessFacts((gemm.n, 1), 128, gemm.block_n),
        ),
    )


@dataclass(frozen=True)
class Stream:
    """y = f(x) over `elements`, `block` elements a block and `steps` steps a block."""

    elements: int = 1 << 26
    block: int = 4096
    steps: int = 1
    warps: int = 4
    element_bytes: int = 4
    vector_bytes: int = 16
    stride: int = 1
    priority: str = "normal"
    lanes: tuple[tuple[str, float], ...] = (("f32", 1.0),)
    special: tuple[tuple[str, float], ...] = ()
    registers: int = 32
    writes: bool = True
    atomic: bool = False
    atomic_targets: int = 0
    in_place: bool = False


def stream_program(stream: Stream) -> TileProgram:
    threads = stream.warps * 32
    shape = (stream.block,)
    read = Access(False, shape, stream.element_bytes, (0,), stream.vector_bytes, threads, stream.priority)
    write = Access(True, shape, stream.element_bytes, (0,), stream.vector_bytes, threads, stream.priority)
    ops = [TileOp(Kind.LOAD, "load", writes=(0,), access=0)]
    lanes = {name: amount * stream.block for name, amount in stream.lanes}
    ops.append(TileOp(Kind.LANES, "arithmetic", reads=(0,), writes=(1,), amounts=lanes))
    if stream.special:
        special = {name: amount * stream.block for name, amount in stream.special}
        ops.append(TileOp(Kind.SPECIAL, "special", reads=(1,), writes=(1,), amounts=special))
    if stream.atomic:
        ops.append(TileOp(Kind.ATOMIC, "add", reads=(1,), access=1, amounts={"operations": float(stream.block)}))
    elif stream.writes:
        ops.append(TileOp(Kind.STORE, "store", reads=(1,), access=1))
    accesses = (read, write) if stream.writes or stream.atomic else (read,)
    return TileProgram(
        "stream", (Segment("body", tuple(ops)),), accesses, 2, stream.warps, 1, 0, stream.registers, 89
    )  # fmt: skip


def stream_trace(stream: Stream, steps_of: list[int] | None = None) -> Trace:
    """Return the trace; `steps_of` gives every block its own number of steps."""
    blocks = stream.elements // (stream.block * stream.steps)
    counts = np.array(steps_of if steps_of is not None else [stream.steps] * blocks, np.int64)
    total = int(counts.sum())
    size = stream.block * stream.element_bytes * stream.stride
    x = (1 << 40) + np.arange(total, dtype=np.int64) * size
    target = np.arange(total, dtype=np.int64) % stream.atomic_targets if stream.atomic_targets else np.arange(total)
    y = ((1 if stream.in_place else 2) << 40) + target * stream.block * stream.element_bytes
    both = stream.writes or stream.atomic
    addresses = np.stack([x, y], axis=1).reshape(-1) if both else x
    fact = AccessFacts((stream.stride,), 128, stream.block if stream.stride == 1 else 1)
    return Trace(
        first_step=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        segments=np.zeros(total, np.int32),
        first_access=np.arange(total + 1, dtype=np.int64) * (2 if both else 1),
        addresses=addresses.astype(np.int64),
        active=np.full(len(addresses), stream.block, np.int32),
        facts=(fact, AccessFacts((1,), 128, stream.block)) if both else (fact,),
    )


@dataclass(frozen=True)
class Attention:
    """Causal-free attention: one block a query tile and head, K and V streamed; keys shared by `sharing` heads."""

    heads: int = 16
    queries: int = 4096
    keys: int = 4096
    width: int = 128
    block_m: int = 128
    block_n: int = 64
    warps: int = 8
    stages: int = 2
    sharing: int = 1
    registers: int = 224
    exp: str = "exp"
    causal: bool = False


def attention_program(attention: Attention) -> TileProgram:
    """Return slots: 0 accumulator, 1 scores, 2 probabilities, 3 statistics, 4 operand, 5 Q."""
    m, n, d = attention.block_m, attention.block_n, attention.width
    threads = attention.warps * 32
    scores = float(m * n)
    accesses = (
        Access(False, (m, d), 2, (1, 0), 16, threads),
        Access(False, (n, d), 2, (1, 0), 16, threads),
        Access(False, (n, d), 2, (1, 0), 16, threads),
        Access(True, (m, d), 2, (1, 0), 16, threads),
    )
    warps = attention.warps
    operand = float(n * d * 2 * warps)
    copies = (
        TileOp(Kind.COPY, "copy k", access=1),
        TileOp(Kind.COMMIT, "commit"),
        TileOp(Kind.COPY, "copy v", access=2),
        TileOp(Kind.COMMIT, "commit"),
    )
    qk = DotShape(m, n, d, warps, 1, "f16")
    pv = DotShape(m, d, n, warps, 1, "f16")
    compute = (
        _read("read k", operand, 1.0, 4),
        TileOp(Kind.DOT, "qk", reads=(4, 5), writes=(1,), dot=qk),
        TileOp(Kind.LANES, "maximum", reads=(1, 3), writes=(3,), amounts={"f32": 2.5 * scores}),
        TileOp(Kind.SPECIAL, "exp", reads=(1, 3), writes=(2,), amounts={attention.exp: scores}),
        TileOp(Kind.LANES, "sum", reads=(2, 3), writes=(3,), amounts={"f32": scores + m * d, "convert": scores / 2}),
        TileOp(Kind.WAIT, "wait v", count=2 * (attention.stages - 1)),
        _read("read v", operand, 1.0, 4),
        TileOp(Kind.DOT, "pv", reads=(0, 2, 3, 4), writes=(0,), dot=pv),
    )
    wait = TileOp(Kind.WAIT, "wait k", count=2 * attention.stages - 1)
    return TileProgram(
        "attention",
        (
            Segment("prologue", (TileOp(Kind.LOAD, "load q", writes=(5,), access=0),)),
            Segment("ahead", copies),
            Segment("body", (*copies, wait, *compute)),
            Segment("drain", (TileOp(Kind.WAIT, "wait", count=0), *compute)),
            Segment("epilogue", (TileOp(Kind.STORE, "store", reads=(0,), access=3),)),
        ),
        accesses,
        slots=6,
        warps=warps,
        stages=attention.stages,
        shared_bytes=attention.stages * 2 * n * d * 2,
        registers_per_thread=attention.registers,
        capability=89,
    )


def attention_trace(attention: Attention) -> Trace:
    m, n, d = attention.block_m, attention.block_n, attention.width
    tiles = attention.queries // m
    segments: list[int] = []
    addresses: list[int] = []
    active: list[int] = []
    first_step, first_access = [0], [0]
    for head in range(attention.heads):
        for tile in range(tiles):
            reach = min(attention.keys, (tile + 1) * m) if attention.causal else attention.keys
            steps = math.ceil(reach / n)
            q = (1 << 40) + (head * attention.queries + tile * m) * d * 2
            key_head = head // attention.sharing
            keys = [(2 << 40) + (key_head * attention.keys + step * n) * d * 2 for step in range(steps)]
            ahead = min(attention.stages - 1, steps)
            plan = [(0, [q])]
            plan += [(1 if step < ahead else 2, [key, key + (1 << 40)]) for step, key in enumerate(keys)]
            plan += [(3, [])] * ahead
            plan += [(4, [q + (4 << 40)])]
            for segment, where in plan:
                segments.append(segment)
                addresses += where
                active += [n * d if segment in (1, 2) else m * d] * len(where)
                first_access.append(len(addresses))
            first_step.append(len(segments))
    fact = AccessFacts((d, 1), 128, n * d)
    return Trace(
        np.array(first_step, np.int64),
        np.array(segments, np.int32),
        np.array(first_access, np.int64),
        np.array(addresses, np.int64),
        np.array(active, np.int32),
        (replace(fact, run_elements=m * d), fact, fact, replace(fact, run_elements=m * d)),
    )
