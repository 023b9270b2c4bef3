"""Triton IR text to records."""

from kernelwright.compiler.reader.printing import print_module
from kernelwright.compiler.reader.structure import read_module

__all__ = ["print_module", "read_module"]
