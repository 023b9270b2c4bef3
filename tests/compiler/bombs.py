"""Triton IR of kernels that are too much, and a process in which they must be refused within so much memory.

`python -m tests.compiler.bombs NAME BYTES` compiles one with `BYTES` of address space on top of what is mapped already.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

from kernelwright.compiler import CompileOptions, compile_ttir
from kernelwright.core.errors import OverLimitError


def kernel(body: str, before: str = "") -> str:
    """Return a kernel on 64 floats: `%p` points to them, `%v0` is what they are."""
    return f"""module {{
{before}
  tt.func public @bomb(%x: !tt.ptr<f32>) {{
    %true = arith.constant true
    %r = tt.make_range {{end = 64 : i32, start = 0 : i32}} : tensor<64xi32>
    %s = tt.splat %x : !tt.ptr<f32> -> tensor<64x!tt.ptr<f32>>
    %p = tt.addptr %s, %r : tensor<64x!tt.ptr<f32>>, tensor<64xi32>
    %v0 = tt.load %p : tensor<64x!tt.ptr<f32>>
{body}
    tt.return
  }}
}}"""


def unrolled(rounds: int) -> str:
    """Return what `tl.static_range(rounds)` makes of a load, an exponential and a store."""
    lines = []
    for n in range(1, rounds + 1):
        lines.append(f"%v{n} = tt.load %p : tensor<64x!tt.ptr<f32>>")
        lines.append(f"%e{n} = math.exp %v{n} : tensor<64xf32>")
        lines.append(f"tt.store %p, %e{n} : tensor<64x!tt.ptr<f32>>")
    return kernel("\n".join(lines))


def chain(length: int) -> str:
    """Return a value that is added to itself again and again."""
    lines = [f"%v{n + 1} = arith.addf %v{n}, %v{n} : tensor<64xf32>" for n in range(length)]
    return kernel("\n".join([*lines, f"tt.store %p, %v{length} : tensor<64x!tt.ptr<f32>>"]))


def nested(depth: int) -> str:
    """Return branches within branches."""
    store = "tt.store %p, %v0 : tensor<64x!tt.ptr<f32>>"
    return kernel("scf.if %true {\n" * depth + store + "\n}" * depth)


def calls(functions: int, width: int) -> str:
    """Return functions that each call the next one `width` times."""
    texts = []
    for n in range(functions):
        inner = "\n".join(f"%c{k} = tt.call @f{n + 1}(%a) : (f32) -> f32" for k in range(width))
        texts.append(f"tt.func private @f{n}(%a: f32) -> f32 {{\n{inner}\ntt.return %c0 : f32\n}}")
    texts.append(
        f"tt.func private @f{functions}(%a: f32) -> f32 {{\n%b = arith.addf %a, %a : f32\ntt.return %b : f32\n}}"
    )
    return kernel("%k = arith.constant 1.0 : f32\n%c = tt.call @f0(%k) : (f32) -> f32", "\n".join(texts))


def dots(count: int) -> str:
    """Return so many dots in a row."""
    lines = [
        "%a0 = arith.constant dense<1.5> : tensor<16x16xf32>",
        "%z = arith.constant dense<0.0> : tensor<16x16xf32>",
    ]
    shape = "tensor<16x16xf32>"
    lines += [f"%a{n + 1} = tt.dot %a{n}, %a{n}, %z : {shape} * {shape} -> {shape}" for n in range(count)]
    return kernel("\n".join(lines))


def tensor(shape: str) -> str:
    """Return a kernel with a tensor of that shape."""
    return kernel(f"%t = arith.constant dense<1.0> : tensor<{shape}xf32>")


def wide(chains: int) -> str:
    """Return ops within limits that need much code each: chains of 1,900 exponentials."""
    lines = []
    for c in range(chains):
        last = "v0"
        for n in range(1_900):
            lines.append(f"%c{c}e{n} = math.exp %{last} : tensor<64xf32>")
            last = f"c{c}e{n}"
        lines.append(f"tt.store %p, %{last} : tensor<64x!tt.ptr<f32>>")
    return kernel("\n".join(lines))


BOMBS: dict[str, Callable[[], str]] = {
    "static_range": lambda: unrolled(100_000),
    "unrolled": lambda: unrolled(20_000),
    "chain": lambda: chain(9_000),
    "nested": lambda: nested(100_000),
    "calls": lambda: calls(60, 2),
    "dots": lambda: dots(5_000),
    "elements": lambda: tensor("1048576x1048576"),
    "values": lambda: wide(5),
}


def main(name: str, more_bytes: int) -> None:
    compile_ttir(kernel(""), CompileOptions())  # what every compilation needs is in memory now
    text = BOMBS[name]()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more_bytes, mapped + more_bytes))
    try:
        compile_ttir(text, CompileOptions())
    except OverLimitError as error:
        print(error)
    else:
        print("compiled")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
