"""What our own compiler reaches on this machine, from Triton IR written by hand."""

import time
from collections.abc import Callable

import numpy as np

from kernelwright.compiler import CompileOptions, compile_ttir
from kernelwright.core.errors import CompileError

_ROWS, _COLUMNS, _DEPTH = 64, 64, 128
_STEPS = 64
_PROGRAMS_PER_THREAD = 8
_LAUNCHES = 200

_EMPTY = """module {
  tt.func public @empty(%out: !tt.ptr<f32>) attributes {noinline = false} {
    tt.return
  }
}
"""


def compiled_dot(kind: str, threads: int) -> tuple[float, Callable[[], object]] | None:
    """Return (floating-point operations, call) of a `tl.dot` loop on all threads, None when there is no such dot."""
    try:
        kernel = compile_ttir(_dot_text(kind), CompileOptions(checked=False, noalias=True))
    except CompileError:
        return None
    width = 4 if kind == "f32" else 2
    left = np.zeros(_ROWS * _DEPTH * width + 64, dtype=np.uint8)
    right = np.zeros(_DEPTH * _COLUMNS * width + 64, dtype=np.uint8)
    programs = threads * _PROGRAMS_PER_THREAD
    out = np.zeros(programs * _ROWS * _COLUMNS + 16, dtype=np.float32)
    args = tuple(int(a.ctypes.data) + -int(a.ctypes.data) % 64 for a in (left, right, out))
    work = 2 * _ROWS * _COLUMNS * _DEPTH * _STEPS * programs
    arrays = (left, right, out)

    def call() -> None:
        kernel.launch((programs, 1, 1), args, threads=threads)
        assert arrays  # the addresses are theirs

    return work, call


def launch_ns(threads: int) -> float:
    """Return the median wall time, in ns, of launching one program that does nothing."""
    kernel = compile_ttir(_EMPTY, CompileOptions(checked=False, noalias=False))
    out = np.zeros(16, dtype=np.float32)
    times = []
    for _ in range(_LAUNCHES):
        start = time.perf_counter_ns()
        kernel.launch((threads, 1, 1), (int(out.ctypes.data),), threads=threads)
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times))


def _tile(name: str, base: str, rows: int, columns: int, kind: str) -> str:
    """Return IR lines that make pointers %name of a row-major tile."""
    shape, flat = f"{rows}x{columns}", f"{rows}x1"
    return f"""    %{name}.r = tt.make_range {{end = {rows} : i32, start = 0 : i32}} : tensor<{rows}xi32>
    %{name}.c = tt.make_range {{end = {columns} : i32, start = 0 : i32}} : tensor<{columns}xi32>
    %{name}.r1 = tt.expand_dims %{name}.r {{axis = 1 : i32}} : tensor<{rows}xi32> -> tensor<{flat}xi32>
    %{name}.c1 = tt.expand_dims %{name}.c {{axis = 0 : i32}} : tensor<{columns}xi32> -> tensor<1x{columns}xi32>
    %{name}.w = arith.constant dense<{columns}> : tensor<{flat}xi32>
    %{name}.r2 = arith.muli %{name}.r1, %{name}.w : tensor<{flat}xi32>
    %{name}.r3 = tt.broadcast %{name}.r2 : tensor<{flat}xi32> -> tensor<{shape}xi32>
    %{name}.c3 = tt.broadcast %{name}.c1 : tensor<1x{columns}xi32> -> tensor<{shape}xi32>
    %{name}.o = arith.addi %{name}.r3, %{name}.c3 : tensor<{shape}xi32>
    %{name}.s = tt.splat {base} : !tt.ptr<{kind}> -> tensor<{shape}x!tt.ptr<{kind}>>
    %{name} = tt.addptr %{name}.s, %{name}.o : tensor<{shape}x!tt.ptr<{kind}>>, tensor<{shape}xi32>
"""


def _dot_text(kind: str) -> str:
    left, right, total = (
        f"tensor<{_ROWS}x{_DEPTH}x{kind}>",
        f"tensor<{_DEPTH}x{_COLUMNS}x{kind}>",
        f"tensor<{_ROWS}x{_COLUMNS}xf32>",
    )
    pointers = f"tensor<{_ROWS}x{_DEPTH}x!tt.ptr<{kind}>>", f"tensor<{_DEPTH}x{_COLUMNS}x!tt.ptr<{kind}>>"
    pointer = "!tt.ptr<{}> {{tt.divisibility = 16 : i32}}"
    parameters = ", ".join(f"%{n}: {pointer.format(k)}" for n, k in (("a", kind), ("b", kind), ("c", "f32")))
    tiles = _tile("pa", "%a", _ROWS, _DEPTH, kind) + _tile("pb", "%b", _DEPTH, _COLUMNS, kind)
    return f"""module {{
  tt.func public @dot_rate({parameters}) attributes {{noinline = false}} {{
{tiles}    %zero = arith.constant dense<0.000000e+00> : {total}
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %steps = arith.constant {_STEPS} : i32
    %size = arith.constant {_ROWS * _COLUMNS} : i32
    %sum = scf.for %i = %c0 to %steps step %c1 iter_args(%acc = %zero) -> ({total})  : i32 {{
      %left = tt.load %pa : {pointers[0]}
      %right = tt.load %pb : {pointers[1]}
      %next = tt.dot %left, %right, %acc, inputPrecision = ieee : {left} * {right} -> {total}
      scf.yield %next : {total}
    }}
    %pid = tt.get_program_id x : i32
    %skip = arith.muli %pid, %size : i32
    %mine = tt.addptr %c, %skip : !tt.ptr<f32>, i32
{_tile("pc", "%mine", _ROWS, _COLUMNS, "f32")}    tt.store %pc, %sum : tensor<{_ROWS}x{_COLUMNS}x!tt.ptr<f32>>
    tt.return
  }}
}}
"""
