"""A chip that nobody here has: function from the compiler's native code, time from the event engine."""

from dataclasses import replace
from functools import cached_property

from kernelwright.chips.cpu.host import Host, load_host
from kernelwright.chips.emulated.kept_times import KeptTimes
from kernelwright.chips.emulated.plan_time import PlanTimes
from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.chips.emulated.profiles.spec import chip_spec, machine_peaks
from kernelwright.chips.emulated.session import EmulatedSession
from kernelwright.core.protocols import ChipSession, ChipSpec
from kernelwright.core.work import Peaks


class EmulatedChip:
    """The chip of a profile; see `core.protocols.Chip`."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.machine = profile.machine()
        self.times = PlanTimes(self.machine, KeptTimes())

    def work_out_afresh(self) -> None:
        """From now on take no time from disk: what is verified is computed again."""
        self.times = PlanTimes(self.machine)

    @property
    def spec(self) -> ChipSpec:
        """Return what engineers may know of the chip; the threads are this machine's, which execute functions."""
        return replace(chip_spec(self.profile), threads=self._host.threads)

    def open(self) -> ChipSession:
        """Start a session; its native worker starts with the first run."""
        return EmulatedSession(self._host, self.times)

    def peaks(self, again: bool = False) -> Peaks:
        """Return the limits of the profile; `again` changes nothing, they are not measured."""
        return machine_peaks(self.machine)

    @cached_property
    def _host(self) -> Host:
        return load_host()
