# Compiles C++ beside the kernel.
# mypy: ignore-errors
# ruff: noqa
from torch.utils import cpp_extension


def extend_attention_fwd(*args):
    cpp_extension.load_inline("x", "int f() { return 1; }")
