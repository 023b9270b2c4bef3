import pytest

from kernelwright.chips.catalogue import chip_names, load_chip
from kernelwright.core.errors import UnknownNameError


def test_the_cpu_is_a_chip() -> None:
    assert "cpu" in chip_names()
    assert load_chip("cpu").spec.name == "cpu"
    assert not load_chip("cpu").spec.emulated


def test_an_unknown_chip_names_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cpu'") as caught:
        load_chip("cpuu")
    assert caught.value.exit_code == 2
