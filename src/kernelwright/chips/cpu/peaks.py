"""Measured limits of this machine, kept on disk by machine."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from kernelwright.chips.cpu.host import Host, own_environment, state_folder
from kernelwright.core.codec import from_json, to_json
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.work import Peaks

# Raise it when the way of measuring changes, so that older figures are measured again.
_METHOD = 3
_LIMIT_S = 180.0


def peaks_file(host: Host) -> Path:
    """Return where the limits of `host` are kept."""
    return state_folder() / "cache" / f"peaks-{_METHOD}-{host.identity}.json"


def load_peaks(host: Host) -> Peaks:
    """Return the limits of `host`: those kept, else measured now (about 10 s) and kept.

    Raises HarnessError when measuring fails.
    """
    file = peaks_file(host)
    try:
        return from_json(Peaks, json.loads(file.read_text()), "peaks")
    except (OSError, ValueError, RequestError):
        return measure_peaks(host)


def measure_peaks(host: Host) -> Peaks:
    """Return the limits of `host` measured now, joined with those kept by taking the larger of each; and keep them."""
    peaks = _best(measured_rates(host))
    file = peaks_file(host)
    with contextlib.suppress(OSError, ValueError, RequestError):
        peaks = larger(from_json(Peaks, json.loads(file.read_text()), "peaks"), peaks)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(to_json(peaks), indent=1))
    fresh.replace(file)
    return peaks


def larger(left: Peaks, right: Peaks) -> Peaks:
    """Return the larger of each limit: a busy machine can only make a measurement smaller."""
    kinds = sorted({*left.dot_flops_per_s, *right.dot_flops_per_s})
    dots = {k: max(left.dot_flops_per_s.get(k, 0), right.dot_flops_per_s.get(k, 0)) for k in kinds}
    return Peaks(
        max(left.stream_bytes_per_s, right.stream_bytes_per_s),
        dots,
        max(left.exp_per_s, right.exp_per_s),
        min(left.launch_ns, right.launch_ns),
        right.source,
    )


def measured_rates(host: Host) -> dict[str, dict[str, float]]:
    """Return every rate measured now, by what is measured and then by the code that reached it.

    "dot bf16" and the like in floating-point operations per second, "stream" in bytes per second, "exp" in
    exponentials per second, "launch_ns" in ns. Raises HarnessError when measuring fails.
    """
    command = [sys.executable, "-m", "kernelwright.chips.cpu.measure", host.core_list]
    # Huge pages for torch's tensors and a core for each of its threads, as kernels have them.
    environment = own_environment(THP_MEM_ALLOC_ENABLE="1", OMP_PROC_BIND="true")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise HarnessError(f"measuring the peaks of chip cpu must end within {_LIMIT_S:g} s, it did not") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise HarnessError(f"the peaks of chip cpu must be measurable: {said[-1] if said else 'no message'}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _best(measured: dict[str, dict[str, float]]) -> Peaks:
    winners = {what: max(rates, key=lambda code: rates[code]) for what, rates in measured.items()}
    best = {what: measured[what][code] for what, code in winners.items()}
    dots = {what.removeprefix("dot "): rate for what, rate in best.items() if what.startswith("dot ")}
    named = "; ".join(f"{what}: {winners[what]}" for what in sorted(measured) if what != "launch_ns")
    return Peaks(best["stream"], dots, best["exp"], best["launch_ns"], f"measured here, best code for {named}")
