from pathlib import Path

import pytest

from kernelwright.chips.emulated.profiles.fact import STANDINGS
from kernelwright.chips.emulated.profiles.fields import FIELDS
from kernelwright.chips.emulated.profiles.profile import load_profile, profile_names
from kernelwright.chips.emulated.profiles.spec import chip_spec, machine_peaks
from kernelwright.chips.emulated.profiles.text import format_profile, parse_profile
from kernelwright.core.errors import RequestError, UnknownNameError

M890 = load_profile("m890")
TEXT = format_profile({"name": "x", "title": "y", "family": "z", "projected": False}, M890.facts)


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


@pytest.mark.parametrize("name", profile_names())
def test_every_number_of_a_profile_has_a_standing_and_a_source(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    for field, fact in profile.facts.items():
        assert fact.standing in STANDINGS and fact.source, field
        if fact.standing == "assumed" and not isinstance(fact.value, bool | tuple):
            assert fact.low is not None and fact.high is not None and fact.low <= fact.value <= fact.high, field


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_a_machine(name: str) -> None:
    machine = load_profile(name).machine()
    assert machine.name == name
    assert machine.l2_latency < machine.llc_latency < machine.memory_latency
    assert set(machine.dot_flops) == set(machine.atoms)
    assert all(unit < machine.units for unit in machine.fused_off)
    assert machine.shared_block_bytes <= machine.shared_bytes


def test_the_family_has_these_members() -> None:
    assert profile_names() == ("a100", "h100", "h20", "h200", "j900", "m890", "v900", "zw810", "zw810e")
    assert [name for name in profile_names() if load_profile(name).projected] == ["j900", "v900"]
    assert M890.title == "M890-class, estimated"
    assert load_profile("zw810").machine().units == 72


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("m890", 370, 390),
        ("zw810e", 119, 128),
        ("a100", 311, 313),
        ("h100", 985, 993),
        ("h200", 985, 993),
        ("h20", 147, 149),
    ],
)
def test_the_fp16_peak_is_the_known_one(name: str, low: float, high: float) -> None:
    assert low <= machine_peaks(load_profile(name).machine()).dot_flops_per_s["f16"] / 1e12 <= high


def test_two_dies_with_39_usable_units() -> None:
    machine = M890.machine()
    assert (machine.dies, machine.units, machine.usable_units) == (2, 40, 39)


def test_a_projection_takes_over_facts_as_assumed_and_a_sibling_as_they_stand() -> None:
    assert {fact.standing for fact in load_profile("v900").facts.values()} <= {"assumed", "press"}
    assert load_profile("h20").facts["warp_lanes"].standing == "published"
    assert load_profile("h20").facts["warp_lanes"].source.startswith("as h100: ")


def test_text_that_was_written_reads_back_the_same() -> None:
    assert dict(parse_profile(TEXT, "x").facts) == dict(M890.facts)


def test_a_path_is_a_profile_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert load_profile(str(path)).machine().lanes == M890.machine().lanes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed("lane_latency =", "lane_latancy ="), "'lane_latancy' is not known. Did you mean 'lane_latency'?"),
        (changed("[power]", "[powre]"), "'powre' is not known. Did you mean 'power'?"),
        (changed("dot_flops.f16 = {value = 8192.0", 'dot_flops.f16 = {value = "fast"'), "f16 must be a number"),
        (changed("engines = {value = 8,", "engines = {value = 8.5,"), "engines must be a whole number, got '8.5'"),
        (changed("engines = {value = 8,", "engines = {value = 800,"), "engines must lie between 1 and 32, got 800"),
        (changed("engines = {value = 8,", "engines = {worth = 8,"), "'worth' is not known. Did you mean"),
        (changed("engines = {value = 8,", "engines = {"), "engines: 'value' is missing"),
        (changed("low = 18, high = 48", "low = 18"), "needs both low and high"),
        (changed("low = 18, high = 48", "low = 38, high = 48"), "value 32 must lie between low 38 and high 48"),
        (changed('name = "x"\n', ""), "'name' is missing"),
        (changed("projected = false", "projected = 0"), "projected must be of type bool"),
        (changed("[sources]", 'base = "m890"\nbase_standing = "kpt"\n[sources]'), "must be kept or assumed"),
        ("name = ", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_profile_is_named(text: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_profile(text, "x")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_standings_and_sources_are_checked() -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith("engines ="))
    with pytest.raises(RequestError, match="standing must be one of published, press, measured, derived, assumed"):
        parse_profile(TEXT.replace(line, line.replace("published", "rumoured")), "x")
    with pytest.raises(RequestError, match=r"source 's99' is not a key of \[sources\]"):
        parse_profile(TEXT.replace(line, line.replace('"s0"', '"s99"')), "x")


def test_a_missing_field_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(line for line in TEXT.splitlines() if not line.startswith(("units =", "lane_cost.int"))))
    with pytest.raises(RequestError, match=r"fields are missing: units, lane_cost\.int"):
        load_profile(str(path))


def test_a_base_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("[sources]", f'base = "{path}"\n[sources]', 1))
    with pytest.raises(RequestError, match="leads back to itself"):
        load_profile(str(path))


def test_a_file_that_is_not_there_and_a_name_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        load_profile(str(tmp_path / "missing.toml"))
    with pytest.raises(UnknownNameError, match="Did you mean 'm890'"):
        load_profile("m980")


def test_changed_values_are_assumed_and_checked() -> None:
    wider = M890.with_values({"units": 80, "dot_flops.f16": 4096.0})
    assert (wider.machine().units, wider.machine().dot_flops["f16"]) == (80, 4096.0)
    assert wider.facts["units"].standing == "assumed"
    assert M890.machine().units == 40
    with pytest.raises(UnknownNameError, match="Did you mean 'units'"):
        M890.with_values({"unit": 3})
    with pytest.raises(RequestError, match="must lie between 1 and 1024, got 0"):
        M890.with_values({"units": 0})


def test_engineers_see_the_documented_limits_only() -> None:
    spec = chip_spec(M890)
    assert spec.emulated and spec.title == "M890-class, estimated, emulated"
    shown = {name for name, _, _ in spec.facts}
    assert shown == {"memory_bytes", "warp_lanes", "max_warps_per_block", "registers_per_thread", "shared_block_bytes"}
    assert shown == {name for name, field in FIELDS.items() if field.public}
