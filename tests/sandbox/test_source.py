import pytest

from kernelwright.sandbox import advise, check_source
from tests.sandbox.candidates import ADD, HEAD, source


def test_an_ordinary_candidate_passes() -> None:
    assert check_source(source(ADD), "go") is None


@pytest.mark.parametrize(
    "text",
    [
        "from __future__ import annotations\nimport torch\ndef go(x): pass",
        "import triton.language as tl\nfrom triton.language.extra import libdevice\ndef go(x): pass",
        "from torch.types import Device\nfrom typing import Any\nimport math\ndef go(x): pass",
        "def go(input): return input.shape",
        "class Plan:\n    def __init__(self): self.time = 0\ndef go(p): return Plan().time",
        "go = lambda x: None",
        "from triton.language import *\ndef go(x): return f'{type(x).__name__} {x.shape}'",
        "import torch\nclass F(torch.autograd.Function):\n    @staticmethod\n    def forward(c, x): pass\ngo = F.apply",
        "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True\ndef go(x): return '{} {:d}'.format(x.shape, 3)",
        "import triton.language as tl\ndef go(d): return tl._experimental_descriptor_load(d, [0], [1], tl.float32)",
        "import triton\ndef go(p): p._cache = {'__init__': 1}; return triton.runtime.driver.active.utils",
        "import triton\ndef go(f):\n    try: f()\n    except triton.runtime.errors.OutOfResources: pass",
        "if True:\n    def go(x): pass\nelse:\n    go = None",
    ],
)
def test_honest_idioms_pass(text: str) -> None:
    assert check_source(text, "go") is None


def test_a_syntax_error_is_a_compile_error_with_its_line() -> None:
    fault = check_source("import torch\n\ndef go(:\n", "go")
    assert fault is not None
    assert (fault.status, fault.facts["line"]) == ("compile_error", 3)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("import os", "os"),
        ("import torch, subprocess", "subprocess"),
        ("from os import path", "os"),
        ("import numpy as np", "numpy"),
        ("from . import other", "relative"),
        ("from torch import os", "os"),
        ("import torch.multiprocessing", "torch.multiprocessing"),
        ("open('/etc/passwd')", "open"),
        ("e = exec", "exec"),
        ("torch.set_num_threads(1)", "set_num_threads"),
        ("from torch import set_num_threads", "set_num_threads"),
        ("eval('1')", "eval"),
        ("compile('1', 'f', 'eval')", "compile"),
        ("__import__('os')", "__import__"),
        ("__builtins__['open']", "__builtins__"),
        ("globals()", "globals"),
        ("getattr(torch, 'os')", "getattr"),
        ("setattr(torch, 'a', 1)", "setattr"),
        ("vars(torch)", "vars"),
        ("input()", "input"),
        ("().__class__", "__class__"),
        ("go.__globals__", "__globals__"),
        ("torch.os.system('id')", "torch.os"),
        ("t = torch; t.os.system('id')", "t.os"),
        ("torch.random.time.sleep(1)", "time"),
        ("match torch:\n  case object(__dict__=d): pass", "__dict__"),
    ],
)
def test_what_reaches_around_the_sandbox_is_cheating_by_name_and_line(line: str, word: str) -> None:
    fault = check_source(f"import torch\n{line}\ndef go(x): pass\n", "go")
    assert fault is not None
    assert fault.status == "cheating"
    assert word in fault.reason
    assert fault.facts["line"] in (2, 3)


def test_the_first_finding_in_the_file_is_the_one_reported() -> None:
    fault = check_source("def go(x):\n    open('a')\n    eval('b')\nimport os\n", "go")
    assert fault is not None and fault.reason.startswith("line 2: the name open")


def test_a_file_without_the_entry_names_what_it_defines() -> None:
    fault = check_source(HEAD, "go")
    assert fault is not None
    assert (fault.status, fault.reason) == ("compile_error", "the file must define the function go; it defines add")


@pytest.mark.parametrize("text", ["x = 1\0", "(" * 5000 + ")" * 5000, "x = " + "-" * 50000 + "1", "#" * (2 << 20)])
def test_sources_that_choke_a_parser_are_faults(text: str) -> None:
    fault = check_source(text, "go")
    assert fault is not None and fault.status in ("compile_error", "over_limit")


def test_advice_names_the_patterns_that_kernelguard_knows() -> None:
    advice = advise("import torch\ndef go(x):\n    torch.cuda.synchronize = lambda: None\n")
    assert any("TIMER" in line for line in advice)
    assert advise("def go(x): pass") == ()
