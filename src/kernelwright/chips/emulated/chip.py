"""A chip that nobody here has: function from the compiler's native code, time from the event engine."""

from kernelwright.chips.emulated.profile import Profile
from kernelwright.chips.emulated.spec import chip_spec, machine_peaks
from kernelwright.core.errors import RequestError
from kernelwright.core.protocols import ChipSession, ChipSpec
from kernelwright.core.work import Peaks


class EmulatedChip:
    """The chip of a profile; see `core.protocols.Chip`."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.machine = profile.machine()

    @property
    def spec(self) -> ChipSpec:
        """Return what engineers may know of the chip."""
        return chip_spec(self.profile)

    def open(self) -> ChipSession:
        """Start a session."""
        raise RequestError(f"chip {self.profile.name} cannot run launch plans yet. Use chip cpu.")

    def peaks(self, again: bool = False) -> Peaks:
        """Return the limits of the profile; `again` changes nothing, they are not measured."""
        return machine_peaks(self.machine)
