"""IR identity ignores names; the architecture fingerprint ignores sizes as well."""

import re

import torch

from kernelwright.core.ir_text import architecture_fingerprint, ir_sha256, normalised_text, strip_locations
from tests.compiler import kernels
from tests.compiler.test_reader import BF16, F16, F32, I32, I64, ttir

MATMUL_ARGS = (1024, 1024, 1024, 1024, 1, 1024, 1, 1024, 1)


def matmul(dtype: torch.dtype = F32, tile: int = 32) -> str:
    return ttir(kernels.matmul, dtype, dtype, F32, *MATMUL_ARGS, BM=tile, BN=tile, BK=tile)


def attention(causal: bool = True, rows: int = 32, columns: int = 16, dtype: torch.dtype = BF16) -> str:
    args = (dtype, dtype, dtype, dtype, 0.1, 1000, 64)
    return ttir(kernels.attention, *args, CAUSAL=causal, D=64, BM=rows, BN=columns)


def renamed(text: str) -> str:
    """Return the IR with every value and symbol called something else, and other source lines."""
    text = re.sub(r"%([A-Za-z_][\w$\-]*)", r"%other_\1", text)
    text = re.sub(r"@(\w)", r"@other_\1", text)
    return re.sub(r'\.py":(\d+):', lambda m: f'_moved.py":{int(m[1]) + 5}:', text)


def test_identity_ignores_names_and_source_lines() -> None:
    for text in (matmul(), attention(), ttir(kernels.with_call, F32, F32), ttir(kernels.collatz, I32, I32)):
        assert ir_sha256(renamed(text)) == ir_sha256(text)
        assert ir_sha256(strip_locations(text)) == ir_sha256(text)


def test_identity_differs_where_code_or_types_or_constants_differ() -> None:
    texts = [
        matmul(),
        matmul(F16),
        matmul(tile=64),
        attention(),
        attention(causal=False),
        ttir(kernels.collatz, I32, I32),
    ]
    assert len({ir_sha256(text) for text in texts}) == len(texts)


def test_normalised_text_holds_no_location_and_keeps_messages() -> None:
    text = normalised_text(ttir(kernels.flagged, F32, F32, BLOCK=16))
    assert "loc(" not in text
    assert "flagged" not in text
    assert r'tt.print " value \22quoted\22' in text


def test_a_message_that_looks_like_code_is_left_alone() -> None:
    line = (
        'module { tt.func public @k(%a: i1) { tt.assert %a, "100%done // loc(x) @y" : i1 loc(unknown)\n tt.return } }'
    )
    assert '"100%done // loc(x) @y" : i1' in normalised_text(line)
    assert normalised_text(line).count("loc(") == 1


def test_the_fingerprint_ignores_tile_sizes_types_names_and_pipeline_depth() -> None:
    assert architecture_fingerprint([matmul()]) == architecture_fingerprint([matmul(F16, 64)])
    assert architecture_fingerprint([attention()]) == architecture_fingerprint([attention(True, 64, 128, F32)])
    assert architecture_fingerprint([attention()]) == architecture_fingerprint([renamed(attention())])
    deep, shallow = (ttir(kernels.stages, F32, F32, 4096, BLOCK=64, STAGES=stages) for stages in (4, 1))
    assert architecture_fingerprint([deep]) == architecture_fingerprint([shallow])


def test_the_fingerprint_sees_other_loops_reductions_and_numbers_of_kernels() -> None:
    one = attention()
    prints = [
        architecture_fingerprint(texts)
        for texts in (
            [one], [one, one], [matmul()], [one, matmul()], [],
            [ttir(kernels.softmax_rows, F32, F32, 100, 100, BLOCK=128)],
            [ttir(kernels.layer_norm, F32, F32, F32, F32, 100, 100, 1e-5, BLOCK=64)],
            [ttir(kernels.early_return, F32, F32, 3, BLOCK=16)],
            [ttir(kernels.add, F32, F32, F32, 100, BLOCK=16)],
            [ttir(kernels.embedding, F32, I64, F32, 100, BLOCK=128)],
            [ttir(kernels.running_sums, F32, F32, F32, ROWS=4, COLUMNS=8)],
        )
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_ignores_the_order_of_kernels() -> None:
    assert architecture_fingerprint([matmul(), attention()]) == architecture_fingerprint([attention(), matmul()])


def test_the_fingerprint_sees_how_program_ids_reach_data() -> None:
    body = """module {{ tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {{
      %x = tt.get_program_id {axis} : i32
      {divide}
      %at = tt.addptr %p, %i : !tt.ptr<i32>, i32
      tt.store %at, %n : !tt.ptr<i32>
      tt.return }} }}"""
    plain = "%i = arith.addi %x, %n : i32"
    divided = "%i = arith.divsi %x, %n : i32"
    loaded = """%b = tt.addptr %p, %x : !tt.ptr<i32>, i32
      %i = tt.load %b : !tt.ptr<i32>"""
    texts = [
        body.format(axis=axis, divide=divide)
        for axis, divide in (("x", plain), ("y", plain), ("x", divided), ("x", loaded))
    ]
    assert len({architecture_fingerprint([text]) for text in texts}) == 4


def test_the_causal_bound_is_another_architecture_than_none() -> None:
    assert architecture_fingerprint([attention(causal=True)]) != architecture_fingerprint([attention(causal=False)])
