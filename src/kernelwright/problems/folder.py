"""Reading what every problem's folder has: `problem.toml` and `README.md`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from kernelwright.core.codec import from_json
from kernelwright.core.errors import HarnessError, RequestError


@dataclass(frozen=True)
class OutputRule:
    """How one output is compared with the oracle.

    `axes` name its dimensions, `group` those of them that get a relative L2 error of their own. `kind` is "values":
    relative L2 at most `gate`, and no element of a row further off than `row_factor` times that, in units of the
    row's root mean square; "relative": no element further off than `gate` times itself; "codes", for quantised types,
    where the oracle's answer is a number of the type: at most one step of the type, and at most the share
    `most_different` of elements different at all; "exact": equal. Eight-bit outputs of kind "values" are compared as
    codes. `role` inout is an output that has contents before the call, and keeps them where the oracle says NaN.
    """

    axes: tuple[str, ...]
    group: tuple[str, ...] = ()
    kind: Literal["values", "relative", "codes", "exact"] = "values"
    gate: float = 1e-2
    row_factor: float = 8.0
    # Rows smaller than this share of their group are measured against it: where answers are what is left of numbers
    # that cancel, honest rounding is as large in small rows as in others.
    row_floor: float = 1e-3
    most_different: float = 0.01
    role: Literal["output", "inout"] = "output"


@dataclass(frozen=True)
class _Facts:
    name: str
    title: str
    entry: str
    plan_inputs: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    outputs: Mapping[str, OutputRule] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """What `problem.toml` says, and the rules for engineers, `readme`.

    `plan_inputs` names the arguments whose contents host code may read, `vary` the sizes in which hidden workloads
    differ from those written down.
    """

    name: str
    title: str
    entry: str
    readme: str
    plan_inputs: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    outputs: Mapping[str, OutputRule] = field(default_factory=dict)


def read_folder(package: str | None) -> Folder:
    """Return the folder of `package`; raises HarnessError when a file is missing."""
    if not package:
        raise HarnessError("a problem's folder must be a package")
    root = resources.files(package)
    try:
        return parse_folder(root.joinpath("problem.toml").read_text(), root.joinpath("README.md").read_text(), package)
    except FileNotFoundError as error:
        raise HarnessError(f"folder of {package} must hold problem.toml and README.md: {error.filename}") from None


def load_folder(root: Path) -> Folder:
    """Return the folder at `root`; raises RequestError when a file is missing or wrong."""
    try:
        return parse_folder((root / "problem.toml").read_text(), (root / "README.md").read_text(), root.name)
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise RequestError(f"a problem's folder must hold problem.toml and README.md, {root} has no {name}") from None


def parse_folder(facts_toml: str, readme: str, where: str) -> Folder:
    """Return the folder that the two texts describe; raises RequestError naming what is wrong."""
    try:
        facts = from_json(_Facts, tomllib.loads(facts_toml), f"{where}/problem.toml")
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{where}/problem.toml must be TOML: {error}") from None
    for name, rule in facts.outputs.items():
        unknown = sorted(set(rule.group) - set(rule.axes))
        if unknown or not rule.axes:
            raise RequestError(f"output {name} of {where} must name its axes, and group some of them, got {unknown}")
    return Folder(facts.name, facts.title, facts.entry, readme, facts.plan_inputs, facts.vary, facts.outputs)
