from pathlib import Path

import pytest

from kernelwright.chips.catalogue import chip_names, load_chip
from kernelwright.chips.emulated.profiles.drawing import draw_instance, format_instance
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.core.errors import RequestError, UnknownNameError


def test_the_cpu_is_a_chip() -> None:
    assert "cpu" in chip_names()
    assert load_chip("cpu").spec.name == "cpu"
    assert not load_chip("cpu").spec.emulated


def test_every_profile_is_a_chip_and_says_emulated() -> None:
    assert {"m890", "zw810e", "zw810", "a100", "h100", "h20", "h200", "v900", "j900"} < set(chip_names())
    for name in set(chip_names()) - {"cpu"}:
        spec = load_chip(name).spec
        assert spec.name == name and spec.emulated and "emulated" in spec.title


def test_a_path_to_a_profile_is_a_chip(tmp_path: Path) -> None:
    path = tmp_path / "secret.toml"
    path.write_text(format_instance(draw_instance(load_profile("m890"), 5)))
    assert load_chip(str(path)).spec.name.startswith("instance-")
    with pytest.raises(RequestError, match="cannot be read"):
        load_chip(str(tmp_path / "missing.toml"))


@pytest.mark.parametrize(("name", "near"), [("cpuu", "cpu"), ("m980", "m890")])
def test_an_unknown_chip_names_the_nearest_one(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'") as caught:
        load_chip(name)
    assert caught.value.exit_code == 2
