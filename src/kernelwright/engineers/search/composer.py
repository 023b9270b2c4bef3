"""Candidate source from a design: fragments chosen by the architecture, put together in order."""

import inspect
from dataclasses import astuple
from string import Template

from kernelwright.engineers.search import host_text, kernel_text, merge_text, narrow_text, regimes
from kernelwright.engineers.search.architecture import MARK, Architecture, Design, Tiles

_LINE = 116
# Numbers that follow from the lengths and heads of a call, in the order of the kernels' arguments.
_COUNTS = ("n_heads", "n_tiles", "n_requests", "n_pieces", "step", "n_items")
_CARRIED = (regimes.regime_of, regimes.nearest, regimes.width_of, regimes.tiles_for, regimes.narrowed)
_KEYS_AS_TILE = {"transposed_tile": "True", "transposed_pointers": "False", "by_regime": "as_tile"}


def compose(design: Design) -> str:
    """Return the source text of `design`: a Python file that starts with the design itself."""
    architecture = design.architecture
    parts = [
        MARK + design.to_line() + "\n",
        kernel_text.IMPORTS,
        *_device_functions(architecture),
        _tiles_text(design),
        host_text.PARTS,
        host_text.PLAN if architecture.grid == "table" else "",
        host_text.SIGNATURE + _host_body(architecture),
    ]
    return "\n".join(part for part in parts if part)


def _device_functions(architecture: Architecture) -> list[str]:
    base2 = architecture.softmax == "exp2"
    grouped = architecture.rows == "group"
    fill = {
        "unit": "1.4426950408889634" if base2 else "1.0",
        "widths": kernel_text.WIDTHS,
        "width_parameters": _annotated(kernel_text.WIDTHS, 16),
        "arguments": kernel_text.ARGUMENTS.replace("\n", "\n            "),
        "parameters": _annotated(kernel_text.CONSTANTS, 12),
        "constants": kernel_text.CONSTANTS.replace("\n", " "),
        "rows": (kernel_text.ROWS_GROUP if grouped else kernel_text.ROWS_TOKENS).rstrip(),
        "row_factor": "group" if grouped else "1",
        "merge_rows": (merge_text.ROWS_GROUP if grouped else merge_text.ROWS_TOKENS).rstrip(),
        "call_numbers": _quoted("window", "group", *(_COUNTS if architecture.grid == "table" else ())),
        "merge_numbers": _quoted("group", *_COUNTS),
    }
    sweeps = kernel_text.SWEEPS_APART if architecture.loops == "apart" else kernel_text.SWEEPS_ONE
    ahead = architecture.slots == "ahead"
    fill["early"] = kernel_text.EARLY_AHEAD.rstrip() if ahead else ""
    fill["slots"] = (kernel_text.SLOTS_AHEAD if ahead else kernel_text.SLOTS_SAME).rstrip()
    fill["scattered"] = "not GATHERED" if architecture.distances == "narrow" else "True"
    fill["sweeps"] = Template(sweeps).substitute(fill).rstrip()
    # A module of fragments of equal names: those of narrow distances where there are any.
    chosen = narrow_text if architecture.distances == "narrow" else kernel_text
    fill["load_moves"] = ", False" if architecture.distances == "narrow" else ""
    fill["pool_addresses"] = chosen.POOL_ADDRESSES.rstrip()
    fill["addresses"], fill["mask_addresses"] = chosen.ADDRESSES.rstrip(), chosen.MASK_ADDRESSES.rstrip()
    texts = [
        chosen.LOAD_TILE,
        chosen.LOAD_KEYS,
        kernel_text.CAP,
        chosen.SOFTMAX_EXP2 if base2 else kernel_text.SOFTMAX_EXP,
        chosen.SWEEP,
        *([narrow_text.GATHER] if architecture.distances == "narrow" else []),
        kernel_text.FINISH,
        kernel_text.ATTEND,
        *_kernels(architecture),
    ]
    return [Template(text).substitute(fill) for text in texts]


def _kernels(architecture: Architecture) -> list[str]:
    if architecture.grid == "padded":
        return [kernel_text.KERNEL_PADDED]
    if architecture.grid == "padded_exit":
        return [kernel_text.KERNEL_PADDED_EXIT]
    several = architecture.items == "several"
    kernels = [kernel_text.ITEM, kernel_text.KERNEL_TABLE_SEVERAL if several else kernel_text.KERNEL_TABLE]
    if architecture.prefix == "split":
        kernels.append(merge_text.MERGE)
        if architecture.distances == "narrow":
            kernels.append(merge_text.MERGE_ROW)
    return kernels


def _tiles_text(design: Design) -> str:
    if not design.architecture.per_regime:
        return Template(host_text.TILES_ONE).substitute(tiles=_row(design.tiles))
    lines = [f'    "{key}": {_row(tiles)},' for key, tiles in sorted(design.by_regime.items())]
    table = Template(host_text.TILES_BY_REGIME).substitute(by_regime="\n".join(lines), tiles=_row(design.tiles))
    functions = [inspect.getsource(function) for function in _CARRIED]
    return "\n\n".join([table, *functions])


def _row(tiles: Tiles) -> str:
    return repr(astuple(tiles))


def _host_body(architecture: Architecture) -> str:
    split = architecture.prefix == "split"
    fill = {
        "choice": host_text.CHOICE_BY_REGIME if architecture.per_regime else host_text.CHOICE_ONE,
        "factor": "group" if architecture.rows == "group" else "1",
        "programs": "kv_heads" if architecture.rows == "group" else "heads",
        "item_programs": "(n_items + several - 1) // several" if architecture.items == "several" else "n_items",
        "is_split": "split > 0 and sum(prefixes) > 0" if split else "False",
        "is_gathered": "is_gathered" if architecture.distances == "narrow" else "False",
        "halves": "halves" if architecture.distances == "narrow" else "False",
        "tabled": "tabled" if architecture.order == "by_regime" else "True",
        "as_tile": _KEYS_AS_TILE[architecture.key_load],
        "tiles_first": "tiles_first" if architecture.order == "by_regime" else "False",
    }
    gather = [narrow_text.LAUNCH_GATHER] if architecture.distances == "narrow" else []
    if architecture.grid == "table":
        body = [host_text.HEAD, *gather, host_text.TABLES]
        body += [host_text.SCRATCH] if split else []
        body += [host_text.SHARED, host_text.LAUNCH_TABLE]
        body += [merge_text.LAUNCH_MANY if architecture.distances == "narrow" else merge_text.LAUNCH] if split else []
    else:
        body = [host_text.HEAD, *gather, host_text.SHARED, host_text.LAUNCH_PADDED]
    return Template("".join(body)).substitute(fill)


def _quoted(*names: str) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _annotated(names: str, indent: int) -> str:
    lines: list[str] = [""]
    for name in names.replace("\n", " ").split(","):
        word = f"{name.strip()}: tl.constexpr"
        if len(lines[-1]) + len(word) + indent > _LINE:
            lines.append("")
        lines[-1] += ("" if not lines[-1] else " ") + word + ","
    return ("\n" + " " * indent).join(lines).rstrip(",")
