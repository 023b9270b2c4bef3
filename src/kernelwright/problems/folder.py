"""Reading what every problem's folder has: `problem.toml` and `README.md`."""

import tomllib
from dataclasses import dataclass
from importlib import resources

from kernelwright.core.codec import from_json
from kernelwright.core.errors import HarnessError


@dataclass(frozen=True)
class _Facts:
    name: str
    title: str
    entry: str


@dataclass(frozen=True)
class Folder:
    """Name, one line for lists, name of the entry function, rules for engineers."""

    name: str
    title: str
    entry: str
    readme: str


def read_folder(package: str | None) -> Folder:
    """Return the folder of `package`; raises HarnessError when a file is missing."""
    if not package:
        raise HarnessError("a problem's folder must be a package")
    root = resources.files(package)
    try:
        facts = from_json(_Facts, tomllib.loads(root.joinpath("problem.toml").read_text()), f"{package}/problem.toml")
        return Folder(facts.name, facts.title, facts.entry, root.joinpath("README.md").read_text())
    except FileNotFoundError as error:
        raise HarnessError(f"folder of {package} must hold problem.toml and README.md: {error.filename}") from None
