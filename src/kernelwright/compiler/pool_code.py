"""The pool's own machine code, as LLVM IR: what workers do, and how a grid is started.

Layout of the control block, in bytes; everything that different threads write has a line of its own:

    0     i64 next program          64  i32 workers still at work (futex)   68  i32 caller sleeps
    128   i64 programs in all      136  i64 programs a chunk               144  ptr body
    152   ptr argument block       160  i32 first nonzero result           164  i32 spins before sleep
    256 + 64 w: slot of worker w:    0  i32 state (futex)                    4  i32 worker sleeps
                                     8  ptr scratch memory                  16  ptr control block
                                    24  i32 thread number of the system

A slot's state goes from 0 (idle) to 1 (called, by the caller) to 2 (at work, by the worker) to 0. A caller with no
programs left calls off the workers that have not begun: it never waits for a thread that the system is slow to run.
"""

NEXT, REMAINING, TOTAL, FAULT, SPINS, SLOTS, SLOT_BYTES = 0, 64, 128, 160, 164, 256, 64
SLOT_SCRATCH, SLOT_CONTROL, SLOT_THREAD = 8, 16, 24

_SYSTEM_CALLS = {"x86_64": {"futex": 202, "gettid": 186}, "aarch64": {"futex": 98, "gettid": 178}}
_RELAX = {"x86_64": "call void @llvm.x86.sse2.pause()", "aarch64": "call void @llvm.aarch64.hint(i32 1)"}
_RELAX_DECLARATION = {
    "x86_64": "declare void @llvm.x86.sse2.pause()",
    "aarch64": "declare void @llvm.aarch64.hint(i32)",
}

_WAIT_PRIVATE, _WAKE_PRIVATE = 128, 129

