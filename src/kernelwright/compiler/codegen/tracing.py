"""What generated code writes down of its accesses to writable memory, for the race analysis in `compiler.races`.

A trace is a header of 64 bytes and then events of 16 bytes:

    header   0  i64 events so far         8  i64 events that fit
            16  i64 equal events in a row 24  i64 why the launch was stopped (0 not, 1 full, 2 waits without end)
            32  i64 programs if they run last one first, else 0
    event    0  i64 address               8  i64 size in bytes (31 bits), kind << 32, op number << 40

An event of kind 0 begins a program, whose number is its address. An access that begins where the event before it,
of the same op and kind, ends is added to that event; one that is equal to it is only counted.
"""

from kernelwright.compiler.ir import Op

READ, WRITE, ATOMIC, ACQUIRE, RELEASE = 1, 2, 4, 8, 16
KIND_SHIFT, OP_SHIFT = 32, 40
HEADER_BYTES, EVENT_BYTES = 64, 16
FULL, ENDLESS = 1, 2
# A program alone on its thread that repeats one access so often waits for another program.
MOST_REPEATS = 1 << 25

_ORDERS = {"acquire": ACQUIRE, "release": RELEASE, "acq_rel": ACQUIRE | RELEASE, "relaxed": 0}


def atomic_kind(op: Op) -> int:
    """Return the kind bits of an atomic op; one whose scope is a single program orders nothing between programs."""
    ordering = _ORDERS[str(op.attrs.get("sem", "acq_rel"))] if op.attrs.get("scope") != "cta" else 0
    if op.name in ("tt.atomic_load", "tt.atomic_poll"):
        return ATOMIC | READ | ordering
    if op.name == "tt.atomic_store":
        return ATOMIC | WRITE | ordering
    blind = op.attrs.get("kind") == "exch" and not op.result.uses
    return ATOMIC | WRITE | ordering | (0 if blind else READ)


def event_key(number: int, kind: int) -> int:
    """Return the second word of an event of op `number`, less its size."""
    return number << OP_SHIFT | kind << KIND_SHIFT


NOTE = f"""
declare i64 @llvm.cttz.i64(i64, i1)
define internal i1 @kw_note(ptr %trace, i64 %address, i64 %size, i64 %lanes, i64 %key, i1 %counts) {{
entry:
  %off = icmp eq ptr %trace, null
  %on = xor i1 %off, true
  %noted = and i1 %on, %counts
  br i1 %noted, label %head, label %go
head:
  %left = phi i64 [ %lanes, %entry ], [ %rest, %extend ], [ %rest, %append ], [ %rest, %repeat ]
  %some = icmp ne i64 %left, 0
  br i1 %some, label %run, label %go
run:
  %skip = call i64 @llvm.cttz.i64(i64 %left, i1 false)
  %shifted = lshr i64 %left, %skip
  %holes = xor i64 %shifted, -1
  %count = call i64 @llvm.cttz.i64(i64 %holes, i1 false)
  %lowest = shl i64 1, %skip
  %carried = add i64 %left, %lowest
  %rest = and i64 %left, %carried
  %skipped = mul i64 %skip, %size
  %first = add i64 %address, %skipped
  %bytes = mul i64 %count, %size
  %word = or i64 %bytes, %key
  %used = load i64, ptr %trace
  %offset = mul i64 %used, {EVENT_BYTES}
  %behind = getelementptr i8, ptr %trace, i64 {HEADER_BYTES}
  %place = getelementptr i8, ptr %behind, i64 %offset
  %place.word = getelementptr i8, ptr %place, i64 8
  %last = getelementptr i8, ptr %place, i64 -{EVENT_BYTES}
  %last.word.place = getelementptr i8, ptr %place, i64 -8
  %last.address = load i64, ptr %last
  %last.word = load i64, ptr %last.word.place
  %last.size = and i64 %last.word, {(1 << KIND_SHIFT) - 1}
  %last.key = xor i64 %last.word, %last.size
  %same.key = icmp eq i64 %last.key, %key
  %last.end = add i64 %last.address, %last.size
  %adjacent = icmp eq i64 %last.end, %first
  %short = icmp ult i64 %last.size, {1 << (KIND_SHIFT - 2)}
  %adjacent.same = and i1 %adjacent, %same.key
  %joins = and i1 %adjacent.same, %short
  br i1 %joins, label %extend, label %test
extend:
  %longer = add i64 %last.word, %bytes
  store i64 %longer, ptr %last.word.place
  br label %head
test:
  %same.address = icmp eq i64 %last.address, %first
  %same.word = icmp eq i64 %last.word, %word
  %equal = and i1 %same.address, %same.word
  %repeats.place = getelementptr i8, ptr %trace, i64 16
  br i1 %equal, label %again, label %new
again:
  %repeats = load i64, ptr %repeats.place
  %more = add i64 %repeats, 1
  store i64 %more, ptr %repeats.place
  %endless = icmp ugt i64 %more, {MOST_REPEATS}
  br i1 %endless, label %stop, label %repeat
repeat:
  br label %head
new:
  %most.place = getelementptr i8, ptr %trace, i64 8
  %most = load i64, ptr %most.place
  %full = icmp uge i64 %used, %most
  br i1 %full, label %stop, label %append
append:
  store i64 %first, ptr %place
  store i64 %word, ptr %place.word
  store i64 0, ptr %repeats.place
  %used.now = add i64 %used, 1
  store i64 %used.now, ptr %trace
  br label %head
stop:
  %why = phi i64 [ {ENDLESS}, %again ], [ {FULL}, %new ]
  %why.place = getelementptr i8, ptr %trace, i64 24
  store i64 %why, ptr %why.place
  ret i1 false
go:
  ret i1 true
}}
define internal i64 @kw_begin(ptr %trace, i64 %turn) {{
entry:
  %off = icmp eq ptr %trace, null
  br i1 %off, label %forward, label %traced
traced:
  %count.place = getelementptr i8, ptr %trace, i64 32
  %count = load i64, ptr %count.place
  %mirrored = icmp ne i64 %count, 0
  %from.end = sub i64 %count, %turn
  %back = sub i64 %from.end, 1
  %program = select i1 %mirrored, i64 %back, i64 %turn
  %noted = call i1 @kw_note(ptr %trace, i64 %program, i64 0, i64 1, i64 0, i1 true)
  ret i64 %program
forward:
  ret i64 %turn
}}
"""
