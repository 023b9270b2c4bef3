from collections.abc import Iterator

import pytest

from kernelwright.sandbox import CaptureService, Limits


@pytest.fixture(scope="session")
def service() -> Iterator[CaptureService]:
    with CaptureService(limits=Limits(call_s=30)) as made:
        made.prepare()
        yield made
