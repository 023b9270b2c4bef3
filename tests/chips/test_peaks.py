from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelwright.chips.cpu import microkernels
from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.peaks import larger, load_peaks, peaks_file
from kernelwright.core.errors import RequestError
from kernelwright.core.work import Peaks


@pytest.fixture(scope="module")
def machine() -> microkernels.Machine:
    return microkernels.Machine()


def _zeros(kind: str, count: int) -> np.ndarray:
    whole = np.zeros(count + 64, dtype=kind)
    skip = -whole.ctypes.data % 64 // whole.itemsize
    return whole[skip : skip + count]


def test_the_dot_micro_kernel_multiplies_fp32(machine: microkernels.Machine) -> None:
    lanes, columns, depth = machine.lanes, machine.columns, microkernels.DEPTH
    dot = machine.function(microkernels.dot_text("f32", lanes, columns), "dot", 4)
    a, b, c = (
        _zeros("f4", n)
        for n in (depth * microkernels.ROWS, depth * lanes * columns, microkernels.ROWS * lanes * columns)
    )
    rng = np.random.default_rng(0)
    a[:], b[:] = rng.standard_normal(len(a)), rng.standard_normal(len(b))
    dot(a.ctypes.data, b.ctypes.data, c.ctypes.data, depth)
    expected = a.reshape(depth, -1).astype(float).T @ b.reshape(depth, -1).astype(float)
    np.testing.assert_allclose(c.reshape(microkernels.ROWS, -1), expected, rtol=1e-3, atol=1e-3)


def test_the_dot_micro_kernel_multiplies_bf16_pairs(machine: microkernels.Machine) -> None:
    if not machine.has_bf16_dot:
        pytest.skip("this machine has no bf16 dot instruction")
    lanes, columns, depth = machine.lanes, machine.columns, microkernels.DEPTH
    dot = machine.function(microkernels.dot_text("bf16", lanes, columns), "dot", 4)
    rng = np.random.default_rng(1)
    values = [rng.integers(-8, 9, (depth, n, 2)) for n in (microkernels.ROWS, lanes * columns)]
    a, b = (_zeros("u2", v.size) for v in values)
    for to, v in zip((a, b), values, strict=True):
        to[:] = (v.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).reshape(-1)
    c = _zeros("f4", microkernels.ROWS * lanes * columns)
    dot(a.ctypes.data, b.ctypes.data, c.ctypes.data, depth)
    expected = np.einsum("drp,dcp->rc", *values)
    np.testing.assert_array_equal(c.reshape(microkernels.ROWS, -1), expected)


def test_the_exponential_is_one(machine: microkernels.Machine) -> None:
    exp2 = machine.function(microkernels.exp2_text(machine.lanes), "exp2", 3)
    x = _zeros("f4", 4096)
    y = _zeros("f4", 4096)
    x[:] = np.linspace(-60, 30, 4096)
    exp2(y.ctypes.data, x.ctypes.data, x.nbytes)
    np.testing.assert_allclose(y, np.exp2(x.astype(float)), rtol=1e-5)


def test_streams_touch_every_byte(machine: microkernels.Machine) -> None:
    read = machine.function(microkernels.read_text(), "read", 2)
    triad = machine.function(microkernels.triad_text(), "triad", 4)
    source = _zeros("u4", 4096)
    source[:] = np.random.default_rng(2).integers(0, 1 << 32, 4096)
    assert read(source.ctypes.data, source.nbytes) == np.bitwise_xor.reduce(source)
    left, right, to = (_zeros("f4", 4096) for _ in range(3))
    left[:], right[:] = 1, np.arange(4096)
    triad(to.ctypes.data, left.ctypes.data, right.ctypes.data, to.nbytes)
    np.testing.assert_array_equal(to, 1 + 3 * np.arange(4096))


def test_peaks_are_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    host = load_host()
    measured = load_peaks(host)
    assert measured.stream_bytes_per_s > 1e9
    assert set(measured.dot_flops_per_s) == {"bf16", "f16", "f32"}
    assert min(measured.dot_flops_per_s.values()) > 1e9
    assert measured.exp_per_s > 1e7
    assert 0 < measured.launch_ns < 1e8
    assert "dot bf16" in measured.source
    written = peaks_file(host).read_text()
    assert load_peaks(host) == measured
    assert peaks_file(host).read_text() == written


def test_of_two_measurements_the_larger_counts() -> None:
    low = Peaks(1e9, {"bf16": 5.0, "f32": 2.0}, 7.0, 100.0, "here")
    high = replace(low, stream_bytes_per_s=2e9, dot_flops_per_s={"bf16": 4.0, "f32": 3.0}, launch_ns=50.0)
    assert larger(low, high) == Peaks(2e9, {"bf16": 5.0, "f32": 3.0}, 7.0, 50.0, "here")


@pytest.mark.parametrize("text", ["0", "-1", "many", "100000"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KERNELWRIGHT_NUM_THREADS", text)
    with pytest.raises(RequestError, match=text):
        load_host()


def test_the_number_of_threads_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_NUM_THREADS", "1")
    assert load_host().threads == 1
