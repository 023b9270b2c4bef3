"""The table of ops that people read is what the code does."""

import mmap
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import triton

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "compiler_ops"
# Names in the library that look like ops and are attributes.
ATTRIBUTES = {
    "arith.fastmath", "arith.overflow", "arith.bounds_narrowing_failed", "tt.cache_policy", "tt.constancy",
    "tt.contiguity", "tt.desired_encoding", "tt.disallow_acc_multi_buffer", "tt.divisibility", "tt.flatten",
    "tt.latency", "tt.loop_schedule", "tt.loop_unroll_factor", "tt.num_stages", "tt.nv_tma_desc", "tt.pointee_type",
    "tt.pointer_range", "tt.ptr", "tt.scheduled_max_stage", "tt.self_latency", "tt.tensordesc", "tt.warp_specialize",
    "math.h", "tt.descriptor_gase",
}  # fmt: skip


def test_the_table_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_refused_op_of_tritons_own_dialect_has_a_reason_of_its_own() -> None:
    rows = re.findall(r"^\| `tt\.[^`]+` \| refused \| (.*) \|$", (ROOT / "docs" / "compiler-ops.md").read_text(), re.M)
    assert rows
    assert not [row for row in rows if not row or row == runpy.run_path(str(SCRIPT))["NEVER_MADE"]]


@pytest.mark.slow
def test_every_op_that_the_installed_triton_registers_is_in_the_table() -> None:
    known = {f"{d}.{n}" for d, names in runpy.run_path(str(SCRIPT))["OPS"].items() for n in names.split()}
    library = Path(triton.__file__).parent / "_C" / "libtriton.so"
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = {m[1].decode() for m in re.finditer(rb"\0((?:tt|arith|math|scf|cf)\.[a-z_0-9.]{2,40})(?=\0)", data)}
    registered = {name for name in found if "tt.make_tensor_d" not in name.removeprefix("tt.") and "__" not in name}
    assert not registered - known - ATTRIBUTES - {name for name in registered if len(name) > 36}
