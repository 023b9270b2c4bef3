"""A problem that is a folder and nothing else; `docs/problems.md` describes the files.

`inputs.py` and `oracle.py` are Python of the problem's author and run in the judge's process, never in the
candidate's: a folder is as trusted as the command that names it.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kernelwright.core.errors import KernelwrightError, RequestError, UnknownNameError
from kernelwright.core.problem import Brief, Suite, Workload
from kernelwright.core.work import Bound, Peaks, Work, compute_ns, roofline_ns, stream_ns
from kernelwright.problems.agreement import check_outputs
from kernelwright.problems.contract import Answers, ErrorReport, Inputs, LibraryWay, Tuning, Value, tensor
from kernelwright.problems.folder import load_folder
from kernelwright.problems.folder_code import find_function, format_fault, load_function, load_text
from kernelwright.problems.storage import has_gaps, unwritten
from kernelwright.problems.suite_file import latency_limit_ns, read_table, suite_of

SUITE_ORDER = ("smoke", "cpu", "full")

MakeInputs = Callable[[Mapping[str, Any], np.random.Generator], Mapping[str, Value]]


class FolderBaselines:
    """The reference, the reference autotuned if the folder has it, and the library if the folder can call it."""

    tuning: Tuning | None = None

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ways: Callable[[Mapping[str, Value]], tuple[LibraryWay, ...]] | None = None
        if (root / "library.py").is_file():
            self._ways = load_function(root, "library", "library_ways")

    @property
    def has_library(self) -> bool:
        """Return whether there are ways to call the library."""
        return self._ways is not None

    def reference(self) -> str:
        """Return the source of the reference."""
        return load_text(self._root, "reference.py")

    def autotuned(self) -> str | None:
        """Return the source of `tuned.py`; None without that file."""
        return load_text(self._root, "tuned.py") if (self._root / "tuned.py").is_file() else None

    def library(self, inputs: Inputs) -> tuple[LibraryWay, ...]:
        """Return the ways to call the library on `inputs`."""
        return () if self._ways is None else tuple(self._ways(inputs.values))


class GeneralProblem:
    """The problem in a folder, see `contract.LoadedProblem`; its files are read once."""

    def __init__(self, root: Path, address: str) -> None:
        self._root = root
        self._folder = load_folder(root)
        if not self._folder.outputs:
            raise RequestError(f"problem.toml of {root.name} must describe at least one output under [outputs.NAME]")
        self._tables = {name: read_table(root / "suites" / f"{name}.toml") for name in self._suite_names()}
        self._make_inputs: MakeInputs = load_function(root, "inputs", "make_inputs")
        self._make_timing_inputs: MakeInputs | None = find_function(root, "inputs", "make_timing_inputs")
        self._oracle: Callable[[Mapping[str, Value]], Answers] = load_function(root, "oracle", "oracle")
        self._work: Callable[[Mapping[str, Any]], Work] | None = None
        if (root / "work.py").is_file():
            self._work = load_function(root, "work", "work")
        self.name, self.title, self.entry = self._folder.name, self._folder.title, self._folder.entry
        self.address = address
        self.suites = tuple(self._tables)
        self.baselines = FolderBaselines(root)

    def brief(self, suite: str) -> Brief:
        """Return rules, reference and public workloads; nothing hidden."""
        return Brief(
            self.name, self._folder.readme, self.entry, self.baselines.reference(), self.suite(suite, 0).public
        )

    def suite(self, name: str, secret: int) -> Suite:
        """Return the fixed public workloads and the hidden ones, whose sizes come from `secret`."""
        if name not in self._tables:
            raise UnknownNameError("suite", name, self._tables)
        return suite_of(name, self._tables[name], secret, self._folder.vary)

    def make_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Return arguments drawn from `seed`; outputs hold NaN, those with contents excepted."""
        inputs = self._drawn(self._make_inputs, workload, seed)
        values = dict(inputs.values)
        for name in inputs.outputs:
            if has_gaps(tensor(values, name)):
                raise RequestError(f"output {name} of make_inputs must have no memory between its rows, or be inout")
            values[name] = unwritten(tensor(values, name))
        return replace(inputs, values=values)

    def timing_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Return integers drawn from `seed`, and of tensors of floats their shapes.

        Without `make_timing_inputs` in `inputs.py` everything is drawn, and floats are forgotten at once.
        """
        inputs = self._drawn(self._make_timing_inputs or self._make_inputs, workload, seed)
        values = {name: _without_floats(value) for name, value in inputs.values.items()}
        return replace(inputs, values=values)

    def check_sample(
        self, outputs: Mapping[str, torch.Tensor | bytes], inputs: Inputs, seed: int, baseline: ErrorReport | None
    ) -> ErrorReport:
        """Return how far all of `outputs` is from float64: a folder says nothing of rows that could be taken alone."""
        return self.check(outputs, inputs, self.oracle(inputs), baseline)

    def _drawn(self, make: MakeInputs, workload: Workload, seed: int) -> Inputs:
        rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(workload.name.encode())]))
        try:
            values = dict(make(workload.params, rng))
        except KeyError as error:
            raise RequestError(f"workload {workload.name} must give {error}, which make_inputs needs") from None
        except KernelwrightError:
            raise
        except Exception as error:
            raise self._faulty("inputs.py must make the inputs", workload, error) from error
        outputs = tuple(name for name, rule in self._folder.outputs.items() if rule.role == "output")
        updated = tuple(name for name, rule in self._folder.outputs.items() if rule.role == "inout")
        self._require_tensors(values, (*outputs, *updated, *self._folder.plan_inputs))
        return Inputs(workload, values, outputs, self._folder.plan_inputs, updated)

    def oracle(self, inputs: Inputs) -> Answers:
        """Return the answers in float64; raises RequestError where one is missing or of another shape."""
        try:
            answers = self._oracle(inputs.values)
        except KernelwrightError:
            raise
        except Exception as error:
            raise self._faulty("oracle.py must give the answers", inputs.workload, error) from error
        for name in self._folder.outputs:
            self._require_answer(answers, name, inputs)
        return {name: answers[name].double() for name in self._folder.outputs}

    def check(
        self,
        outputs: Mapping[str, torch.Tensor | bytes],
        inputs: Inputs,
        expected: Answers,
        baseline: ErrorReport | None = None,
    ) -> ErrorReport:
        """Return how far `outputs` are from `expected`, judged by the rules of `problem.toml`."""
        return check_outputs(outputs, inputs, expected, self._folder.outputs, baseline)

    def work(self, workload: Workload) -> Work:
        """Return the useful work; without `work.py` only what is certain: that every output is written once."""
        if self._work is not None:
            return self._work(workload.params)
        inputs = self.timing_inputs(workload, 0)
        return Work(0, "f32", sum(inputs.tensor(name).nbytes for name in inputs.outputs))

    def bound(self, workload: Workload, suite: str, peaks: Peaks) -> Bound:
        """Return latency where the roofline time is under the suite's limit, else the larger term."""
        work = self.work(workload)
        if roofline_ns(work, peaks) < latency_limit_ns(self._tables[suite]):
            return "latency"
        return "compute" if compute_ns(work, peaks) >= stream_ns(work, peaks) else "bandwidth"

    def _suite_names(self) -> tuple[str, ...]:
        found = {file.stem for file in (self._root / "suites").glob("*.toml")}
        if "smoke" not in found:
            raise RequestError(f"folder {self._root.name} must hold suites/smoke.toml, small workloads for checks")
        return tuple(name for name in SUITE_ORDER if name in found) + tuple(sorted(found - set(SUITE_ORDER)))

    def _faulty(self, must: str, workload: Workload, error: Exception) -> RequestError:
        return RequestError(f"{must} of workload {workload.name} of {self.name}, it raises {format_fault(error)}")

    def _require_answer(self, answers: Answers, name: str, inputs: Inputs) -> None:
        answer, like = answers.get(name), inputs.tensor(name)
        where = f"oracle.py of {self.name} must answer for output {name} with a tensor of shape {tuple(like.shape)}"
        if not isinstance(answer, torch.Tensor):
            raise RequestError(f"{where}, it gives {', '.join(answers) or 'nothing'}")
        if answer.shape != like.shape:
            raise RequestError(f"{where}, it gives {tuple(answer.shape)} on workload {inputs.workload.name}")

    def _require_tensors(self, values: Mapping[str, Value], names: tuple[str, ...]) -> None:
        wrong = [name for name in names if not isinstance(values.get(name), torch.Tensor)]
        if wrong:
            raise RequestError(
                f"make_inputs of {self.name} must return the tensor {', '.join(wrong)}, which problem.toml names; "
                f"it returns {', '.join(values)}"
            )


def _without_floats(value: Value) -> Value:
    """Return a tensor of floats as its geometry alone; everything else as it is."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
