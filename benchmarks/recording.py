"""Where measured figures go: `benchmarks/results/NAME-DATE.json` with machine, versions and commit."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kernelwright.cli.machine import machine_facts, package_versions

ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    """Return the commit that is checked out, with a mark when files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()


def record(name: str, date: str | None, content: dict) -> Path:
    """Write `content` and return the file; `date` None is today."""
    file = ROOT / "benchmarks" / "results" / f"{name}-{date or time.strftime('%Y-%m-%d', time.gmtime())}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")
    return file


def record_here(name: str, figures: dict) -> None:
    """Write figures that were measured now, on this machine, and say where."""
    content = {"commit": commit(), "machine": machine_facts(), "versions": package_versions(), **figures}
    print(f"wrote {record(name, None, content).relative_to(ROOT)}")


def load_entry(source: str, entry: str) -> Callable[..., object]:
    """Return the entry function of a candidate's source; Triton wants its kernels in a file."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write(source)
    spec = importlib.util.spec_from_file_location(Path(file.name).stem, file.name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, entry)


def spread(values: list[float]) -> dict[str, float]:
    """Return minimum, median and maximum."""
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
