import pytest

from kernelwright.chips.emulated.profiles.drawing import draw_instance, format_instance, quirk_values
from kernelwright.chips.emulated.profiles.fields import FIELDS
from kernelwright.chips.emulated.profiles.prior import QUIRKS
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.profiles.spec import chip_spec
from kernelwright.chips.emulated.profiles.text import parse_profile
from kernelwright.core.errors import RequestError

M890 = load_profile("m890")
MANY = [draw_instance(M890, seed) for seed in range(60)]


def test_a_seed_draws_the_same_chip_always() -> None:
    # The literals hold this on every machine and Python: instances of a run can be drawn again years later.
    drawn = draw_instance(M890, 3)
    assert drawn == draw_instance(M890, 3)
    assert drawn.name == "instance-faa6a3"
    assert drawn.facts["fused_off"].value == (29,)
    assert drawn.facts["clock_hz"].value == 1198000000.0


def test_other_seeds_draw_other_chips() -> None:
    assert len({instance.name for instance in MANY}) == len(MANY)
    for name in QUIRKS:
        assert len({instance.facts[name].value for instance in MANY}) > 1, name


def test_drawn_chips_are_machines_within_the_prior() -> None:
    for instance in MANY:
        machine = instance.machine()
        assert machine.usable_units == 39
        assert machine.l2_latency < machine.llc_latency < machine.memory_latency
        assert machine.dot_flops["bf16"] == machine.dot_flops["f16"] <= machine.dot_flops["f8"]
        for name, fact in instance.facts.items():
            known = M890.facts.get(name)
            if known is not None and known.low is not None and known.high is not None and not QUIRKS.get(name):
                if name.startswith("dot_flops"):
                    continue
                assert isinstance(fact.value, int | float) and known.low <= fact.value <= known.high, name


def test_what_is_published_of_the_family_is_not_drawn() -> None:
    for instance in MANY:
        for name, fact in M890.facts.items():
            if fact.standing in ("published", "press") and name not in QUIRKS:
                assert instance.facts[name].value == fact.value


def test_an_instance_is_text_that_reads_back() -> None:
    for instance in MANY[:5]:
        text = format_instance(instance)
        assert dict(parse_profile(text, "x").facts) == dict(instance.facts)


def test_engineers_see_nothing_by_which_two_instances_differ_but_the_name() -> None:
    shown = {chip_spec(instance).facts for instance in MANY}
    titles = {chip_spec(instance).title for instance in MANY}
    assert len(shown) == 1 and titles == {"undocumented, emulated"}
    assert {name for name, _, _ in shown.pop()} == {name for name, field in FIELDS.items() if field.public}
    assert not any(FIELDS[name].public for name in QUIRKS)


def test_name_and_title_tell_neither_family_nor_seed() -> None:
    spec = chip_spec(draw_instance(M890, 424242))
    for text in (spec.name, spec.title, str(spec.facts)):
        assert "890" not in text and "424242" not in text and "zhenwu" not in text.lower()


def test_every_drawn_number_is_assumed_and_says_so() -> None:
    instance = MANY[0]
    assert {fact.standing for fact in instance.facts.values()} == {"assumed"}
    for name in QUIRKS:
        assert instance.facts[name].source == "drawn from the prior of m890"
    assert set(quirk_values(instance)) == set(QUIRKS)


@pytest.mark.parametrize("family", ["v900", "a100"])
def test_only_chips_with_a_prior_are_drawn_from(family: str) -> None:
    with pytest.raises(RequestError, match=f"drawn from m890, zw810e or zw810, got {family}"):
        draw_instance(load_profile(family), 1)
