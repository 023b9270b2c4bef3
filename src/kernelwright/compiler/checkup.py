"""Whether plain Triton code runs on this machine: it is tried, not assumed."""

import torch
import triton
import triton.language as tl

from kernelwright.compiler.features import host_features


# Triton reads annotations as its own: its arguments cannot carry Python types.
@triton.jit  # type: ignore[untyped-decorator]
def _add(left, right, out, count, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = at < count
    tl.store(out + at, tl.load(left + at, inside) + tl.load(right + at, inside), inside)


def check_compiler() -> tuple[bool, str]:
    """Return whether a small kernel on CPU tensors gave the right answer, and for which processor it was compiled."""
    left, right, out = torch.arange(1000.0), torch.ones(1000), torch.empty(1000)
    _add[(8,)](left, right, out, 1000, SIZE=128)
    features = host_features()
    width = f"{8 * features.vector_bytes}-bit vectors" + (", bf16 dot products" if features.has_bf16_dot else "")
    return bool(torch.equal(out, left + right)), f"{features.cpu}, {width}"


def gpu_name() -> str:
    """Return the name of the first CUDA device, empty where there is none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
