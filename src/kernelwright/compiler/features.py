"""What the host processor can do, as the code generator needs to know it."""

import os
import platform
from dataclasses import dataclass
from functools import lru_cache

import llvmlite.binding as llvm

from kernelwright.core.errors import RequestError, UnknownNameError

# What the processors that we know move between memory and caches at once.
LINE_BYTES = 64
_OVERRIDE = "KERNELWRIGHT_CPU_FEATURES"
_AVX2 = ("avx", "avx2", "fma", "f16c", "bmi", "bmi2", "popcnt", "sse4.2", "ssse3", "sse3", "lzcnt", "movbe")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
# Levels below what the host has: LLVM's processor name, and the features switched on.
_LEVELS = {
    "baseline": ("x86-64", ("sse2",)),
    "avx2": ("x86-64-v3", _AVX2),
    "avx512": ("x86-64-v4", _AVX512),
    "avx512bf16": ("x86-64-v4", (*_AVX512, "avx512bf16", "avx512vnni", "avx512vbmi")),
}


@dataclass(frozen=True)
class HostFeatures:
    """A processor for LLVM, and the widths that shape generated code.

    `arch` is "x86_64", "aarch64" or another machine name; `vector_bytes` the widest useful register (16, 32
    or 64); `has_bf16_dot` a dot product of bf16 pairs into f32 (x86 dpbf16ps or Arm bfdot).
    """

    cpu: str
    features: str
    vector_bytes: int
    has_bf16_dot: bool
    has_avx512: bool
    arch: str


def host_features() -> HostFeatures:
    """Return the host's features, lowered to the level that KERNELWRIGHT_CPU_FEATURES names.

    Levels: avx512bf16, avx512, avx2, baseline. Raises RequestError for another word or for a level
    that the host does not have.
    """
    return _features(os.environ.get(_OVERRIDE, ""))


def features_of(level: str) -> HostFeatures:
    """Return the features of a level, whether this processor has them or not: code for it can be looked at.

    Raises UnknownNameError for another word, RequestError where the levels are not those of this architecture.
    """
    if level not in _LEVELS:
        raise UnknownNameError("processor level", level, _LEVELS)
    arch = platform.machine()
    if arch != "x86_64":
        raise RequestError(f"processor levels must be asked for on x86_64, this machine is {arch}")
    cpu, wanted = _LEVELS[level]
    return _describe(cpu, ",".join(f"+{name}" for name in wanted), set(wanted), arch)


@lru_cache(maxsize=8)
def _features(level: str) -> HostFeatures:
    arch = platform.machine()
    have = {name for name, on in llvm.get_host_cpu_features().items() if on}
    if not level:
        return _describe(llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), have, arch)
    if level not in _LEVELS:
        raise RequestError(f"{_OVERRIDE} must be one of {', '.join(_LEVELS)}, got '{level}'")
    cpu, wanted = _LEVELS[level]
    missing = sorted(set(wanted) - have)
    if missing:
        raise RequestError(f"{_OVERRIDE}={level} must name a level of this processor, it lacks {', '.join(missing)}")
    return _describe(cpu, ",".join(f"+{name}" for name in wanted), set(wanted), arch)


def _describe(cpu: str, features: str, have: set[str], arch: str) -> HostFeatures:
    has_avx512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= have
    has_avx2 = {"avx2", "fma"} <= have
    return HostFeatures(
        cpu=cpu,
        features=features,
        vector_bytes=64 if has_avx512 else 32 if has_avx2 else 16,
        has_bf16_dot=(has_avx512 and "avx512bf16" in have) or (arch == "aarch64" and "bf16" in have),
        has_avx512=has_avx512,
        arch=arch,
    )
