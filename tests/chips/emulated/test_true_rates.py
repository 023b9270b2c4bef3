"""What is true of a chip under the names of the search: made of its profile, and near what full probes reach."""

from dataclasses import asdict, replace

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.profiles.fact import STANDINGS
from kernelwright.chips.emulated.profiles.profile import Profile, load_profile, profile_names
from kernelwright.chips.emulated.profiles.true_rates import true_rates
from kernelwright.core.rates import TrueRate, flat_rates
from kernelwright.engineers.search.pipeline_rates import (
    PipelineRates,
    pipeline_probe_sources,
    pipeline_rates_of,
)
from kernelwright.sandbox import CaptureService, choose_sandbox
from kernelwright.workshop.probing import Prober

M890 = load_profile("m890")


def by_name(profile: Profile) -> dict[str, TrueRate]:
    return {rate.name: rate for rate in true_rates(profile)}


@pytest.mark.parametrize("name", profile_names())
def test_every_rate_that_the_search_notes_has_a_true_figure_or_says_that_there_is_none(name: str) -> None:
    rows = {str(rows): 1.0 for rows in (16, 32, 64, 128)}
    noted = flat_rates(asdict(PipelineRates(dot_rows=rows)))
    found = by_name(load_profile(name))
    assert set(found) == set(noted)
    for rate in found.values():
        assert rate.basis
        assert (rate.value is None) == (rate.standing == "")
        assert rate.value is None or (rate.value > 0 and rate.standing in STANDINGS)


def test_rates_are_those_of_the_units_that_can_be_used() -> None:
    found = by_name(M890)
    assert found["units"].value == 39
    assert found["dot_bf16_flops_per_s"].value == 39 * 8192 * 1.19e9
    assert found["exp_per_s"].value == 39 * 32 * 1.19e9
    assert found["wide_ops_per_s"].value == 39 * 128 * 1.19e9 / 4
    assert found["stream_bytes_per_s"].value == 4.4e12 * 0.9
    assert found["shared_bytes_per_s"].value == 39 * 256 * 1.19e9
    assert found["shared_bytes"].value == 262144
    fewer = by_name(M890.with_values({"fused_off": (1, 2, 39)}))
    assert fewer["units"].value == 37
    assert fewer["dot_bf16_flops_per_s"].value == 37 * 8192 * 1.19e9


def test_the_narrowest_place_on_the_way_is_the_true_figure_and_says_so() -> None:
    found = by_name(load_profile("zw810e"))
    machine = load_profile("zw810e").machine()
    assert found["stream_bytes_per_s"].value == 5 * machine.l2_fill_bytes_per_cycle * machine.clock_hz
    assert "L2" in found["stream_bytes_per_s"].basis
    free = by_name(load_profile("zw810e").with_values({"l2_fill_bytes_per_cycle": 0.0}))
    assert free["stream_bytes_per_s"].value == machine.memory_bytes_per_s * machine.memory_efficiency
    wide = by_name(M890.with_values({"copy_bytes_per_cycle": 1024.0}))
    assert wide["cached_bytes_per_s"].value == 10 * 512 * 1.19e9
    assert "less than their cache" in by_name(M890)["cached_bytes_per_s"].basis


def test_the_standing_is_that_of_the_least_certain_number_and_at_best_derived_for_several() -> None:
    found = by_name(M890)
    assert (found["units"].standing, found["shared_bytes"].standing) == ("published", "published")
    assert found["launch_ns"].standing == "assumed"
    known = {name: replace(fact, standing="published") for name, fact in M890.facts.items()}
    certain = by_name(replace(M890, facts=known))
    assert certain["launch_ns"].standing == "published"
    assert certain["dot_bf16_flops_per_s"].standing == "derived"


def test_a_type_that_the_chip_does_not_multiply_has_no_true_figure() -> None:
    rate = by_name(load_profile("a100"))["dot_f8_flops_per_s"]
    assert (rate.value, rate.standing, rate.basis) == (None, "", "the chip does not multiply f8")


def test_names_without_a_single_true_figure_say_what_stands_in_for_it() -> None:
    found = by_name(M890)
    assert found["gather_bytes_per_s"].basis.startswith("none of its own")
    assert found["dot_rows.16"].basis.startswith("none of its own")
    assert found["dot_rows.16"].value == found["dot_bf16_flops_per_s"].value


@pytest.mark.slow
def test_probes_on_the_chip_come_near_what_is_true_and_not_beyond() -> None:
    chip = load_chip("zw810e")
    assert isinstance(chip, EmulatedChip)
    times: dict[str, float] = {}
    with CaptureService(choose_sandbox(False), cores=1) as capture:
        prober = Prober(capture, chip.open)
        for source in pipeline_probe_sources():
            told = prober(source)["probes"]
            assert isinstance(told, dict)
            times |= {name.removeprefix("probe_"): row["ns_min"] for name, row in told.items() if "ns_min" in row}
    learned = flat_rates(asdict(pipeline_rates_of(times, {})))
    found = by_name(chip.profile)
    near = ("dot_bf16_flops_per_s", "exp_per_s", "lane_ops_per_s", "stream_bytes_per_s", "shared_bytes_per_s")
    for name in near:
        true = found[name].value
        assert true is not None
        assert 0.9 < learned[name] / true <= 1.001, name
