"""Attacks on the sandbox from inside: what the scan sees is named, what it does not see finds nothing in reach."""

import textwrap
from collections.abc import Callable, Iterator

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.sandbox import CaptureService, Limits, check_source
from tests.sandbox.candidates import ADD, call, source

Captured = tuple[LaunchPlan, ...] | Fault


@pytest.fixture(scope="module")
def hurried() -> Iterator[CaptureService]:
    """Return a service with a short limit on host code."""
    with CaptureService(limits=Limits(call_s=4, workload_s=8)) as made:
        yield made


@pytest.fixture
def capture(service: CaptureService) -> Callable[[str, str], Captured]:
    """Return a function that captures a body, with text before the entry; an honest candidate must pass right after."""

    def run(body: str, before: str = "") -> Captured:
        before = textwrap.dedent(before).strip() + "\n\n\n" if before else ""
        found = service._capture(Candidate(source(body, before)), "go", [call()])
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)
        return found

    return run


# What the source alone gives away: (text, word of the reason).
SEEN = [
    ('"{0.__class__}".format(x)', "__class__"),
    ('"{0[__builtins__]}".format(x)', "__builtins__"),
    ('"{a.__globals__}".format_map({"a": go})', "__globals__"),
    ('f"{x.__class__}"', "__class__"),
    ("try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame", "__traceback__"),
    ("try:\n    1 / 0\nexcept Exception as e:\n    e.with_traceback(None)", "with_traceback"),
    ("(i for i in x).gi_frame.f_back", "f_back"),
    ("(i for i in x).gi_code", "gi_code"),
    ("f.cr_frame", "cr_frame"),
    ("e.tb_frame.f_globals", "f_globals"),
    ("frame.f_builtins", "f_builtins"),
    ("frame.f_locals", "f_locals"),
    ("type(x).mro()", "mro"),
    ("type('T', (object,), {})", "type"),
    ("object.__subclasses__()", "__subclasses__"),
    ("class M(type):\n    pass", "type"),
    ("class C(metaclass=Meta):\n    pass", "metaclass"),
    ("class C:\n    def __del__(self): pass", "__del__"),
    ("class C:\n    def __init_subclass__(cls): pass", "__init_subclass__"),
    ("class C:\n    def __getattribute__(self, n): pass", "__getattribute__"),
    ("class C:\n    __slots__ = ()", "__slots__"),
    ("class C:\n    def __reduce__(self): pass", "__reduce__"),
    ("torch._C._cuda_init()", "_C"),
    ("torch.ops.load_library('x.so')", "load_library"),
    ("torch.classes.load_library('x.so')", "load_library"),
    ("torch.utils.cpp_extension.load_inline('m', 'x')", "cpp_extension"),
    ("from torch.utils import cpp_extension", "torch.utils"),
    ("import torch.utils.cpp_extension", "cpp_extension"),
    ("torch.load('/tmp/x')", "torch.load"),
    ("torch.save(x, '/tmp/x')", "torch.save"),
    ("torch.from_file('/etc/passwd')", "torch.from_file"),
    ("torch.hub.load('a/b', 'c')", "torch.hub"),
    ("torch.jit.load('x')", "torch.jit"),
    ("torch.compile(go)", "torch.compile"),
    ("torch.distributed.init_process_group()", "torch.distributed"),
    ("torch.set_num_threads(8)", "set_num_threads"),
    ("torch.multiprocessing.spawn(go)", "multiprocessing"),
    ("torch.package.PackageImporter('x')", "torch.package"),
    ("torch.library.Library('a', 'DEF')", "torch.library"),
    ("torch.serialization.load('x')", "torch.serialization"),
    ("torch.overrides.TorchFunctionMode()", "torch.overrides"),
    ("torch._dynamo.config", "_dynamo"),
    ("torch._inductor.codecache", "_inductor"),
    ("torch.testing._internal", "torch.testing"),
    ("triton.runtime.build._build('n', 's', 'd', [], [], [])", "triton.runtime.build"),
    ("triton.runtime.cache.FileCacheManager('k')", "triton.runtime.cache"),
    ("from triton.runtime import cache", "cache"),
    ("triton.runtime.jit.JITFunction.run", "triton.runtime.jit"),
    ("triton.runtime.driver.active.launcher_cls", "launcher_cls"),
    ("triton.compiler.compile('x.ttir')", "triton.compiler"),
    ("from triton.compiler.compiler import Path", "triton.compiler"),
    ("from triton.backends import backends", "triton.backends"),
    ("triton.knobs.cache.dir", "triton.knobs"),
    ("triton.tools.disasm.get_sass('x')", "triton.tools.disasm"),
    ("triton._C.libtriton.ir", "_C"),
    ("tl.core._unwrap_if_constexpr(1)", "_unwrap_if_constexpr"),
    ("torch.random.os", "os"),
    ("torch.storage.io", "torch.storage"),
    ("math.sys", "sys"),
    ("typing.sys.modules", "sys"),
    ("typing.get_type_hints(go)", "get_type_hints"),
    ("typing.ForwardRef('1')", "ForwardRef"),
    ("memoryview(b'')", "memoryview"),
    ("help()", "help"),
    ("object().__new__", "__new__"),
    ("for vars in (): pass", "vars"),
    ("import torch as t\nt._C", "_C"),
    ("go.func_globals", "func_globals"),
    ("from torch import *", "*"),
]


