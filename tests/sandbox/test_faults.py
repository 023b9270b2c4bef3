"""Candidates that are wrong or hostile, run in the real sandbox."""

import time
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.sandbox import CaptureService, Limits, choose_sandbox
from tests.sandbox.candidates import ADD, HEAD_LINES, call, source


def fault_of(service: CaptureService, text: str, calls: int = 1, scanned: bool = True) -> Fault:
    capture = service if scanned else service._capture
    result = capture(Candidate(text), "go", [call() for _ in range(calls)])
    assert isinstance(result, Fault), result
    return result


def test_tensor_arithmetic_on_the_host_is_cheating_with_its_line(service: CaptureService) -> None:
    fault = fault_of(service, source(f"{ADD}\ntorch.matmul(x.view(10, 10), y.view(10, 10))"))
    assert fault.status == "cheating"
    line = HEAD_LINES + 3
    assert fault.reason == f"host code called torch.matmul (line {line}); tensor arithmetic belongs in a kernel"
    assert (fault.facts["line"], fault.facts["call"]) == (line, 0)


def test_a_refusal_cannot_be_swallowed(service: CaptureService) -> None:
    fault = fault_of(service, source(f"try:\n    x + y\nexcept BaseException:\n    pass\n{ADD}"))
    assert fault.status == "cheating" and "torch.Tensor.add" in fault.reason


def test_reading_a_tensor_that_is_no_plan_input_is_cheating(service: CaptureService) -> None:
    fault = fault_of(service, source(f"s = torch.empty(4)\n{ADD}\nreturn s.tolist()"))
    assert fault.status == "cheating" and "contents of a scratch tensor" in fault.reason


@pytest.mark.parametrize(
    "grid",
    [
        "(1 + int(timer() * 1e7) % 1000,)",
        "(1 + torch.random.seed() % 1000,)",
        "(1 + hash(object()) // 16 % 1000,)",
        "(1 + x.data_ptr() // 65536 % 1000,)",
        "(STATE.append(1) or len(STATE),)",
    ],
)
def test_a_plan_that_does_not_follow_from_the_arguments_is_cheating(service: CaptureService, grid: str) -> None:
    before = "from torch.utils.benchmark.utils.timer import timer\n\nSTATE = []\n\n\n"
    fault = fault_of(service, source(f"add[{grid}](x, y, o, 100, TILE=64)", before), scanned=False)
    assert fault.status == "cheating" and "different plans for equal inputs" in fault.reason
    assert fault.facts["call"] == 0


def test_a_tensor_of_an_earlier_call_is_refused(service: CaptureService) -> None:
    text = source("first = OLD.setdefault(0, x)\nadd[(1,)](first, y, o, 100, TILE=64)", "OLD = {}\n\n\n")
    fault = fault_of(service, text, calls=2)
    assert fault.status == "cheating" and "x of an earlier call" in fault.reason and fault.facts["call"] == 1


def test_a_launch_on_import_is_refused(service: CaptureService) -> None:
    early = "t = torch.empty(64)\nadd[(1,)](t, t, t, 64, TILE=64)\n\n\n"
    fault = fault_of(service, source(ADD, early))
    assert fault.status == "cheating" and "outside the entry function" in fault.reason and fault.facts["call"] == -1


def test_a_kernel_that_triton_refuses_is_a_compile_error_at_the_candidates_line(service: CaptureService) -> None:
    kernel = """@triton.jit
def bad(o, TILE: tl.constexpr):
    i = tl.arange(0, TILE)
    tl.store(o + i, undefined_name)


"""
    fault = fault_of(service, source("bad[(1,)](o, TILE=64)", kernel))
    assert fault.status == "compile_error"
    assert fault.facts["line"] == HEAD_LINES + 4
    assert "undefined_name" in fault.reason and "`tl.store(o + i, undefined_name)`" in fault.reason


def test_an_error_in_a_called_function_is_reported_where_it_is(service: CaptureService) -> None:
    kernel = """@triton.jit
def inner(v):
    return tl.dot(v, v)


@triton.jit
def outer(o, TILE: tl.constexpr):
    i = tl.arange(0, TILE)
    tl.store(o + i, inner(i))


"""
    fault = fault_of(service, source("outer[(1,)](o, TILE=64)", kernel))
    assert fault.status == "compile_error" and fault.facts["line"] == HEAD_LINES + 3


def test_autotuning_where_no_configuration_compiles_is_a_compile_error(service: CaptureService) -> None:
    tuned = (
        "tuned = triton.autotune(configs=[triton.Config({'TILE': 3}), triton.Config({'TILE': 5})], key=[])(add)\n\n\n"
    )
    fault = fault_of(service, source("tuned[(1,)](x, y, o, 100)", tuned))
    assert fault.status == "compile_error" and "power of 2" in fault.reason


