"""Tree masks of speculative decoding, and needles: queries aimed at one key.

A needle on a key at an edge (first and last of the prefix, the diagonal, the far end of the
window) must dominate its row; one on the nearest hidden key (the next token, one past the window)
must leave no trace. Kernels that are off by one fail on these by far.
"""

import numpy as np
import torch

from kernelwright.problems.extend_attention.shape import Shape, hidden_span, tree_level

# Above the largest of 128k other logits of its row at every head width from 64. Where the key is visible its
# exponential passes what fp32 holds, so that the row's maximum has to be subtracted; by far for a row's own key, which
# no mask hides.
_HIDDEN_LOGIT, _VISIBLE_LOGIT, _OWN_KEY_LOGIT = 40.0, 120.0, 3000.0
_HIDDEN_KINDS, _OWN_KEY = (2, 4), 1


def random_tree_mask(shape: Shape, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the flat mask and where each request's part starts.

    Each row of a request sees itself and its ancestors in a random tree whose depths are fixed. Nodes come in no
    order, so rows see later tokens too: a mask replaces causality. With `skip_prefix_mask` the part over the prefix
    is random and must be ignored; without, it hides an eighth of the prefix from each row.
    """
    parts = []
    for extend, prefix in zip(shape.extend, shape.prefix, strict=True):
        mask = np.zeros((extend, prefix + extend), np.uint8)
        mask[:, :prefix] = rng.integers(0, 2, (1, prefix)) if shape.skip_prefix_mask else 1
        start = int(rng.integers(0, max(prefix, 1)))
        for row in range(extend):
            if row:
                level = tree_level(row) - 1
                parents = [node for node in range(row) if tree_level(node) == level]
                parent = int(rng.choice(parents))
                mask[row, prefix:] = mask[parent, prefix:]
            mask[row, prefix + row] = 1
        order = rng.permutation(extend)
        mask[:, prefix:] = mask[order][:, prefix + order]
        for row in range(extend):
            if not shape.skip_prefix_mask and prefix:
                span = hidden_span(prefix)
                mask[row, (start + row * span + np.arange(span)) % prefix] = 0
        parts.append(mask.reshape(-1))
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(starts.astype(np.int64))


def plant_needles(shape: Shape, tensors: dict[str, torch.Tensor], rng: np.random.Generator, count: int) -> None:
    """Aim up to `count` query vectors of `tensors["q_extend"]` each at one key, in place.

    Every seven needles meet every kind of key once; a (row, head) that has one is left alone.
    """
    live = [i for i, extend in enumerate(shape.extend) if extend]
    q_starts = np.concatenate([[0], np.cumsum(shape.extend)])
    p_starts = np.concatenate([[0], np.cumsum(shape.prefix)])
    taken: set[tuple[int, int]] = set()
    for n in range(count if live else 0):
        i = live[int(rng.integers(len(live)))]
        prefix, head = shape.prefix[i], int(rng.integers(shape.q_heads))
        row, position = _aim(shape, n % 7, shape.extend[i], prefix, rng)
        q_row = int(q_starts[i]) + row
        if (q_row, head) in taken:
            continue
        taken.add((q_row, head))
        kv_head, scale = head // shape.group, shape.logit_scale
        if position < prefix:
            slot = tensors["kv_indices"][int(p_starts[i]) + position]
            key, scale = tensors["k_buffer"][slot, kv_head].float(), scale * shape.k_scale
        else:
            key = tensors["k_extend"][int(q_starts[i]) + position - prefix, kv_head].float()
        query = key * (_logit(n % 7) / (scale * key.square().sum()))
        tensors["q_extend"][q_row, head] = query.to(tensors["q_extend"].dtype)


def _logit(kind: int) -> float:
    if kind == _OWN_KEY:
        return _OWN_KEY_LOGIT
    return _HIDDEN_LOGIT if kind in _HIDDEN_KINDS else _VISIBLE_LOGIT


def _aim(shape: Shape, kind: int, extend: int, prefix: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return row and position, in prefix plus new tokens, of a needle.

    Kinds: 0 the first visible key, 1 the last row's own, 2 the key after the row's own, 3 the last
    of the prefix, 4 the key before the first visible, 5 the first new key, 6 any visible one. Where
    a request has no such key the nearest is taken.
    """
    row = extend - 1 if kind == _OWN_KEY else int(rng.integers(max(extend - 1, 1) if kind == 2 else extend))
    own = prefix + row
    first = max(own - shape.window, 0) if shape.window >= 0 else 0
    after = min(own + 1, prefix + extend - 1)
    positions = (first, own, after, max(prefix - 1, first), max(first - 1, 0), max(min(prefix, own), first))
    return row, positions[kind] if kind < len(positions) else int(rng.integers(first, own + 1))