@pytest.mark.parametrize(("text", "word"), SEEN)
def test_the_scan_names_what_reaches_around(text: str, word: str) -> None:
    fault = check_source(
        f"import math, torch, triton, typing\nimport triton.language as tl\n{text}\ndef go(x): pass\n", "go"
    )
    assert fault is not None and fault.status == "cheating", fault
    assert word in fault.reason


# Past the scan: (what is tried, which must raise). Host code has the whole of Python here.
REFUSED_BY_THE_SYSTEM = {
    "fork": "os.fork()",
    "program": "os.execv('/usr/bin/true', ['true'])",
    "subprocess": "subprocess.run(['/usr/bin/true'])",
    "thread": "threading.Thread(target=print).start()",
    "session": "os.setsid()",
    "group": "os.setpgid(0, 0)",
    "kill the supervisor": "os.kill(os.getppid(), 9)",
    "kill everything": "os.kill(-1, 9)",
    "kill the group": "os.killpg(0, 9)",
    "stop the supervisor": "os.kill(os.getppid(), signal.SIGSTOP)",
    "socket": "socket.socket()",
    "pair of sockets": "socket.socketpair()",
    "limits": "resource.setrlimit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS))",
    "priority": "os.nice(-5)",
    "pinning the supervisor": "os.sched_setaffinity(os.getppid(), {0})",
    "memory file": "os.memfd_create('x')",
    "modes": "os.chmod(os.environ['HOME'], 0o777)",
    "times": "os.utime(os.environ['HOME'])",
    "maps": "pathlib.Path('/proc/self/maps').read_text()",
    "supervisor's descriptors": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "package": "pathlib.Path(torch.__file__).write_text('')",
    "device folder": "pathlib.Path('/dev/planted').write_text('')",
    "shared memory": "pathlib.Path('/dev/shm/planted').write_text('')",
    "outside": "pathlib.Path('/planted').write_text('')",
    "file of 17 MiB": "pathlib.Path(os.environ['HOME'], 'large').write_bytes(bytes(17 << 20))",
    "inherited descriptors": "[os.fstat(number) for number in range(4, 64)]",
    "many files open": "[os.open('/dev/null', os.O_RDONLY) for _ in range(100)]",
    "namespace": "ctypes.CDLL(None).unshare(0x10000000) and wrong()",
    "unmounting": "ctypes.CDLL(None).umount2(b'/tmp', 2) and wrong()",
    "tracing": "ctypes.CDLL(None).ptrace(16, os.getppid(), None, None) and wrong()",
    "forgetting its parent": "ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) and wrong()",
    "memory that stays": "(ctypes.CDLL(None).shmget(1, 4096, 0o1600) < 0) and wrong()",
}
IMPORTS = "import ctypes, gc, os, pathlib, resource, signal, socket, subprocess, sys, threading, time\n"
WRONG = "def wrong():\n    raise OSError('refused')\n"


def test_nothing_that_a_candidate_asks_of_the_system_is_granted(capture: Callable[[str, str], Captured]) -> None:
    """All in one capture: each attempt must raise; those that do not are named."""
    attempts = ", ".join(f"{name!r}: lambda: {attempt}" for name, attempt in REFUSED_BY_THE_SYSTEM.items())
    body = f"""
    granted = []
    for name, attempt in {{{attempts}}}.items():
        try:
            attempt()
            granted.append(name)
        except (OSError, RuntimeError):
            pass
    raise ValueError(f"granted: {{granted}}")
    """
    fault = capture(body, IMPORTS + WRONG)
    assert isinstance(fault, Fault) and "granted: []" in fault.reason


FORGED = {
    "no JSON": "b'hello\\n'",
    "no object": "b'[1]\\n'",
    "no event": "b'{}\\n' * 3",
    "the other worker's name": 'b\'B {"event": "done"}\\n\'',
    "the supervisor's name": 'b\'= {"event": "over"}\\n\'',
    "nesting": "b'[' * 100000 + b'\\n'",
    "success": 'b\'{"event": "fault", "status": "accepted", "reason": "", "call": 0}\\n\'',
    "a beginning": 'b\'{"event": "begin", "call": 0, "round": 0}\\n\'',
    "a plan of nothing": 'b\'{"event": "plan", "call": 0, "round": 0, "plan": []}\\n\'',
    "a plan of another call": 'b\'{"event": "plan", "call": 9, "round": 0, "plan": {}}\\n\'',
    "text that is none": 'b\'{"event": "ir", "text": 5}\\n\'',
    "bytes that are no text": "bytes(range(128, 256)) + b'\\n'",
}


@pytest.mark.parametrize("line", FORGED)
def test_lines_that_host_code_writes_to_the_channel_are_cheating(
    capture: Callable[[str, str], Captured], line: str
) -> None:
    fault = capture(f"os.write(3, {FORGED[line]})\n{ADD}", "import os")
    assert isinstance(fault, Fault) and fault.status in ("cheating", "runtime_error")


