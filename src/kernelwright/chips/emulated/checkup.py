"""Whether the emulator works on this machine: a small kernel goes through all of it, twice."""

from kernelwright.chips.emulated.plan_time import time_plan
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import Buffer, KernelIR, Launch, LaunchOption, LaunchPlan, PointerArg, ScalarArg

_CHIP = "m890"
_ELEMENTS = 1000
_ADD = """
module {
  tt.func public @add(%x: !tt.ptr<f32>, %y: !tt.ptr<f32>, %out: !tt.ptr<f32>, %n: i32) attributes {noinline = false} {
    %c = arith.constant 128 : i32
    %p = tt.get_program_id x : i32
    %first = arith.muli %p, %c : i32
    %range = tt.make_range {end = 128 : i32, start = 0 : i32} : tensor<128xi32>
    %base = tt.splat %first : i32 -> tensor<128xi32>
    %i = arith.addi %base, %range : tensor<128xi32>
    %end = tt.splat %n : i32 -> tensor<128xi32>
    %mask = arith.cmpi slt, %i, %end : tensor<128xi32>
    %xs = tt.splat %x : !tt.ptr<f32> -> tensor<128x!tt.ptr<f32>>
    %xp = tt.addptr %xs, %i : tensor<128x!tt.ptr<f32>>, tensor<128xi32>
    %a = tt.load %xp, %mask : tensor<128x!tt.ptr<f32>>
    %ys = tt.splat %y : !tt.ptr<f32> -> tensor<128x!tt.ptr<f32>>
    %yp = tt.addptr %ys, %i : tensor<128x!tt.ptr<f32>>, tensor<128xi32>
    %b = tt.load %yp, %mask : tensor<128x!tt.ptr<f32>>
    %sum = arith.addf %a, %b : tensor<128xf32>
    %os = tt.splat %out : !tt.ptr<f32> -> tensor<128x!tt.ptr<f32>>
    %op = tt.addptr %os, %i : tensor<128x!tt.ptr<f32>>, tensor<128xi32>
    tt.store %op, %sum, %mask : tensor<128x!tt.ptr<f32>>
    tt.return
  }
}
"""


def check_emulator() -> tuple[bool, str]:
    """Return whether two emulations of one kernel gave the same time, and what time that was."""
    machine = load_profile(_CHIP).machine()
    times = [time_plan(machine, _plan(), {}).time_ns for _ in range(2)]
    is_exact = times[0] == times[1] and times[0] > machine.launch_floor_ns
    again = "the same twice" if is_exact else "not the same twice"
    return is_exact, f"{_ELEMENTS:,} sums on {_CHIP}: {times[0]:,} ns emulated, {again}"


def _plan() -> LaunchPlan:
    roles = (("x", "input"), ("y", "input"), ("out", "output"))
    buffers = tuple(Buffer(name, role, "f32", 4 * _ELEMENTS) for name, role in roles)  # type: ignore[arg-type]
    args = (PointerArg(0), PointerArg(1), PointerArg(2), ScalarArg("i32", _ELEMENTS))
    launch = Launch((LaunchOption(0, (-(-_ELEMENTS // 128), 1, 1), args),))
    return LaunchPlan((KernelIR("add", _ADD, ir_sha256(_ADD), 4, 1),), buffers, (launch,))
