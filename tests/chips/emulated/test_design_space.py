from dataclasses import replace

import pytest

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.sweeps.area import area_parts, area_proxy
from kernelwright.chips.emulated.sweeps.design_space import (
    DesignPoint,
    WorkloadTime,
    changed_machine,
    line_of,
    pareto_front,
    relative_time,
    run_sweep,
    sensitivities,
    strongest,
    sweep_lines,
    sweep_pairs,
)
from kernelwright.chips.emulated.sweeps.factors import FACTORS, Vary, factor_values, parse_vary
from kernelwright.core.errors import RequestError, UnknownNameError
from tests.chips.emulated.launch_samples import MACHINE

KNOWN = (*FACTORS, "kv_heads")


def _timer(machine: Machine) -> tuple[WorkloadTime, ...]:
    """Time falls with units, and with bandwidth for one of two workloads."""
    compute = 8e6 / machine.usable_units
    memory = 1e18 / machine.memory_bytes_per_s
    return (
        WorkloadTime("dense", "cold", round(compute)),
        WorkloadTime("thin", "verify", round(memory)),
    )


def _sweep(text: str) -> tuple[DesignPoint, ...]:
    varies = parse_vary(text, KNOWN)
    designs = (*sweep_lines(MACHINE, varies), *sweep_pairs(MACHINE, varies))
    return run_sweep(MACHINE, designs, _timer, lambda done, of: None)


def test_ranges_and_lists_are_read() -> None:
    varies = parse_vary("units=4:16:4, hbm_gb_s=500/1500,llc_mib,kv_heads=x2/4", KNOWN)
    assert varies[0] == Vary("units", (4.0, 8.0, 12.0, 16.0))
    assert varies[1] == Vary("hbm_gb_s", (500.0, 1500.0))
    assert varies[2] == Vary("llc_mib", None)
    assert varies[3] == Vary("kv_heads", ("x2", 4.0))
    assert factor_values(varies[1], MACHINE) == (500.0, 1000.0, 1500.0)


@pytest.mark.parametrize("text", ["units=8:4:1", "units=1:1000:1", "units=1:4", "units=4:8:0", "units,units", ""])
def test_ranges_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse_vary(text, KNOWN)


def test_an_unknown_factor_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hbm_gb_s'"):
        parse_vary("hbm_gbs", KNOWN)


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_changes_what_it_reads(name: str) -> None:
    factor = FACTORS[name]
    machine = replace(MACHINE, die_link_bytes_per_cycle=64.0, dies=2)
    values = factor.values(machine)
    assert factor.read(machine) in values
    for value in values:
        assert factor.read(factor.applied(machine, value)) == pytest.approx(value)
    assert factor.applied(machine, factor.read(machine)) is machine
    with pytest.raises(RequestError, match=name):
        factor.applied(machine, 0.0)


def test_area_grows_with_what_a_design_holds() -> None:
    for name in ("units", "shared_kib", "llc_mib", "hbm_gb_s", "exp_rate", "registers_k", "dot_rate"):
        more = FACTORS[name].applied(MACHINE, 2 * FACTORS[name].read(MACHINE))
        assert area_proxy(more) > area_proxy(MACHINE)
    assert sum(area_parts(MACHINE).values()) == area_proxy(MACHINE)


def test_elasticities_say_which_factor_time_depends_on() -> None:
    varies = parse_vary("units=4/8/16,hbm_gb_s=500/2000,exp_rate", KNOWN)
    found = {s.factor: s for s in sensitivities(_sweep("units=4/8/16,hbm_gb_s=500/2000,exp_rate"), MACHINE, varies)}
    assert found["units"].elasticity == pytest.approx(-0.5)
    assert found["units"].by_regime == {"cold": pytest.approx(-1.0), "verify": pytest.approx(0.0)}
    assert found["hbm_gb_s"].by_regime["verify"] == pytest.approx(-1.0)
    assert found["exp_rate"].elasticity == 0.0


def test_the_strongest_factors_are_those_that_time_depends_on() -> None:
    varies = parse_vary("exp_rate,units=4/8/16,lanes,hbm_gb_s=500/2000", KNOWN)
    found = sensitivities(_sweep("exp_rate,units=4/8/16,lanes,hbm_gb_s=500/2000"), MACHINE, varies)
    assert [vary.name for vary in strongest(found, varies, 2)] == ["units", "hbm_gb_s"]


def test_pairs_change_both_factors() -> None:
    points = _sweep("units=4/8/16,hbm_gb_s=500/2000")
    both = [point for point in points if len(point.changes) == 2]
    assert len(both) == 4 and all(set(point.changes) == {"units", "hbm_gb_s"} for point in both)


def test_a_line_holds_the_profile_itself() -> None:
    points = _sweep("units=4/16,hbm_gb_s=500")
    assert [value for value, _ in line_of(points, MACHINE, "units")] == [4.0, 8.0, 16.0]


def test_no_design_on_the_front_is_beaten() -> None:
    points = _sweep("units=2:16:2,hbm_gb_s=500:2000:250")
    front = pareto_front(points)
    base = points[0]
    for point in front:
        time = relative_time(point, base)
        assert time is not None
        for other in points:
            rival = relative_time(other, base)
            assert rival is not None and not (rival < time and other.area < point.area)
    assert [point.area for point in front] == sorted(point.area for point in front)


def test_a_design_on_which_a_workload_does_not_run_has_no_mean() -> None:
    base = DesignPoint({}, 1.0, _timer(MACHINE))
    times = (replace(base.times[0], time_ns=None, reason="does not fit"), base.times[1])
    broken = DesignPoint({"shared_kib": 1.0}, 0.5, times)
    assert relative_time(broken, base) is None
    assert relative_time(broken, base, "verify") == 1.0
    assert pareto_front((base, broken)) == (base,)


def test_changes_add_up() -> None:
    machine = changed_machine(MACHINE, {"units": 16.0, "shared_kib": 128.0})
    assert (machine.units, machine.shared_block_bytes) == (16, 128 * 1024)
