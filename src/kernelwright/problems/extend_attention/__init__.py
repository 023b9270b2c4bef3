"""Extend attention: the folder of the first problem. `PROBLEM` is what the registry hands out."""

from collections.abc import Mapping

import torch

from kernelwright.core.problem import Brief, Suite, Workload
from kernelwright.core.work import Bound, Peaks, Work
from kernelwright.problems.contract import Answers, ErrorReport, Inputs, LibraryWay, TileConfig
from kernelwright.problems.extend_attention.cost import bound_of, work_of
from kernelwright.problems.extend_attention.gates import OUTPUT, check_output
from kernelwright.problems.extend_attention.inputs import NEEDLES, make_inputs, timing_inputs
from kernelwright.problems.extend_attention.library import library_ways
from kernelwright.problems.extend_attention.oracle import attend
from kernelwright.problems.extend_attention.sample import check_sample
from kernelwright.problems.extend_attention.suites import SUITES, load_suite
from kernelwright.problems.extend_attention.tuned import reference_source, tuned_source, tuning_key, tuning_space
from kernelwright.problems.folder import read_folder

_FOLDER = read_folder(__package__)


class ExtendAttentionTuning:
    """Tiles by regime and head width, and the exit of empty tiles."""

    def source(self, configs: Mapping[str, TileConfig]) -> str:
        """Return the reference with the exit of empty tiles and tiles from `configs` by tuning key."""
        return tuned_source(configs)

    def key(self, workload: Workload) -> str:
        """Return the key of `configs` that the tuned reference uses on `workload`."""
        return tuning_key(workload)

    def space(self, workload: Workload, has_warps: bool) -> tuple[TileConfig, ...]:
        """Return every configuration to try; `has_warps` adds warps and pipeline stages."""
        return tuning_space(workload, has_warps)


class ExtendAttentionBaselines:
    """The reference, the reference tuned, and torch."""

    tuning = ExtendAttentionTuning()
    has_library = True

    def reference(self) -> str:
        """Return the source of the reference."""
        return reference_source()

    def autotuned(self) -> str | None:
        """Return None: the run tunes the reference."""
        return None

    def library(self, inputs: Inputs) -> tuple[LibraryWay, ...]:
        """Return three ways to call torch on `inputs`."""
        return library_ways(inputs)


class ExtendAttention:
    """The problem at work; stateless."""

    name = address = _FOLDER.name
    title = _FOLDER.title
    entry = _FOLDER.entry
    suites = SUITES
    baselines = ExtendAttentionBaselines()

    def brief(self, suite: str) -> Brief:
        """Return rules, reference and public workloads; nothing hidden."""
        public = load_suite(suite, secret=0).public
        return Brief(self.name, _FOLDER.readme, self.entry, reference_source(), public)

    def suite(self, name: str, secret: int) -> Suite:
        """Return the fixed public workloads and the hidden ones, whose lengths come from `secret`."""
        return load_suite(name, secret)

    def make_inputs(self, workload: Workload, seed: int, spread: float | None = None, needles: int = NEEDLES) -> Inputs:
        """Return arguments drawn from `seed`; `spread` None mixes 0.2, 1, 3 and 8 over the heads."""
        return make_inputs(workload, seed, spread, needles)

    def timing_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Return offsets, index lists and masks drawn from `seed`; tensors of floats have no contents."""
        return timing_inputs(workload, seed)

    def check_sample(
        self, outputs: Mapping[str, torch.Tensor | bytes], inputs: Inputs, seed: int, baseline: ErrorReport | None
    ) -> ErrorReport:
        """Return how far a few rows of up to three requests are from float64."""
        return check_sample(outputs, inputs, seed)

    def oracle(self, inputs: Inputs) -> Answers:
        """Return the answer in float64."""
        return {OUTPUT: attend(inputs)}

    def check(
        self,
        outputs: Mapping[str, torch.Tensor | bytes],
        inputs: Inputs,
        expected: Answers,
        baseline: ErrorReport | None = None,
    ) -> ErrorReport:
        """Return how far `outputs` are from `expected`, judged by the gates."""
        return check_output(outputs, inputs, expected[OUTPUT], None if baseline is None else baseline.rel_l2)

    def work(self, workload: Workload) -> Work:
        """Return the useful work: masked work not counted, compulsory traffic."""
        return work_of(workload)

    def bound(self, workload: Workload, suite: str, peaks: Peaks) -> Bound:
        """Return what limits the workload on a chip, by the rule fixed with the suite."""
        return bound_of(workload, suite, peaks)


PROBLEM = ExtendAttention()