def test_a_feature_that_is_not_implemented_is_incorrect(service: CaptureService) -> None:
    fault = fault_of(service, source("raise NotImplementedError('sinks')"))
    assert (fault.status, fault.reason) == (
        "incorrect", f"raises NotImplementedError: sinks (line {HEAD_LINES + 2})",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("return x.nothing", "AttributeError"),
        ("go(x, y, o, lens)", "RecursionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("add[(1,)](x, y)", "TypeError"),
        ("add[(1.5,)](x, y, o, 1, TILE=64)", "grid of add must be integers"),
    ],
)
def test_an_exception_in_host_code_is_a_runtime_error_with_type_and_line(
    service: CaptureService, body: str, word: str
) -> None:
    fault = fault_of(service, source(body))
    assert fault.status == "runtime_error" and word in fault.reason and f"(line {HEAD_LINES + 2})" in fault.reason


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("add[(1 << 31,)](x, y, o, 100, TILE=64)", "programs along an axis"),
        ("s = torch.empty(5 << 28)\nadd[(1,)](s, y, o, 100, TILE=64)", "bytes of scratch"),
        ("c = torch.tensor(list(range(9000)))\nadd[(1,)](c, y, o, 100, TILE=64)", "bytes of constants"),
        ("for i in range(300):\n    add[(1,)](x, y, o, 100, TILE=64)", "at most 256 launches"),
        ("hoard = [0] * (1 << 40)", "more memory than allowed"),
        ("hoard = bytearray(9 << 30)", "more memory than allowed"),
    ],
)
def test_limits_end_as_over_limit(service: CaptureService, body: str, word: str) -> None:
    fault = fault_of(service, source(body))
    assert fault.status == "over_limit" and word in fault.reason


@pytest.mark.parametrize(
    "body", ["while True:\n    pass", "while True:\n    try:\n        x + 1\n    except BaseException:\n        pass"]
)
def test_an_endless_host_loop_is_a_timeout_and_leaves_nothing_behind(body: str) -> None:
    with CaptureService(limits=Limits(call_s=2)) as service:
        service.prepare(wait=True)
        start = time.monotonic()
        fault = fault_of(service, source(body), calls=2)
        taken = time.monotonic() - start
    assert (fault.status, fault.facts["call"]) == ("timeout", 0)
    assert taken < 2 + 2


def test_output_goes_nowhere_and_costs_nothing(service: CaptureService) -> None:
    result = service(Candidate(source(f"for i in range(1 << 14):\n    print('x' * 4096)\n{ADD}")), "go", [call()])
    assert isinstance(result, tuple)


# The source scan is not the wall: this reaches files, programs and sockets through what torch and triton import.
REACH = """from triton.compiler.compiler import Path
from torch.utils import collect_env
from torch.hub import urlopen


def tried(attempt):
    try:
        return attempt()
    except Exception as error:
        return type(error)


"""


def test_nothing_of_the_machine_is_in_reach(service: CaptureService, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.write_text("record")
    package = Path(choose_sandbox.__code__.co_filename).parent.parent
    body = f"""
    refused = (OSError, PermissionError)
    assert {str(package / "core")!r} and Path({str(package / "core")!r}).exists()
    assert not Path({str(package / "problems")!r}).exists(), "oracle"
    assert not Path({str(package / "judge")!r}).exists(), "judge"
    assert not Path({str(ledger)!r}).exists(), "ledger"
    home = tried(lambda: {{p.name for p in Path({str(Path.home())!r}).iterdir()}})
    assert home in (PermissionError, FileNotFoundError) or home <= {{".pyenv", ".venv", ".local"}}, home
    assert tried(lambda: [p for p in Path("/proc").iterdir() if p.name.isdecimal()]) == [], "processes"
    assert tried(lambda: Path({str(package / "core" / "planted.py")!r}).write_text("1")) in refused, "package"
    assert tried(lambda: Path("/usr/planted").write_text("1")) in refused, "usr"
    assert tried(lambda: Path("/planted").write_text("1")) in refused, "root"
    assert tried(lambda: collect_env.run("id")) in refused, "program"
    assert issubclass(tried(lambda: urlopen("http://192.0.2.1/", timeout=3)), OSError), "network"
    assert tried(lambda: Path("/scratch/full").write_bytes(b"0" * (300 << 20))) in refused, "file size"
    raise ValueError("every attempt failed")
    """
    fault = fault_of(service, source(body, REACH), scanned=False)
    assert fault.status == "runtime_error"
    assert "ValueError: every attempt failed" in fault.reason


def test_an_unconfined_service_says_so_and_still_captures() -> None:
    with CaptureService(choose_sandbox(unsafe=True)) as service:
        assert service.confinement == "unsafe"
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)


def test_two_services_give_the_same_plan(service: CaptureService) -> None:
    text = source("order = {'a', 'b', 'c', 'd'}\nadd[(1 + list(order).index('c'),)](x, y, o, 100, TILE=64)")
    first, second = (service(Candidate(text), "go", [call()]) for _ in range(2))
    assert isinstance(first, tuple) and isinstance(second, tuple)
    assert first[0].sha256() == second[0].sha256()
