"""Kernelwright makes kernels faster on a chip, proves them correct and leaves a record."""

__version__ = "0.1.0"
