"""Accesses checked against registered ranges, and noted in the trace that races are found in."""

from dataclasses import dataclass

from kernelwright.compiler.codegen.addressing import Addressing
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.text import Reg, TextBlock
from kernelwright.compiler.codegen.tracing import NOTE, READ, RELEASE, WRITE, event_key


@dataclass(frozen=True)
class Access:
    """Who touches memory: the op's number for fault reports; start, end and writability of its argument if known.

    `atomic` has the kind bits of an atomic, 0 for plain accesses; what `streams` goes past the caches, line by line.
    """

    number: int
    is_write: bool
    bounds: tuple[Reg, Reg, Reg] | None
    atomic: int = 0
    streams: bool = False

    @property
    def kind(self) -> int:
        """Return the kind bits of the events of this access."""
        return self.atomic or (WRITE if self.is_write else READ)


class Checks(Addressing):
    """Writes checks of accesses; with `checked` there are any, with `races` accesses are noted in the trace too."""

    def __init__(self, lanes: Floats, checked: bool, races: bool = False) -> None:
        super().__init__(lanes)
        self.checked = checked
        self.races = races
        self._leave: TextBlock | None = None
        if races:
            self.f.globals["note"] = NOTE

    def check(self, start: Reg, size: int, mask: Reg | None, access: Access) -> None:
        """Write the bounds check of `size` bytes from `start`, if this kernel is checked."""
        if not self.checked:
            return
        first, extent = self.k.convert("ptrtoint", start, "i64"), self.k.constant("i64", size)
        bounds = self._require(first, extent, mask, access)
        self._note(first, extent, mask, access, bounds[2])

    def _check_run(self, start: Reg, size: int, mask: Reg, access: Access) -> None:
        if not self.checked:
            return
        width = mask.lanes
        lanes = self.k.iota("i32", width)
        low = self._reduce_int("umin", self.k.select(mask, lanes, self.k.splat(self.k.constant("i32", width), width)))
        high = self._reduce_int("smax", self.k.select(mask, lanes, self.k.splat(self.k.constant("i32", -1), width)))
        count = self.k.op("add", self.k.op("sub", high, low), self.k.constant("i32", 1))
        first = self.k.convert("ptrtoint", start, "i64")
        first = self.k.op(
            "add", first, self.k.op("mul", self.k.convert("sext", low, "i64"), self.k.constant("i64", size))
        )
        extent = self.k.op("mul", self.k.convert("sext", count, "i64"), self.k.constant("i64", size))
        bounds = self._require(first, extent, self._any(mask), access)
        start_address = self.k.convert("ptrtoint", start, "i64")
        self._note(start_address, self.k.constant("i64", size), mask, access, bounds[2])

    def _reduce_int(self, kind: str, value: Reg) -> Reg:
        name = f"llvm.vector.reduce.{kind}.v{value.lanes}i32"
        self.f.declare(name, f"declare i32 @{name}({value.type})")
        return self.k.call_exact(name, "i32", 0, value)

    def _check_each(self, pointers: Reg, size: int, mask: Reg | None, access: Access) -> None:
        if not self.checked:
            return
        for lane in range(pointers.lanes):
            first = self.k.convert("ptrtoint", self.k.extract(pointers, lane), "i64")
            guard = self.k.extract(mask, lane) if mask is not None else None
            bounds = self._require(first, self.k.constant("i64", size), guard, access)
            self._note(first, self.k.constant("i64", size), guard, access, bounds[2])

    def _require(self, first: Reg, size: Reg, mask: Reg | None, access: Access) -> tuple[Reg, Reg, Reg]:
        """Write the check of one stretch of memory; return start, end and writability of where it must lie."""
        low, high, writable = access.bounds or self.bounds_at(first)
        inside = self.k.op(
            "and",
            self.k.compare("icmp uge", first, low),
            self.k.compare("icmp ule", self.k.op("add", first, size), high),
        )
        if access.is_write:
            inside = self.k.op("and", inside, writable)
        if mask is not None:
            inside = self.k.op("or", inside, self.k.op("xor", mask, Reg("i1", 0, "true")))
        self.f.split(inside.level, inside, self._fault(first, size, access))
        return low, high, writable

    def _note(self, first: Reg, size: Reg, mask: Reg | None, access: Access, writable: Reg) -> None:
        """Write the call that notes `size` bytes for each lane of `mask` (one scalar, if None) in the trace.

        What nobody may write is not noted: reading it is never a race.
        """
        if not self.races:
            return
        lanes = Reg("i64", 0, "1")
        if mask is not None:
            bits, level = mask.text, mask.level
            if mask.lanes:
                bits = self.f.new_name("m")
                self.f.line(f"{bits} = bitcast {mask.typed} to i{mask.lanes}", level)
            lanes = self.f.emit("i64", 0, f"zext i{mask.lanes or 1} {bits} to i64", level)
        level = max(part.level for part in (first, size, lanes, writable))
        key = event_key(access.number, access.kind)
        arguments = f"ptr %trace, {first.typed}, {size.typed}, {lanes.typed}, i64 {key}, {writable.typed}"
        going = self.f.emit("i1", 0, f"call i1 @kw_note({arguments})", level)
        if self._leave is None:
            self._leave = self.f.new_block("stopped")
            self._leave.end = "ret i32 2"
        self.f.split(level, going, self._leave)

    def note_release(self, pointer: Reg, size: int, happened: Reg, access: Access) -> None:
        """Note that a compare-and-swap that `happened` also releases."""
        if not self.races:
            return
        first = self.k.convert("ptrtoint", pointer, "i64")
        writable = Reg("i1", 0, "true")
        released = Access(access.number, True, access.bounds, access.atomic | RELEASE)
        self._note(first, self.k.constant("i64", size), happened, released, writable)

    def bounds_at(self, address: Reg) -> tuple[Reg, Reg, Reg]:
        """Return start, end and writability of the registered range that holds `address`; an empty one if none does."""
        self.f.globals["find"] = FIND_RANGE
        table, count = Reg("ptr", 0, "%ranges"), Reg("i64", 0, "%range_count")
        row = self.k.call_exact("kw_range_of", "ptr", 0, table, count, address)
        low, high, flags = (
            self._plain_load(self.advance(row, Reg("i64", 0, str(word)), 8), "i64", 0, 8) for word in range(3)
        )
        return low, high, self.k.convert("trunc", flags, "i1")

    def _fault(self, first: Reg, size: Reg, access: Access) -> TextBlock:
        return self.report(2 if access.is_write else 1, first, size, access.number)

    def report(self, kind: int, address: Reg, size: Reg, number: int) -> TextBlock:
        """Return a block that records what went wrong in op `number`, unless another thread has, and leaves."""
        fault, record, leave = (self.f.new_block(hint) for hint in ("fault", "record", "leave"))
        pair, taken = self.f.new_name("f"), self.f.new_name("f")
        fault.lines.append(f"{pair} = cmpxchg ptr %fault_record, i64 0, i64 {kind} monotonic monotonic")
        fault.lines.append(f"{taken} = extractvalue {{ i64, i1 }} {pair}, 1")
        fault.end = f"br i1 {taken}, label %{record.name}, label %{leave.name}"
        for slot, text in enumerate((address.text, str(number), "%program", size.text), start=1):
            pointer = self.f.new_name("f")
            record.lines.append(f"{pointer} = getelementptr i64, ptr %fault_record, i64 {slot}")
            record.lines.append(f"store i64 {text}, ptr {pointer}")
        record.end = f"br label %{leave.name}"
        leave.end = "ret i32 1"
        return fault


FIND_RANGE = """
@kw_no_range = internal constant [3 x i64] zeroinitializer
define internal ptr @kw_range_of(ptr %table, i64 %count, i64 %address) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %step ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %test, label %none
test:
  %offset = mul i64 %i, 3
  %row = getelementptr i64, ptr %table, i64 %offset
  %low = load i64, ptr %row
  %high_place = getelementptr i64, ptr %row, i64 1
  %high = load i64, ptr %high_place
  %above = icmp uge i64 %address, %low
  %below = icmp ult i64 %address, %high
  %both = and i1 %above, %below
  %empty = icmp eq i64 %low, %high
  %same = icmp eq i64 %address, %low
  %nothing = and i1 %empty, %same
  %inside = or i1 %both, %nothing
  br i1 %inside, label %found, label %step
step:
  %next = add i64 %i, 1
  br label %head
found:
  ret ptr %row
none:
  ret ptr @kw_no_range
}
"""
