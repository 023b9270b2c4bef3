"""Each part of the language gives what torch gives for the same words."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from kernelwright.compiler.kernel import DeviceAssertError
from kernelwright.core.errors import UnsupportedOpError
from tests.compiler import language_kernels as kernels

ONE = (1,)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(11)


def small_ints(*shape: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.randint(-5, 10, shape, dtype=dtype)


def test_maps_branch_for_each_element_and_take_neighbours_together() -> None:
    x, y = small_ints(64), small_ints(64)
    sign, pairs = torch.empty_like(x), torch.empty_like(x)
    kernels.mapped[ONE](x, y, sign, pairs, N=64)
    assert torch.equal(sign, torch.sign(x - y))
    assert torch.equal(pairs[::2], x[::2] + x[1::2] * y[::2])
    assert torch.equal(pairs[1::2], x[1::2] - y[1::2])


@pytest.mark.parametrize("n", [0, 1, 37, 64])
@pytest.mark.parametrize("bins", [2, 8, 128])
def test_histogram_counts_what_the_mask_shows_and_has_a_bin(n: int, bins: int) -> None:
    x = torch.randint(-3, 12, (64,), dtype=torch.int32)
    out = torch.empty(bins, dtype=torch.int32)
    kernels.histogram[ONE](x, out, n, N=64, BINS=bins)
    assert out.tolist() == [int((x[:n] == i).sum()) for i in range(bins)]


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16, torch.float32, torch.int64])
@pytest.mark.parametrize("n", [1, 2, 16, 128])
def test_interleave_and_split_are_inverse(dtype: torch.dtype, n: int) -> None:
    x, y = small_ints(n, dtype=torch.int32).to(dtype), small_ints(n, dtype=torch.int32).to(dtype)
    out, left, right = torch.empty(2 * n, dtype=dtype), torch.empty_like(x), torch.empty_like(y)
    kernels.interleaved[ONE](x, y, out, left, right, N=n)
    assert torch.equal(out, torch.stack([x, y], 1).flatten())
    assert torch.equal(left, x)
    assert torch.equal(right, y)


def test_join_of_matrices_and_permute() -> None:
    x, y = torch.randn(8, 32), torch.randn(8, 32)
    out = torch.empty(2, 32, 8)
    kernels.joined_matrices[ONE](x, y, out, M=8, N=32)
    assert torch.equal(out, torch.stack([x, y], -1).permute(2, 1, 0))


def test_cat_keeps_the_order_and_split_of_a_pair_gives_scalars() -> None:
    x, y, out = torch.randn(16), torch.randn(16), torch.empty(32)
    # Triton 3.9 has only the kind that keeps the order.
    kernels.concatenated[ONE](x, y, out, N=16, CAN_REORDER=not hasattr(tl, "atomic_load"))
    assert torch.equal(out, torch.cat([x, y]))
    kernels.split_to_scalars[ONE](x, out)
    assert out[:2].tolist() == [x[1], x[0]]


def test_gather_picks_and_a_number_out_of_range_stays_in_the_tensor() -> None:
    x, out = torch.randn(16), torch.empty(8)
    index = torch.tensor([3, 0, 15, 15, 7, 1, 2, 4], dtype=torch.int32)
    kernels.picked[ONE](x, index, out, N=16, M=8)
    assert torch.equal(out, x[index.long()])
    kernels.picked[ONE](x, index + (1 << 20), out, N=16, M=8)
    assert bool(torch.isin(out, x).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 2), (4, 16), (2, 64)])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_orders_each_row(dtype: torch.dtype, shape: tuple[int, int], descending: bool) -> None:
    x = (torch.randn(shape) * 50).to(dtype)
    out = torch.empty_like(x)
    kernels.sorted_rows[ONE](x, out, M=shape[0], N=shape[1], DESCENDING=descending)
    assert torch.equal(out, x.sort(1, descending=descending).values)


@pytest.mark.parametrize("k", [1, 4, 16])
def test_topk_gives_the_largest_in_order(k: int) -> None:
    x, out = torch.randn(4, 16), torch.empty(4, k)
    kernels.largest[ONE](x, out, M=4, N=16, K=k)
    assert torch.equal(out, x.topk(k, 1).values)


def test_flip_reverses_a_dimension() -> None:
    x = torch.randn(4, 32)
    out = torch.empty_like(x)
    kernels.flipped[ONE](x, out, M=4, N=32)
    assert torch.equal(out, x.flip(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 16, 16, 16), (4, 16, 32, 64), (2, 1, 8, 4), (8, 32, 1, 2)])
@pytest.mark.parametrize("has_start", [False, True])
def test_batched_dot_multiplies_each_pair(
    dtype: torch.dtype, shape: tuple[int, int, int, int], has_start: bool
) -> None:
    b, m, n, k = shape
    x, y, start = torch.randn(b, m, k).to(dtype), torch.randn(b, k, n).to(dtype), torch.randn(b, m, n)
    out = torch.empty(b, m, n)
    kernels.batched_dot[ONE](x, y, start, out, B=b, M=m, N=n, K=k, HAS_START=has_start, ROUNDS=3)
    wanted = 3 * (x.double() @ y.double()) + (start if has_start else 0)
    assert torch.allclose(out.double(), wanted, rtol=2e-5, atol=2e-5)


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def random_side(kind: str, rows: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return stored bytes of a rows x k matrix, k packed if four-bit, and its values."""
    if kind == "e2m1":
        numbers = torch.randint(0, 16, (rows, k), dtype=torch.uint8)
        return numbers[:, ::2] | (numbers[:, 1::2] << 4), E2M1[numbers.long()]
    dtype = torch.float8_e4m3fn if kind == "e4m3" else torch.float8_e5m2
    values = torch.randn(rows, k).to(dtype)
    return values.view(torch.uint8), values.float()


