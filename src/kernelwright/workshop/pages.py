"""The pages that the `docs` tool shows on every chip."""

from collections.abc import Mapping

_RULES = """\
A candidate is one Python file that defines the entry function named in the brief. It may import triton,
torch, math and typing. Host code runs once per workload, apart from the judge, and may:
- read the contents of plan inputs (lengths and offsets, e.g. `qo_indptr.tolist()`), and shape, stride, dtype of
  every tensor;
- allocate with torch.empty, zeros, full (and _like); make integer tables with torch.tensor(list), at most
  64 KiB together; take views; launch Triton kernels.

Everything else on tensors is refused by name: no arithmetic, copies, conversions or reductions on the host. Zeroed
scratch and uploaded tables are timed with each call; host planning is not, but is reported.
The names open, exec, eval, compile, __import__, globals, getattr, setattr, vars and dunder attributes are refused.

Programs of one launch may share memory only by atomics, or in an order that atomics give (release, then acquire; the
default does both): anything else is a race, a memory_fault. No program may wait for one with a higher number.

Verdicts: accepted, incorrect, compile_error, runtime_error, memory_fault, timeout, over_limit, cheating;
harness_error means that we failed, it costs nothing. Hidden workloads of the same regimes have other lengths.
"""

_PROBE = """\
A probe file defines one or more functions without arguments whose names begin with `probe`. Each allocates what it
needs (torch.empty leaves memory as it is; torch.full is timed with the call), launches kernels and returns nothing.
Rules of host code hold. The answer gives for each function:
  {"ns_min": ..., "ns_median": ..., "launches": ..., "repeats": ...}
where ns is for the whole function, all its launches. A failure is told in its place: {"status": ..., "reason": ...}.

    @triton.jit
    def touch(x, N: tl.constexpr):
        i = tl.program_id(0) * N + tl.arange(0, N)
        tl.store(x + i, i.to(tl.float32))

    def probe_write():
        touch[(1024,)](torch.empty(1024 * 1024, dtype=torch.float32), 1024)
"""

_TOOLS = """\
check compiles a candidate and runs small workloads; it costs no evaluation: use it before evaluate.

evaluate answers with the verdict, or with {"job": id} when judging takes long: then call poll with that id until the
verdict comes. history shows what was tried, with evaluation=N its source.

profile shows which public workloads are furthest from the roofline, or gained least on an emulated chip, whose rates
only probes tell. On an emulated chip it also has counters of the slowest three, or of the one that workload=NAME names:
pipes and memory in % of their peak, bytes by cache level, why blocks wait, occupancy and what limits it.

docs has these pages and the functions of Triton's language: query='masked load' searches all of them, page='tl.dot'
shows one.

notes is your memory: it outlives a restart. submit ends the run with the best candidate so far.
"""

PAGES: Mapping[str, str] = {"probe": _PROBE, "rules": _RULES, "tools": _TOOLS}