_CODE = """
declare i64 @syscall(i64, ...)
{relax_declaration}

define void @kw_spin(i64 %count) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  {relax}
  %next = add i64 %i, 1
  %again = icmp ult i64 %next, %count
  br i1 %again, label %loop, label %done
done:
  ret void
}}

define internal void @wait_while(ptr %word, ptr %flag, i32 %value, ptr %control) {{
entry:
  %limit_at = getelementptr i8, ptr %control, i64 164
  %limit = load i32, ptr %limit_at
  br label %spin
spin:
  %i = phi i32 [ 0, %entry ], [ %next, %relax ]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %relax, label %done
relax:
  {relax}
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %limit
  br i1 %more, label %spin, label %sleep
sleep:
  store atomic i32 1, ptr %flag seq_cst, align 4
  %last = load atomic i32, ptr %word seq_cst, align 4
  %still = icmp eq i32 %last, %value
  br i1 %still, label %wait, label %awake
wait:
  %r = call i64 (i64, ...) @syscall(i64 {futex}, ptr %word, i32 {wait}, i32 %value, ptr null)
  br label %awake
awake:
  store atomic i32 0, ptr %flag seq_cst, align 4
  %after = load atomic i32, ptr %word acquire, align 4
  %again = icmp eq i32 %after, %value
  br i1 %again, label %sleep, label %done
done:
  ret void
}}

define internal void @wake(ptr %word, ptr %flag) {{
  %asleep = load atomic i32, ptr %flag seq_cst, align 4
  %is = icmp ne i32 %asleep, 0
  br i1 %is, label %call, label %done
call:
  %r = call i64 (i64, ...) @syscall(i64 {futex}, ptr %word, i32 {wake}, i32 1)
  br label %done
done:
  ret void
}}

define internal void @take(ptr %control, ptr %scratch) {{
entry:
  %total_at = getelementptr i8, ptr %control, i64 128
  %chunk_at = getelementptr i8, ptr %control, i64 136
  %body_at = getelementptr i8, ptr %control, i64 144
  %args_at = getelementptr i8, ptr %control, i64 152
  %fault_at = getelementptr i8, ptr %control, i64 160
  %total = load i64, ptr %total_at
  %chunk = load i64, ptr %chunk_at
  %body = load ptr, ptr %body_at
  %args = load ptr, ptr %args_at
  br label %loop
loop:
  %first = atomicrmw add ptr %control, i64 %chunk monotonic
  %some = icmp slt i64 %first, %total
  br i1 %some, label %run, label %done
run:
  %far = add i64 %first, %chunk
  %short = icmp slt i64 %far, %total
  %last = select i1 %short, i64 %far, i64 %total
  %result = call i32 %body(ptr %args, i64 %first, i64 %last, ptr %scratch)
  %good = icmp eq i32 %result, 0
  br i1 %good, label %loop, label %stop
stop:
  %swap = cmpxchg ptr %fault_at, i32 0, i32 %result monotonic monotonic
  store atomic i64 %total, ptr %control monotonic, align 8
  br label %done
done:
  ret void
}}

define ptr @kw_worker(ptr %slot) {{
entry:
  %flag = getelementptr i8, ptr %slot, i64 4
  %scratch_at = getelementptr i8, ptr %slot, i64 8
  %control_at = getelementptr i8, ptr %slot, i64 16
  %thread_at = getelementptr i8, ptr %slot, i64 24
  %control = load ptr, ptr %control_at
  %remaining = getelementptr i8, ptr %control, i64 64
  %caller_flag = getelementptr i8, ptr %control, i64 68
  %id = call i64 (i64, ...) @syscall(i64 {gettid})
  %thread = trunc i64 %id to i32
  store atomic i32 %thread, ptr %thread_at release, align 4
  br label %loop
loop:
  call void @wait_while(ptr %slot, ptr %flag, i32 0, ptr %control)
  %claim = cmpxchg ptr %slot, i32 1, i32 2 seq_cst seq_cst
  %claimed = extractvalue {{ i32, i1 }} %claim, 1
  br i1 %claimed, label %work, label %loop
work:
  %scratch = load ptr, ptr %scratch_at
  call void @take(ptr %control, ptr %scratch)
  store atomic i32 0, ptr %slot seq_cst, align 4
  %before = atomicrmw sub ptr %remaining, i32 1 seq_cst
  %last = icmp eq i32 %before, 1
  br i1 %last, label %finish, label %loop
finish:
  call void @wake(ptr %remaining, ptr %caller_flag)
  br label %loop
}}

define i32 @kw_run(ptr %control, ptr %body, ptr %args, i64 %total, i64 %chunk, i32 %workers, ptr %scratch) {{
entry:
  %total_at = getelementptr i8, ptr %control, i64 128
  %chunk_at = getelementptr i8, ptr %control, i64 136
  %body_at = getelementptr i8, ptr %control, i64 144
  %args_at = getelementptr i8, ptr %control, i64 152
  %fault_at = getelementptr i8, ptr %control, i64 160
  %remaining = getelementptr i8, ptr %control, i64 64
  %caller_flag = getelementptr i8, ptr %control, i64 68
  store i64 0, ptr %control
  store i64 %total, ptr %total_at
  store i64 %chunk, ptr %chunk_at
  store ptr %body, ptr %body_at
  store ptr %args, ptr %args_at
  store i32 0, ptr %fault_at
  store atomic i32 %workers, ptr %remaining seq_cst, align 4
  br label %start
start:
  %w = phi i32 [ 0, %entry ], [ %next, %one ]
  %more = icmp slt i32 %w, %workers
  br i1 %more, label %one, label %work
one:
  %wide = zext i32 %w to i64
  %offset = mul i64 %wide, 64
  %slots = getelementptr i8, ptr %control, i64 256
  %slot = getelementptr i8, ptr %slots, i64 %offset
  %flag = getelementptr i8, ptr %slot, i64 4
  store atomic i32 1, ptr %slot seq_cst, align 4
  call void @wake(ptr %slot, ptr %flag)
  %next = add i32 %w, 1
  br label %start
work:
  call void @take(ptr %control, ptr %scratch)
  br label %stop
stop:
  %v = phi i32 [ 0, %work ], [ %v.next, %one.stopped ]
  %v.more = icmp slt i32 %v, %workers
  br i1 %v.more, label %one.stop, label %wait
one.stop:
  %v.wide = zext i32 %v to i64
  %v.offset = mul i64 %v.wide, 64
  %v.slots = getelementptr i8, ptr %control, i64 256
  %v.slot = getelementptr i8, ptr %v.slots, i64 %v.offset
  %off = cmpxchg ptr %v.slot, i32 1, i32 0 seq_cst seq_cst
  %called.off = extractvalue {{ i32, i1 }} %off, 1
  %one.less = zext i1 %called.off to i32
  %ignored = atomicrmw sub ptr %remaining, i32 %one.less seq_cst
  %v.next = add i32 %v, 1
  br label %one.stopped
one.stopped:
  br label %stop
wait:
  %left = load atomic i32, ptr %remaining acquire, align 4
  %all = icmp eq i32 %left, 0
  br i1 %all, label %done, label %still
still:
  call void @wait_while(ptr %remaining, ptr %caller_flag, i32 %left, ptr %control)
  br label %wait
done:
  %fault = load atomic i32, ptr %fault_at monotonic, align 4
  ret i32 %fault
}}
"""


def pool_code(arch: str) -> str:
    """Return the pool's LLVM IR for machine `arch`, "x86_64" or "aarch64"."""
    calls = _SYSTEM_CALLS[arch]
    return _CODE.format(
        relax=_RELAX[arch],
        relax_declaration=_RELAX_DECLARATION[arch],
        futex=calls["futex"],
        gettid=calls["gettid"],
        wait=_WAIT_PRIVATE,
        wake=_WAKE_PRIVATE,
    )