def test_a_worker_cannot_speak_for_the_other(capture: Callable[[str, str], Captured]) -> None:
    """The first process writes a line under the second's name; only the first is taken to have said it."""
    fault = capture(f'os.write(3, b\'B {{"event": "fault"}}\\n\')\n{ADD}', "import os")
    assert isinstance(fault, Fault) and fault.status == "cheating" and "own channel" in fault.reason


ENDS = {
    "os._exit(0)": "exit code 0",
    "os._exit(77)": "exit code 77",
    "os.abort()": "signal 6",
    "signal.raise_signal(9)": "signal 9",
    "signal.alarm(1); time.sleep(5)": "signal 14",
    "os.close(3); time.sleep(60)": "signal 9",
    "os.write(3, b'x' * (40 << 20))": "",
    "sys.setrecursionlimit(10 ** 9)\nclass D:\n    def __repr__(self): return repr(self)\nrepr(D())": "signal 11",
    "ctypes.string_at(0)": "signal 11",
    "raise SystemExit(0)": "SystemExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    'os.write(3, b\'{"event": "done"}\\n\'); os._exit(0)': "",
}


@pytest.mark.parametrize("body", ENDS)
def test_no_way_to_end_looks_like_success(capture: Callable[[str, str], Captured], body: str) -> None:
    fault = capture(f"{ADD}\n{body}", IMPORTS)
    assert isinstance(fault, Fault) and fault.status == "runtime_error", fault
    assert ENDS[body] in fault.reason


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 14, 15)]\ntime.sleep(100)", "timeout"),
        ('while True:\n    os.write(3, b\'{"event": "alive"}\\n\')\n    time.sleep(0.01)', "timeout"),
        ('while True:\n    os.write(3, b\'{"event": "begin", "call": 0, "round": 1}\\n\')', "cheating"),
        (
            'while True:\n    os.write(3, b\'{"event": "ir", "text": "\' + b\'x\' * 999999 + b\'"}\\n\')',
            "over_limit timeout",
        ),
        ("while True:\n    import candidate", "timeout"),
        ("class C:\n    def __del__(self):\n        C()\nC()", "timeout"),
        ("gc.callbacks.append(lambda *a: time.sleep(9))\ngc.collect()\ngc.collect()", "timeout"),
    ],
)
def test_nothing_keeps_the_parent_waiting(hurried: CaptureService, body: str, status: str) -> None:
    fault = hurried._capture(Candidate(source(body, IMPORTS + "\n\n")), "go", [call()])
    assert isinstance(fault, Fault) and fault.status in status.split(), fault
    assert isinstance(hurried(Candidate(source(ADD)), "go", [call()]), tuple)


def test_what_one_candidate_leaves_the_next_does_not_find(service: CaptureService) -> None:
    plant = """
    for folder, _, files in os.walk(os.environ["TRITON_CACHE_DIR"]):
        for name in files:
            pathlib.Path(folder, name).write_text("module {}")
    pathlib.Path(os.environ["HOME"], "planted").write_text("1")
    raise ValueError(sorted(os.listdir(os.environ["HOME"])))
    """
    look = "raise ValueError(f\"found: {sorted(os.listdir(os.environ['HOME']))}\")"
    honest = Candidate(source(ADD))
    clean = service(honest, "go", [call()])
    planted = service._capture(Candidate(source(ADD + textwrap.dedent(plant), IMPORTS + "\n\n")), "go", [call()])
    assert isinstance(planted, Fault) and "'planted', 'triton'" in planted.reason
    found = service._capture(Candidate(source(look, IMPORTS + "\n\n")), "go", [call()])
    assert isinstance(found, Fault) and "found: ['worker-A.err'" in found.reason
    assert "planted" not in found.reason and "triton" not in found.reason
    again = service(honest, "go", [call()])
    assert isinstance(clean, tuple) and isinstance(again, tuple)
    assert [plan.sha256() for plan in clean] == [plan.sha256() for plan in again]


def test_a_cache_that_is_poisoned_between_two_calls_shows(service: CaptureService) -> None:
    """Both processes read one cache, so a candidate may poison its own; its plan is then judged as it is."""
    body = """
    for folder, _, files in os.walk(os.environ["TRITON_CACHE_DIR"]):
        for name in files:
            pathlib.Path(folder, name).write_text("module {}")
    """
    found = service._capture(Candidate(source(ADD + textwrap.dedent(body), IMPORTS + "\n\n")), "go", [call(), call(64)])
    assert isinstance(found, tuple | Fault)
    assert not isinstance(found, Fault) or found.status in ("cheating", "runtime_error", "compile_error")


def test_tensors_have_no_contents_even_behind_the_rules(capture: Callable[[str, str], Captured]) -> None:
    fault = capture("raise ValueError(f'{x.shadow.device} {o.shadow.device}')", "")
    assert isinstance(fault, Fault) and "meta meta" in fault.reason
