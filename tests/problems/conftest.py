from collections.abc import Iterator

import pytest

from kernelwright.sandbox import CaptureService
from kernelwright.sandbox import Limits as HostLimits


@pytest.fixture(scope="package")
def capture() -> Iterator[CaptureService]:
    """Return the sandbox that the tests of all problems share."""
    with CaptureService(limits=HostLimits(call_s=10.0)) as service:
        yield service
