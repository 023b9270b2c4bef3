"""Object code is made, kept, repaired and linked."""

import ctypes
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from kernelwright.compiler.features import host_features
from kernelwright.compiler.native import PassOptions, assemble, assembly_text, link
from kernelwright.core.errors import HarnessError, RequestError

SQUARE = "define i64 @square(i64 %x) {\n  %y = mul i64 %x, %x\n  ret i64 %y\n}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    return tmp_path


def entries(home: Path) -> list[Path]:
    return [path for path in (home / "cache").rglob("*") if path.is_file()]


def call(address: int, number: int) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(number))


def test_assembled_code_runs(home: Path) -> None:
    code = assemble(SQUARE, host_features())
    assert code.sha256 == hashlib.sha256(code.data).hexdigest()
    function = link(code, "square")
    assert call(function.address, 12) == 144


def test_code_may_call_the_process_and_hold_constants(home: Path) -> None:
    code = assemble(
        """
@table = internal constant [4 x double] [double 1.0, double 2.0, double 4.0, double 8.0], align 32
declare double @cbrt(double)
define i64 @f(i64 %i) {
  %p = getelementptr [4 x double], ptr @table, i64 0, i64 %i
  %v = load double, ptr %p
  %c = call double @cbrt(double %v)
  %r = fptosi double %c to i64
  ret i64 %r
}""",
        host_features(),
    )
    assert call(link(code, "f").address, 3) == 2


def test_the_same_text_is_compiled_once(home: Path) -> None:
    first = assemble(SQUARE, host_features())
    (entry,) = entries(home)
    before = entry.stat().st_mtime_ns
    assert assemble(SQUARE, host_features()) == first
    assert entry.stat().st_mtime_ns == before
    assemble(SQUARE, host_features(), PassOptions(level=3))
    assert len(entries(home)) == 2


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_entry_is_made_anew(home: Path, damage: bytes | None) -> None:
    first = assemble(SQUARE, host_features())
    (entry,) = entries(home)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    assert assemble(SQUARE, host_features()) == first
    assert entry.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(blocked))
    assert call(link(assemble(SQUARE, host_features()), "square").address, 3) == 9


def test_processes_that_race_leave_one_whole_entry(home: Path) -> None:
    program = (
        "from kernelwright.compiler.features import host_features\n"
        "from kernelwright.compiler.native import assemble\n"
        f"print(assemble({SQUARE!r}, host_features()).sha256)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    hashes = {process.communicate(timeout=120)[0].strip() for process in running}
    assert hashes == {assemble(SQUARE, host_features()).sha256}
    assert len(entries(home)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("define i64 @f( {", "valid LLVM IR"), ("define i64 @f() {\n  ret i32 0\n}", "valid LLVM IR")],
)
def test_bad_generated_code_is_our_fault(home: Path, text: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message) as caught:
        assemble(text, host_features())
    assert "\n" not in str(caught.value)


def test_a_missing_symbol_is_our_fault(home: Path) -> None:
    with pytest.raises(HarnessError, match="must define cube"):
        link(assemble(SQUARE, host_features()), "cube")


def test_assembly_can_be_looked_at(home: Path) -> None:
    assert "square" in assembly_text(SQUARE, host_features())


def test_features_are_lowered_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_CPU_FEATURES", "baseline")
    assert host_features().vector_bytes == 16
    assert not host_features().has_bf16_dot
    monkeypatch.setenv("KERNELWRIGHT_CPU_FEATURES", "avx1024")
    with pytest.raises(RequestError, match="must be one of baseline, avx2, avx512, avx512bf16, got 'avx1024'"):
        host_features()


@pytest.mark.parametrize(("level", "width"), [("avx512bf16", 64), ("avx512", 64), ("avx2", 32)])
def test_levels_give_their_vector_width(level: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_CPU_FEATURES", level)
    try:
        features = host_features()
    except RequestError:
        pytest.skip(f"this processor has no {level}")
    assert features.vector_bytes == width
    assert features.has_bf16_dot == (level == "avx512bf16")
    # A multiply over one whole register of the level uses that register.
    lanes = width // 4
    kind = f"<{lanes} x float>"
    text = f"define {kind} @f({kind} %x) {{ %y = fmul {kind} %x, %x\n ret {kind} %y }}"
    assert ("%zmm" if width == 64 else "%ymm") in assembly_text(text, features)