@pytest.mark.parametrize("kinds", list(itertools.product(["e2m1", "e4m3", "e5m2"], repeat=2)))
def test_scaled_dot_scales_blocks_of_32(kinds: tuple[str, str]) -> None:
    m, n, k = 16, 32, 64
    x, x_values = random_side(kinds[0], m, k)
    y, y_values = random_side(kinds[1], n, k)
    xs, ys = (torch.randint(120, 135, (rows, k // 32), dtype=torch.uint8) for rows in (m, n))
    out = torch.empty(m, n)
    y = y.T.contiguous()
    kernels.scaled_dot[ONE](
        x, xs, y, ys, out, M=m, N=n, K=k, X_KIND=kinds[0], Y_KIND=kinds[1], X_BYTES=x.shape[1], Y_BYTES=y.shape[0]
    )
    wide = [
        v.double() * 2.0 ** (s.double() - 127).repeat_interleave(32, 1) for v, s in [(x_values, xs), (y_values, ys)]
    ]
    wanted = wide[0] @ wide[1].T
    assert float((out - wanted).norm() / wanted.norm()) < 1e-6


def test_a_scale_of_255_is_nan() -> None:
    x, _ = random_side("e4m3", 16, 32)
    scale = torch.full((16, 1), 127, dtype=torch.uint8)
    scale[3] = 255
    out = torch.empty(16, 16)
    ones = torch.full((16, 1), 127, dtype=torch.uint8)
    y = x.T.contiguous()
    kernels.scaled_dot[ONE](
        x, scale, y, ones, out, M=16, N=16, K=32, X_KIND="e4m3", Y_KIND="e4m3", X_BYTES=32, Y_BYTES=32
    )
    assert bool(out[3].isnan().all())
    assert not bool(out[:3].isnan().any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int32])
def test_host_descriptors_pad_with_zero_and_store_inside(dtype: torch.dtype) -> None:
    source = (torch.randn(24, 40) * 9).to(dtype)
    target = torch.full_like(source, 7)
    block = [16, 32]
    kernels.descriptor_copy[ONE](
        TensorDescriptor.from_tensor(source, block), TensorDescriptor.from_tensor(target, block), 16, 32
    )
    assert torch.equal(target[16:, 32:], source[16:, 32:])
    assert bool((target[:16] == 7).all())
    assert bool((target[:, :32] == 7).all())


def test_descriptors_of_a_kernel_load_store_add_and_gather() -> None:
    x = torch.randn(16, 48)
    out = torch.empty_like(x)
    kernels.descriptor_made[ONE](x, out, 16, 48, M=16, N=16)
    assert torch.equal(out, x * 2 + x)
    index = torch.tensor([5, 1, 15, 0, 5, 2, 3, 4], dtype=torch.int32)
    rows = torch.empty(8, 16)
    kernels.gathered_rows[ONE](x, index, rows, 16, 48, M=8, N=16)
    assert torch.equal(rows, x[index.long(), :16])


TORCH_BYTE_FLOATS = {
    tl.float8e4nv: torch.float8_e4m3fn,
    tl.float8e5: torch.float8_e5m2,
    tl.float8e4b8: torch.float8_e4m3fnuz,
    tl.float8e5b16: torch.float8_e5m2fnuz,
}


@pytest.mark.parametrize("kind", TORCH_BYTE_FLOATS, ids=str)
def test_every_byte_float_widens_exactly_and_narrows_to_nearest(kind: tl.dtype) -> None:
    dtype = TORCH_BYTE_FLOATS[kind]
    bits = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    out = torch.empty(256)
    kernels.from_bits[ONE](bits, out, N=256, KIND=kind)
    wanted = bits.view(dtype).float()
    assert torch.equal(out.nan_to_num(1e9), wanted.nan_to_num(1e9))
    finite = wanted[wanted.isfinite()]
    largest = float(finite.abs().max())
    x = torch.cat([finite.sort().values, torch.randn(2048) * 3, torch.rand(2048) * 2**-14])[:4096].clamp(
        -largest, largest
    )
    narrowed = torch.empty(4096, dtype=torch.uint8)
    x = torch.nn.functional.pad(x, (0, 4096 - len(x)))
    kernels.as_bits[ONE](x, narrowed, N=4096, KIND=kind)
    assert torch.equal(narrowed.view(dtype).float(), x.to(dtype).float())


@pytest.mark.parametrize("kind", TORCH_BYTE_FLOATS, ids=str)
def test_numbers_beside_the_middle_of_two_byte_floats_go_to_the_nearer(kind: tl.dtype) -> None:
    dtype = TORCH_BYTE_FLOATS[kind]
    every = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(dtype).float()
    numbers = every[every.isfinite()].sort().values.double()
    middles = ((numbers[1:] + numbers[:-1]) / 2).float()
    beside = torch.cat(
        [middles, middles.nextafter(torch.tensor(torch.inf)), middles.nextafter(-torch.tensor(torch.inf))]
    )
    x = torch.nn.functional.pad(beside, (0, 1024 - len(beside)))
    bits = torch.empty(1024, dtype=torch.uint8)
    kernels.as_bits[ONE](x, bits, N=1024, KIND=kind)
    assert torch.equal(bits.view(dtype).float(), x.to(dtype).float())


def test_small_numbers_keep_what_bf16_has_of_them() -> None:
    x = (torch.randn(1024).double() * 2.0**-128).float()
    out = torch.empty(1024, dtype=torch.bfloat16)
    kernels.converted[ONE](x, out, N=1024, ROUNDING="rtne")
    assert torch.equal(out.view(torch.int16), x.bfloat16().view(torch.int16))


@pytest.mark.parametrize("kind", TORCH_BYTE_FLOATS, ids=str)
def test_byte_floats_saturate_and_keep_nan(kind: tl.dtype) -> None:
    dtype = TORCH_BYTE_FLOATS[kind]
    x = torch.tensor([1e9, -1e9, float("inf"), float("nan")])
    bits = torch.empty(4, dtype=torch.uint8)
    kernels.as_bits[ONE](x, bits, N=4, KIND=kind)
    got = bits.view(dtype).float()
    largest = torch.finfo(dtype).max
    assert got[:3].tolist() == [largest, -largest, largest]
    assert bool(got[3].isnan())


def test_fp8e4b15_goes_there_and_back() -> None:
    bits = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    wide, again = torch.empty(256), torch.empty(256, dtype=torch.uint8)
    kernels.from_bits[ONE](bits, wide, N=256, KIND=tl.float8e4b15)
    sign, exponent, fraction = bits.int() >> 7, bits.int() >> 3 & 15, bits.int() & 7
    scale = torch.where(exponent == 0, fraction * 2.0**-17, (1 + fraction / 8) * 2.0 ** (exponent - 15))
    assert torch.equal(wide, scale * (1 - 2 * sign))
    kernels.as_bits[ONE](wide, again, N=256, KIND=tl.float8e4b15)
    assert torch.equal(again, bits)


@pytest.mark.parametrize("source", [torch.float32, torch.float64])
@pytest.mark.parametrize("target", [torch.float16, torch.bfloat16])
def test_rounding_toward_zero_never_grows_and_nearest_is_nearest(source: torch.dtype, target: torch.dtype) -> None:
    x = torch.cat([torch.randn(500), torch.randn(500) * 1e-6, torch.randn(24) * 1e5]).to(source)
    down, near = torch.empty(1024, dtype=target), torch.empty(1024, dtype=target)
    kernels.converted[ONE](x, down, N=1024, ROUNDING="rtz")
    kernels.converted[ONE](x, near, N=1024, ROUNDING="rtne")
    assert torch.equal(near, x.to(target))
    assert bool((down.double().abs() <= x.double().abs()).all())
    above = torch.where(near.double().abs() > x.double().abs(), near, down)
    steps = near.view(torch.int16).int() - down.view(torch.int16).int()
    assert bool((steps.abs() <= 1).all())
    assert torch.equal(above, near)


def test_a_return_in_a_branch_leaves_the_rest_out() -> None:
    x, out = torch.randn(16), torch.zeros(16)
    kernels.left_early[ONE](x, out, 1, N=16)
    assert torch.equal(out, x + 1)
    kernels.left_early[ONE](x, out, -1, N=16)
    assert torch.allclose(out, x.exp())


def test_assertions_end_a_launch_in_debug_only() -> None:
    x, out = torch.tensor([1.0, 2.0, -3.0, 4.0]), torch.zeros(4)
    kernels.claimed[ONE](x, out, N=4)
    with pytest.raises(DeviceAssertError, match=r"line \d+ of claimed asserts 'x must not be negative'"):
        kernels.claimed[ONE](x, out, N=4, debug=True)
    kernels.claimed[ONE](x.abs(), out, N=4, debug=True)
    assert torch.equal(out, x.abs())


def test_inline_assembly_is_refused_by_name_and_line() -> None:
    with pytest.raises(UnsupportedOpError, match=r"line \d+: op tt.elementwise_inline_asm is not covered"):
        kernels.assembled[ONE](torch.zeros(1, dtype=torch.int32))


def test_prints_name_program_place_and_value(tmp_path: Path) -> None:
    code = (
        "import torch\nfrom tests.compiler import language_kernels as k\n"
        "k.shown[(2,)](torch.tensor([1, -2], dtype=torch.int32), N=2)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert len(re.findall(r"pid \(\d, 0, 0\) idx \(  \d\) x 100%: -?\d", done.stdout)) == 4
    assert "pid (1, 0, 0) idx (  1) x 100%: -2\n" in done.stdout
    assert "idx (  1) two: (operand 0) 0xfffffffe\n" in done.stdout
    assert "pid (1, 0, 0) idx () two: (operand 1) 0x00000001\n" in done.stdout
