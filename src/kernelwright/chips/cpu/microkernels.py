"""Hand-written LLVM IR that finds what the machine can do at most: dots, streams, exponentials."""

import math
import struct
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from typing import Any, cast

import llvmlite.binding as llvm

# Rows of the register block of the dot; its columns are `_columns()` vectors.
ROWS = 6
DEPTH = 64


class Machine:
    """A just-in-time engine for the host; owns every function it hands out."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.features: dict[str, bool] = dict(llvm.get_host_cpu_features())
        self._engines: list[Any] = []

    @property
    def lanes(self) -> int:
        """Return how many 32-bit floats the widest vector register holds."""
        if self.features.get("avx512f"):
            return 16
        return 8 if self.features.get("avx2") else 4

    @property
    def columns(self) -> int:
        """Return the vectors a row of the dot's register block holds: 4 with 32 registers, else 2."""
        return 2 if self.lanes == 8 else 4

    @property
    def has_bf16_dot(self) -> bool:
        """Return whether dots of bf16 pairs are one instruction."""
        return bool(self.features.get("avx512bf16"))

    def function(self, text: str, name: str, arguments: int) -> Callable[..., int]:
        """Return the function `name` of IR `text`, which takes pointers and i64 numbers and returns i64."""
        module = llvm.parse_assembly(text)
        module.verify()
        features = llvm.get_host_cpu_features().flatten()
        # One target machine per engine: an engine owns the one it is given.
        target = llvm.Target.from_default_triple().create_target_machine(llvm.get_host_cpu_name(), features, 3)
        engine = llvm.create_mcjit_compiler(module, target)
        engine.finalize_object()
        self._engines.append(engine)
        kind = CFUNCTYPE(c_int64, *([c_void_p] * arguments))
        return cast(Callable[..., int], kind(engine.get_function_address(name)))


def _loop(entry: str, body: str, step: int, count: str = "%n") -> str:
    """Return a loop over %i from 0 to `count`; `body` may hold phi lines, first, that name %entry and %loop."""
    return f"""
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.next, %loop]
{body}
  %i.next = add i64 %i, {step}
  %more = icmp slt i64 %i.next, {count}
  br i1 %more, label %loop, label %done
done:
{entry}
"""


def read_text() -> str:
    """Return `read(source, n)`: every byte read once, n a multiple of 512."""
    phis = "\n".join(f"  %s{j} = phi <16 x i32> [zeroinitializer, %entry], [%t{j}, %loop]" for j in range(8))
    loads = "\n".join(
        f"""  %o{j} = add i64 %i, {64 * j}
  %p{j} = getelementptr i8, ptr %source, i64 %o{j}
  %v{j} = load <16 x i32>, ptr %p{j}, align 64
  %t{j} = xor <16 x i32> %s{j}, %v{j}"""
        for j in range(8)
    )
    joins = ["  %j0 = xor <16 x i32> %t0, %t1"]
    joins += [f"  %j{j} = xor <16 x i32> %j{j - 1}, %t{j + 1}" for j in range(1, 7)]
    last = """  %r = call i32 @llvm.vector.reduce.xor.v16i32(<16 x i32> %j6)
  %wide = zext i32 %r to i64
  ret i64 %wide"""
    body = _loop("\n".join([*joins, last]), phis + "\n" + loads, 512)
    return f"declare i32 @llvm.vector.reduce.xor.v16i32(<16 x i32>)\ndefine i64 @read(ptr %source, i64 %n) {{{body}}}\n"


def triad_text() -> str:
    """Return `triad(to, left, right, n)`: to = left + 3 right in fp32, n bytes each, stores past the caches."""
    body = """  %pl = getelementptr i8, ptr %left, i64 %i
  %pr = getelementptr i8, ptr %right, i64 %i
  %pt = getelementptr i8, ptr %to, i64 %i
  %l = load <16 x float>, ptr %pl, align 64
  %r = load <16 x float>, ptr %pr, align 64
  %m = fmul <16 x float> %r, splat (float 3.0)
  %s = fadd <16 x float> %l, %m
  store <16 x float> %s, ptr %pt, align 64, !nontemporal !0"""
    loop = _loop("  ret i64 0", body, 64)
    return f"define i64 @triad(ptr %to, ptr %left, ptr %right, i64 %n) {{{loop}}}\n!0 = !{{i32 1}}\n"


