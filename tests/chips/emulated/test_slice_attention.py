"""The slice of extend attention visits the key blocks that the definition of its masks asks for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernelwright.chips.emulated.slicing.program import SliceProgram
from kernelwright.problems.extend_attention.reference import extend_kernel
from tests.chips.emulated.gpu_kernels import kernel_ir
from tests.chips.emulated.sliced_kernels import Memory, sliced, touches_of

Q_HEADS, KV_HEADS, WIDTH, SLOTS = 4, 2, 32, 4096
BLOCK_M, BLOCK_N = 32, 64
POINTERS = {
    "Q_Extend": "*bf16", "K_Extend": "*bf16", "V_Extend": "*bf16", "O_Extend": "*bf16", "K_Buffer": "*bf16",
    "V_Buffer": "*bf16", "qo_indptr": "*i32", "kv_indptr": "*i32", "kv_indices": "*i64",
}  # fmt: skip
STRIDES = [f"stride_{name}" for name in ("qbs", "qh", "kbs", "kh", "vbs", "vh", "obs", "oh")] + [
    f"stride_buf_{name}" for name in ("kbs", "kh", "vbs", "vh")
]


@dataclass(frozen=True)
class Case:
    extend: tuple[int, ...]
    prefix: tuple[int, ...]
    window: int = -1
    tree: bool = False
    skip_prefix: bool = True
    stages: int = 1

    def mask(self, request: int, trees: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return which keys [E, P + E] each new token sees."""
        new, old = self.extend[request], self.prefix[request]
        row, key = old + np.arange(new)[:, None], np.arange(old + new)[None, :]
        seen = (row >= key) if not self.tree else trees[request] | ((key < old) & self.skip_prefix)
        return seen & (row <= key + self.window) if self.window >= 0 else seen


def program_of(case: Case) -> SliceProgram:
    constants: dict[str, Any] = {
        "LOGIT_CAP": 0.0, "WINDOW": case.window, "Lq": WIDTH, "Lv": WIDTH, "BLOCK_DMODEL": WIDTH, "BLOCK_DPE": 0,
        "BLOCK_DV": WIDTH, "BLOCK_M": BLOCK_M, "BLOCK_N": BLOCK_N, "USE_CUSTOM_MASK": case.tree,
        "SKIP_PREFIX_CUSTOM_MASK": case.skip_prefix, "IS_CAUSAL": True, "HAS_SINK": False, "EXIT_EMPTY": True,
        "sinks": None,
    }  # fmt: skip
    types = dict(POINTERS)
    if case.tree:
        types |= {"custom_mask": "*u8", "mask_indptr": "*i64"}
    else:
        constants |= {"custom_mask": None, "mask_indptr": None}
    types |= {"sm_scale": "fp32", "k_scale": "fp32", "v_scale": "fp32", "kv_group_num": "i32"}
    types |= dict.fromkeys(STRIDES, "i32")
    return sliced(kernel_ir(extend_kernel, types, constants, 4, case.stages, odd=("kv_group_num",)))


CASES = {
    "causal": Case((70, 0, 33, 1), (130, 64, 0, 257)),
    "causal, pipelined": Case((70, 0, 33, 1), (130, 64, 0, 257), stages=3),
    "window": Case((100, 40, 5), (300, 20, 0), window=50),
    "tree": Case((12, 40, 0), (200, 70, 64), tree=True),
    "tree over the prefix": Case((12, 40, 7), (200, 70, 0), tree=True, skip_prefix=False),
    "tree in a window": Case((12, 40, 7), (200, 300, 0), window=40, tree=True, skip_prefix=False),
}


@pytest.mark.parametrize("name", list(CASES))
def test_blocks_visited_and_elements_reached_are_those_of_the_mask(name: str) -> None:
    case = CASES[name]
    rng = np.random.default_rng(3)
    starts = [np.concatenate([[0], np.cumsum(n)]).astype(np.int32) for n in (case.extend, case.prefix)]
    slots = rng.permutation(SLOTS)[: starts[1][-1]].astype(np.int64)
    trees = [rng.random((e, p + e)) < 0.02 for e, p in zip(case.extend, case.prefix, strict=True)]
    flat = np.concatenate([tree.reshape(-1) for tree in trees]).astype(np.uint8)
    offsets = np.concatenate([[0], np.cumsum([tree.size for tree in trees])]).astype(np.int64)
    rows, pool = int(starts[0][-1]) * WIDTH * 2, SLOTS * KV_HEADS * WIDTH * 2
    given: dict[str, NDArray[Any] | tuple[str, int]] = {
        **dict.fromkeys(("Q_Extend", "O_Extend"), ("bf16", rows * Q_HEADS)),
        **dict.fromkeys(("K_Extend", "V_Extend"), ("bf16", rows * KV_HEADS)),
        **dict.fromkeys(("K_Buffer", "V_Buffer"), ("bf16", pool)),
    }
    given |= {"qo_indptr": starts[0], "kv_indptr": starts[1], "kv_indices": slots}
    memory = Memory(given | {"custom_mask": flat, "mask_indptr": offsets})
    pointers = [*POINTERS, *(("custom_mask", "mask_indptr") if case.tree else ())]
    queries, keys = (Q_HEADS * WIDTH, WIDTH), (KV_HEADS * WIDTH, WIDTH)
    numbers = [0.1, 1.0, 1.0, Q_HEADS // KV_HEADS, *queries, *keys, *keys, *queries, *keys, *keys]
    grid = (len(case.extend), Q_HEADS, -(-max(case.extend) // BLOCK_M))
    trace = memory.run(program_of(case), grid, [*pointers, *numbers])
    for program in range(trace.programs):
        request, head, tile = program % grid[0], program // grid[0] % grid[1], program // (grid[0] * grid[1])
        found = [touch for touch in touches_of(trace, program) if touch[1]]
        kv_head, first = head // (Q_HEADS // KV_HEADS), int(starts[0][request])
        old, new = case.prefix[request], case.extend[request]
        seen = case.mask(request, trees)[tile * BLOCK_M : (tile + 1) * BLOCK_M]
        for which in ("K", "V"):
            pool_start, new_start = memory.start(f"{which}_Buffer"), memory.start(f"{which}_Extend")
            expected = []
            for start in range(0, old if len(seen) else 0, BLOCK_N):
                block = seen[:, start : min(start + BLOCK_N, old)]
                if block.any() or (case.window < 0 and (not case.tree or case.skip_prefix)):
                    slot = int(slots[starts[1][request] + start])
                    expected.append((pool_start + 2 * WIDTH * (slot * KV_HEADS + kv_head), block.shape[1] * WIDTH))
            end = new if case.tree else min(new, (tile + 1) * BLOCK_M)
            for start in range(0, end if len(seen) else 0, BLOCK_N):
                block = seen[:, old + start : old + min(start + BLOCK_N, end)]
                if block.any() or (case.window < 0 and not case.tree):
                    place = (first + start) * KV_HEADS + kv_head
                    expected.append((new_start + 2 * WIDTH * place, block.shape[1] * WIDTH))
            ours = [t for t in found if 0 <= t[0] - pool_start < pool or 0 <= t[0] - new_start < rows * KV_HEADS]
            assert ours == expected, (program, which)
        stored = [t for t in found if 0 <= t[0] - memory.start("O_Extend") < rows * Q_HEADS]
        place = (first + tile * BLOCK_M) * Q_HEADS + head
        assert stored == ([(memory.start("O_Extend") + 2 * WIDTH * place, len(seen) * WIDTH)] if len(seen) else [])
