"""The chip under your desk."""

from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.peaks import load_peaks, measure_peaks
from kernelwright.chips.cpu.session import CpuSession
from kernelwright.core.protocols import ChipSession, ChipSpec
from kernelwright.core.work import Peaks


class CpuChip:
    """The host processor; see `core.protocols.Chip`."""

    def __init__(self) -> None:
        self._host = load_host()

    @property
    def spec(self) -> ChipSpec:
        """Return what the system says of the processor."""
        host = self._host
        facts = (
            ("cores", host.core_list, "measured"),
            ("last-level cache bytes", str(host.llc_bytes), "published"),
            ("memory bytes", str(host.memory_bytes), "published"),
        )
        return ChipSpec("cpu", host.model, False, host.threads, facts)

    def open(self) -> ChipSession:
        """Start a session; its worker process starts with the first request."""
        return CpuSession(self._host)

    def peaks(self, again: bool = False) -> Peaks:
        """Return measured limits, from the cache folder unless `again` or never measured on this machine."""
        return measure_peaks(self._host) if again else load_peaks(self._host)
