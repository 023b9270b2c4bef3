"""Bodies in LLVM IR by hand, for what runs below the code generator."""

from kernelwright.compiler.features import host_features
from kernelwright.compiler.native import LinkedFunction, assemble, link

# Adds 1 to slot i of an i64 array for every program i; returns 9 at program `stop`.
COUNT = """
define i32 @body(ptr %args, i64 %first, i64 %last, ptr %scratch) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ %first, %entry ], [ %n, %next ]
  %p = getelementptr i64, ptr %args, i64 %i
  %r = atomicrmw add ptr %p, i64 1 monotonic
  %bad = icmp eq i64 %i, {stop}
  br i1 %bad, label %fault, label %next
next:
  %n = add i64 %i, 1
  %m = icmp slt i64 %n, %last
  br i1 %m, label %loop, label %done
fault:
  ret i32 9
done:
  ret i32 0
}}
"""

# Writes (scratch address, first, last) to row `first` of an i64 [n, 3] array, and 1 to the scratch's last word.
SCRATCH = """
define i32 @body(ptr %args, i64 %first, i64 %last, ptr %scratch) {{
  %offset = mul i64 %first, 24
  %row = getelementptr i8, ptr %args, i64 %offset
  %address = ptrtoint ptr %scratch to i64
  store i64 %address, ptr %row
  %second = getelementptr i8, ptr %row, i64 8
  store i64 %first, ptr %second
  %third = getelementptr i8, ptr %row, i64 16
  store i64 %last, ptr %third
  %end = getelementptr i8, ptr %scratch, i64 {last_byte}
  store i8 1, ptr %end
  ret i32 0
}}
"""

# Copies the argument block's slots, `slots` of them, to the address in slot 3.
COPY_BLOCK = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define i32 @body(ptr %args, i64 %first, i64 %last, ptr %scratch) {{
  %at = getelementptr i64, ptr %args, i64 3
  %to = load ptr, ptr %at
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %args, i64 {size}, i1 false)
  ret i32 0
}}
"""

# A checked kernel of one pointer: reports the access that slots 4 and 5 (kind, byte offset) ask for, op number 3.
FAULT = """
define i32 @body(ptr %args, i64 %first, i64 %last, ptr %scratch) {
  %base_at = getelementptr i64, ptr %args, i64 3
  %kind_at = getelementptr i64, ptr %args, i64 4
  %offset_at = getelementptr i64, ptr %args, i64 5
  %record_at = getelementptr i64, ptr %args, i64 8
  %base = load i64, ptr %base_at
  %kind = load i64, ptr %kind_at
  %offset = load i64, ptr %offset_at
  %record = load ptr, ptr %record_at
  %is = icmp ne i64 %kind, 0
  br i1 %is, label %fault, label %fine
fault:
  %address = add i64 %base, %offset
  store i64 %kind, ptr %record
  %r1 = getelementptr i64, ptr %record, i64 1
  store i64 %address, ptr %r1
  %r2 = getelementptr i64, ptr %record, i64 2
  store i64 3, ptr %r2
  %r3 = getelementptr i64, ptr %record, i64 3
  store i64 7, ptr %r3
  %r4 = getelementptr i64, ptr %record, i64 4
  store i64 4, ptr %r4
  ret i32 1
fine:
  ret i32 0
}
"""


def linked(llvm_ir: str) -> LinkedFunction:
    return link(assemble(llvm_ir, host_features()), "body")