def dot_text(kind: str, lanes: int, columns: int) -> str:
    """Return `dot(a, b, c, repeats)`: a register block of ROWS x columns vectors over DEPTH steps, again and again.

    `kind` is "bf16" (a step is a pair of bf16 along the depth, one instruction) or "f32" (a step is one fp32).
    Operands stay in the first-level cache, as they do in a well-blocked product.
    """
    vector = f"<{lanes} x float>"
    cells = [(r, c) for r in range(ROWS) for c in range(columns)]
    phis = "\n".join(f"  %s{r}.{c} = phi {vector} [zeroinitializer, %entry], [%t{r}.{c}, %loop]" for r, c in cells)
    operand = f"<{2 * lanes} x bfloat>" if kind == "bf16" else vector
    loads = [
        f"  %k = and i64 %i, {DEPTH - 1}",
        f"  %kb = mul i64 %k, {4 * lanes * columns}",
        f"  %ka = mul i64 %k, {4 * ROWS}",
    ]
    for c in range(columns):
        loads += [f"  %ob{c} = add i64 %kb, {4 * lanes * c}", f"  %pb{c} = getelementptr i8, ptr %b, i64 %ob{c}"]
        loads += [f"  %b{c} = load {operand}, ptr %pb{c}, align {4 * lanes}"]
    for r in range(ROWS):
        loads += [f"  %oa{r} = add i64 %ka, {4 * r}", f"  %pa{r} = getelementptr i8, ptr %a, i64 %oa{r}"]
        loads += [
            f"  %e{r} = load float, ptr %pa{r}, align 4",
            f"  %f{r} = insertelement {vector} poison, float %e{r}, i32 0",
        ]
        loads += [f"  %g{r} = shufflevector {vector} %f{r}, {vector} poison, <{lanes} x i32> zeroinitializer"]
        loads += [f"  %a{r} = bitcast {vector} %g{r} to {operand}"]
        loads += [f"  %t{r}.{c} = {_multiply_add(kind, vector, operand, r, c)}" for c in range(columns)]
    stores = []
    for n, (r, c) in enumerate(cells):
        stores += [f"  %pc{r}.{c} = getelementptr i8, ptr %c, i64 {4 * lanes * n}"]
        stores += [f"  store {vector} %t{r}.{c}, ptr %pc{r}.{c}, align {4 * lanes}"]
    body = _loop("\n".join([*stores, "  ret i64 0"]), phis + "\n" + "\n".join(loads), 1, "%steps")
    if kind == "bf16":
        declaration = f"declare {vector} @llvm.x86.avx512bf16.dpbf16ps.512({vector}, {operand}, {operand})"
    else:
        declaration = f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})"
    return f"{declaration}\ndefine i64 @dot(ptr %a, ptr %b, ptr %c, i64 %steps) align 64 {{{body}}}\n"


def _multiply_add(kind: str, vector: str, operand: str, row: int, column: int) -> str:
    total, left, right = f"{vector} %s{row}.{column}", f"{operand} %a{row}", f"{operand} %b{column}"
    if kind == "bf16":
        return f"call {vector} @llvm.x86.avx512bf16.dpbf16ps.512({total}, {left}, {right})"
    lanes = vector[1:].split(maxsplit=1)[0]
    return f"call {vector} @llvm.fma.v{lanes}f32({left}, {right}, {total})"


def exp2_text(lanes: int) -> str:
    """Return `exp2(to, source, n)`: 2**x of n bytes of fp32, integer part apart, by a polynomial of degree 5."""
    vector, whole = f"<{lanes} x float>", f"<{lanes} x i32>"
    # Taylor coefficients of 2**f on [-0.5, 0.5], highest first; relative error 3e-6.
    rounded = [_as_float(math.log(2) ** n / math.factorial(n)) for n in range(5, -1, -1)]
    lines = [
        "  %p = getelementptr i8, ptr %source, i64 %i",
        "  %q = getelementptr i8, ptr %to, i64 %i",
        f"  %x = load {vector}, ptr %p, align 4",
        f"  %r = call {vector} @llvm.roundeven.v{lanes}f32({vector} %x)",
        f"  %f = fsub {vector} %x, %r",
    ]
    lines += [f"  %h0 = fadd {vector} zeroinitializer, splat (float {rounded[0]})"]
    for n, term in enumerate(rounded[1:], 1):
        factors = f"{vector} %h{n - 1}, {vector} %f, {vector} splat (float {term})"
        lines += [f"  %h{n} = call {vector} @llvm.fma.v{lanes}f32({factors})"]
    lines += [
        f"  %w = fptosi {vector} %r to {whole}",
        f"  %sh = shl {whole} %w, splat (i32 23)",
        f"  %bits = bitcast {vector} %h{len(rounded) - 1} to {whole}",
        f"  %sum = add {whole} %bits, %sh",
        f"  %y = bitcast {whole} %sum to {vector}",
        f"  store {vector} %y, ptr %q, align 4",
    ]
    declarations = f"""declare {vector} @llvm.roundeven.v{lanes}f32({vector})
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})"""
    loop = _loop("  ret i64 0", "\n".join(lines), 4 * lanes)
    return f"{declarations}\ndefine i64 @exp2(ptr %to, ptr %source, i64 %n) {{{loop}}}\n"


def _as_float(value: float) -> str:
    """Return `value` rounded to fp32, in LLVM's hexadecimal form."""
    (single,) = struct.unpack("f", struct.pack("f", value))
    return "0x" + struct.pack(">d", single).hex().upper()
