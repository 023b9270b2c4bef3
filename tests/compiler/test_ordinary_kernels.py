"""Ordinary kernels, launched as a user launches them, give what float64 gives."""

from typing import Any

import pytest
import torch

from tests.compiler import kernels

Dtype = torch.dtype
TOLERANCE = {torch.float32: 2e-6, torch.float16: 1.5e-3, torch.bfloat16: 1.2e-2}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(7)


def relative_error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    difference = (got.double() - wanted.double()).norm()
    return float(difference / wanted.double().norm().clamp_min(1e-30))


@pytest.mark.parametrize("n", [1, 63, 64, 1000, 4097])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_add_equals_torch_at_odd_sizes_and_leaves_the_rest(n: int, dtype: Dtype) -> None:
    x, y = torch.randn(n).to(dtype), torch.randn(n).to(dtype)
    out = torch.full((n + 64,), 7.0, dtype=dtype)
    kernels.add[(-(-n // 64),)](x, y, out, n, BLOCK=64)
    assert torch.equal(out[:n], x + y)
    assert bool((out[n:] == 7).all())


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64])
def test_integer_add_wraps_as_torch_does(dtype: Dtype) -> None:
    limits = torch.iinfo(dtype)
    x = torch.randint(limits.min // 2, limits.max // 2, (100,), dtype=dtype) * 2
    out = torch.zeros_like(x)
    kernels.add[(2,)](x, x, out, 100, BLOCK=64)
    assert torch.equal(out, x + x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("columns", [1, 100, 128, 781])
def test_softmax_rows_sum_to_one_and_match(dtype: Dtype, columns: int) -> None:
    x = (torch.randn(9, columns) * 4).to(dtype)
    out = torch.empty_like(x)
    kernels.softmax_rows[(9,)](x, out, x.stride(0), columns, BLOCK=1024)
    assert relative_error(out, x.double().softmax(1)) < TOLERANCE[dtype]


@pytest.mark.parametrize("columns", [64, 130, 1000])
def test_layer_norm_matches(columns: int) -> None:
    x, weight, bias = torch.randn(5, columns) + 3, torch.randn(columns), torch.randn(columns)
    out = torch.empty_like(x)
    kernels.layer_norm[(5,)](x, weight, bias, out, x.stride(0), columns, 1e-5, BLOCK=64)
    wanted = torch.nn.functional.layer_norm(x.double(), (columns,), weight.double(), bias.double(), 1e-5)
    assert relative_error(out, wanted) < 2e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(64, 64, 64), (65, 33, 70), (1, 17, 5), (200, 128, 96)])
def test_matmul_matches_float64(dtype: Dtype, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    out = torch.empty(m, n)
    grid = (-(-m // 32), -(-n // 32))
    kernels.matmul[grid](a, b, out, m, n, k, *a.stride(), *b.stride(), *out.stride(), BM=32, BN=32, BK=32)
    # Products of 16-bit numbers are exact in f32: only the sum's order differs.
    assert relative_error(out, a.double() @ b.double()) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tiles", [(16, 16, 16), (64, 32, 16), (16, 64, 64), (128, 64, 32)])
def test_matmul_takes_transposed_operands_and_any_tile(dtype: Dtype, tiles: tuple[int, int, int]) -> None:
    m, n, k = 96, 80, 112
    bm, bn, bk = tiles
    a, b = torch.randn(k, m).to(dtype).t(), torch.randn(n, k).to(dtype).t()
    out = torch.empty(n, m).t()
    grid = (-(-m // bm), -(-n // bn))
    kernels.matmul[grid](a, b, out, m, n, k, *a.stride(), *b.stride(), *out.stride(), BM=bm, BN=bn, BK=bk)
    assert relative_error(out, a.double() @ b.double()) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("tiles", [(16, 16, 16), (16, 64, 256), (32, 32, 64), (64, 16, 32)])
def test_few_rows_times_gathered_rows(dtype: Dtype, tiles: tuple[int, int, int]) -> None:
    bm, bk, width = tiles
    n = 107
    weights, table = torch.randn(bm, n).to(dtype), torch.randn(300, width).to(dtype)
    indices = torch.randperm(300)[:n]
    # Rows that nobody names hold NaN: one that is read by mistake shows.
    table[[row for row in range(300) if row not in set(indices.tolist())]] = float("nan")
    out = torch.empty(bm, width)
    kernels.weighted_rows[(1,)](weights, table, indices, out, n, BM=bm, BK=bk, WIDTH=width)
    assert relative_error(out, weights.double() @ table[indices].double()) < 1e-6


def test_matmul_rounds_its_result_to_the_output_type() -> None:
    a, b = torch.randn(32, 64).bfloat16(), torch.randn(64, 32).bfloat16()
    out = torch.empty(32, 32, dtype=torch.bfloat16)
    kernels.matmul[(1, 1)](a, b, out, 32, 32, 64, *a.stride(), *b.stride(), *out.stride(), BM=32, BN=32, BK=32)
    exact = a.double() @ b.double()
    wanted = exact.float().bfloat16()
    step = (out.double() - exact).abs() / exact.abs().clamp_min(1e-3)
    assert float((out == wanted).double().mean()) > 0.99
    assert float(step.max()) < 2**-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 64, 150])
def test_attention_matches_float64(dtype: Dtype, causal: bool, length: int) -> None:
    heads, width = 3, 32
    q, k, v = (torch.randn(heads, length, width).to(dtype) for _ in range(3))
    out = torch.empty_like(q)
    grid = (-(-length // 32), heads)
    kernels.attention[grid](q, k, v, out, width**-0.5, length, width, CAUSAL=causal, D=width, BM=32, BN=16)
    scores = q.double() @ k.double().transpose(1, 2) * width**-0.5
    if causal:
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    limit = 1e-5 if dtype == torch.float32 else TOLERANCE[dtype]
    assert relative_error(out, scores.softmax(2) @ v.double()) < limit


@pytest.mark.parametrize("columns", [1, 77, 128])
def test_row_reductions_match(columns: int) -> None:
    x = torch.randn(6, columns)
    sums, most, least = torch.empty(6), torch.empty(6), torch.empty(6)
    where = torch.empty(6, dtype=torch.int32)
    kernels.reduce_rows[(6,)](x, sums, most, least, where, columns, BLOCK=128)
    assert relative_error(sums, x.double().sum(1)) < 1e-6
    assert torch.equal(most, x.amax(1))
    assert torch.equal(least, x.amin(1))
    assert torch.equal(where.long(), x.argmax(1))


def test_argmax_takes_the_first_of_equals() -> None:
    x = torch.zeros(1, 64)
    x[0, [5, 9, 60]] = 3.0
    floats, where = [torch.empty(1) for _ in range(3)], torch.empty(1, dtype=torch.int32)
    kernels.reduce_rows[(1,)](x, *floats, where, 64, BLOCK=64)
    assert where.item() == 5


@pytest.mark.parametrize("shape", [(16, 32), (1, 8), (64, 4)])
def test_a_tile_reduces_along_either_axis(shape: tuple[int, int]) -> None:
    x = torch.randn(shape)
    rows, columns = torch.empty(shape[0]), torch.empty(shape[1])
    kernels.reduce_tile[(1,)](x, rows, columns, M=shape[0], N=shape[1])
    assert relative_error(rows, x.double().sum(1)) < 1e-6
    assert torch.equal(columns, x.amax(0))


@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_embedding_rows_are_copied(index_type: Dtype) -> None:
    table = torch.randn(50, 100)
    indices = torch.randint(0, 50, (20,)).to(index_type)
    out = torch.empty(20, 100)
    kernels.embedding[(20,)](table, indices, out, 100, BLOCK=128)
    assert torch.equal(out, table[indices.long()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_gathered_as_a_tile_are_copied(dtype: Dtype) -> None:
    table = torch.randn(50, 30).to(dtype)
    indices = torch.randint(0, 50, (37,))
    out = torch.zeros(37, 30, dtype=dtype)
    kernels.gather_rows[(3,)](table, indices, out, 37, 30, BLOCK=16, WIDTH=32)
    assert torch.equal(out, table[indices])


def test_gather_within_a_tile_picks_by_index() -> None:
    x, indices = torch.randn(64), torch.randint(0, 64, (64,), dtype=torch.int32)
    out = torch.empty(64)
    kernels.gather_in_tile[(1,)](x, indices, out, BLOCK=64)
    assert torch.equal(out, x[indices.long()])


def test_atomic_adds_lose_nothing_between_programs() -> None:
    x = torch.randint(0, 16, (100_000,), dtype=torch.int32)
    counts, total = torch.zeros(16, dtype=torch.int32), torch.zeros(1)
    kernels.count_values[(-(-100_000 // 256),)](x, counts, total, 100_000, BLOCK=256)
    assert torch.equal(counts.long(), torch.bincount(x, minlength=16))
    assert total.item() == x.sum().item()


def test_atomic_max_keeps_the_largest() -> None:
    x = torch.randint(-1000, 1000, (5000,), dtype=torch.int32)
    out = torch.full((1,), -(2**31), dtype=torch.int32)
    kernels.highest[(20,)](x, out, 5000, BLOCK=256)
    assert out.item() == x.max().item()


def test_a_recurrence_scans_with_its_own_combine() -> None:
    a, b = torch.rand(64) * 0.9, torch.randn(64)
    out = torch.empty(64)
    kernels.recurrence[(1,)](a, b, out, BLOCK=64)
    state, wanted = 0.0, []
    for scale, step in zip(a.double().tolist(), b.double().tolist(), strict=True):
        state = state * scale + step
        wanted.append(state)
    assert relative_error(out, torch.tensor(wanted)) < 1e-6


def test_running_sums_go_forward_and_backward() -> None:
    x = torch.randn(8, 32)
    forward, backward = torch.empty_like(x), torch.empty_like(x)
    kernels.running_sums[(1,)](x, forward, backward, ROWS=8, COLUMNS=32)
    assert relative_error(forward, x.double().cumsum(1)) < 1e-6
    assert relative_error(backward, x.double().flip(0).cumsum(0).flip(0)) < 1e-6


def test_a_function_that_is_not_inlined_is_called() -> None:
    x, out = torch.randn(40), torch.empty(40)
    kernels.with_call[(40,)](x, out)
    assert relative_error(out, x.double() ** 2 + torch.arange(40)) < 1e-6


def test_programs_behind_a_limit_return_early() -> None:
    x, out = torch.randn(160), torch.zeros(160)
    kernels.early_return[(10,)](x, out, 7, BLOCK=16)
    assert torch.equal(out[:112], x[:112] + 1)
    assert bool((out[112:] == 0).all())


def test_every_program_of_a_three_dimensional_grid_runs_once() -> None:
    out = torch.full((3 * 5 * 7,), -1, dtype=torch.int32)
    kernels.grid_3d[(3, 5, 7)](out, 5, 7)
    x, y, z = torch.meshgrid(torch.arange(3), torch.arange(5), torch.arange(7), indexing="ij")
    assert torch.equal(out.long(), (x * 10000 + y * 100 + z).flatten())


def test_while_loops_run_until_their_condition_fails() -> None:
    x = torch.arange(1, 60, dtype=torch.int32)
    out = torch.zeros_like(x)
    kernels.collatz[(59,)](x, out)

    def steps(n: int) -> int:
        return 0 if n == 1 else 1 + steps(n // 2 if n % 2 == 0 else 3 * n + 1)

    assert out.tolist() == [steps(n) for n in x.tolist()]


def test_arguments_that_are_the_same_memory_are_seen_in_order() -> None:
    x = torch.arange(16, dtype=torch.float32)
    kernels.shift_in_place[(1,)](x, x, BLOCK=16)
    assert torch.equal(x, torch.arange(16) * 3.0)


def test_arguments_that_overlap_in_part_are_seen_in_order() -> None:
    memory = torch.arange(20, dtype=torch.float32)
    start = memory.clone()
    kernels.shift_in_place[(1,)](memory[4:], memory, BLOCK=16)
    wanted = start.clone()
    values = wanted[4:20].clone()
    wanted[0:16] = values * 2
    read = wanted[0:16].clone()
    wanted[4:20] = read + values
    assert torch.equal(memory, wanted)


def test_casts_round_as_torch_rounds() -> None:
    x = torch.cat([torch.randn(60) * 3, torch.tensor([0.0, -0.0, 1.0009765625, 100.5])])
    halves, brains = torch.empty(64, dtype=torch.float16), torch.empty(64, dtype=torch.bfloat16)
    integers, small, eights = torch.empty(64, dtype=torch.int64), torch.empty(64, dtype=torch.int8), torch.empty(64)
    kernels.casts[(1,)](x, halves, brains, integers, small, eights, BLOCK=64)
    assert torch.equal(halves, x.half())
    assert torch.equal(brains, x.bfloat16())
    assert torch.equal(integers, x.int().long())
    assert torch.equal(small.int(), x.int() & 127)
    assert torch.equal(eights, x.to(torch.float8_e5m2).float() + x.to(torch.float8_e4m3fn).float())


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_pipeline_depth_changes_nothing(stages: int) -> None:
    x, out = torch.randn(1024), torch.empty(2)
    kernels.stages[(2,)](x, out, 1024, BLOCK=128, STAGES=stages)
    assert relative_error(out, x.double().exp2().sum().expand(2)) < 1e-6


def test_numbers_are_passed_in_every_width() -> None:
    out = torch.zeros(4)
    many: Any = kernels.number_arguments
    many[(1,)](out, 1.5, 2.5, 3.5, 2**40, True, -3, 200, 2**63)
    assert out.tolist() == [1.5 + 2.5 + 3.5, 2.0**40, 1.0 - 3.0 + 200.0, 2.0**63]
