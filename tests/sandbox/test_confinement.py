"""The walls themselves, tried for real."""

import os
import time
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.sandbox import CaptureService, Sandbox, choose_sandbox, self_check
from kernelwright.sandbox.process import SandboxedProcess
from tests.sandbox.candidates import ADD, call, source


def test_every_attempt_to_break_out_is_blocked() -> None:
    checks = self_check(choose_sandbox())
    assert [check for check in checks if not check.blocked] == []
    assert len(checks) >= 12


def test_the_self_check_sees_when_nothing_is_confined() -> None:
    open_doors = {check.name for check in self_check(choose_sandbox(unsafe=True)) if not check.blocked}
    assert {"see other processes", "outlive its supervisor"} <= open_doors


def test_without_a_working_bubblewrap_the_request_is_refused_in_one_line() -> None:
    with pytest.raises(RequestError) as refused:
        choose_sandbox(bubblewraps=["/usr/bin/false"])
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value) and "--unsafe" in str(refused.value)


def test_a_sandbox_that_cannot_start_is_our_fault_not_the_candidates() -> None:
    with CaptureService(Sandbox("bubblewrap", "/usr/bin/false")) as service, pytest.raises(HarnessError):
        service(Candidate(source(ADD)), "go", [call()])


def test_the_environment_of_the_host_does_not_enter() -> None:
    os.environ["KERNELWRIGHT_TEST_SECRET"] = "secret"
    try:
        sandbox = choose_sandbox()
        assert sandbox.environment() == {}
        assert "--clearenv" in sandbox.command("json.tool")
        assert "secret" not in " ".join(sandbox.command("json.tool"))
    finally:
        del os.environ["KERNELWRIGHT_TEST_SECRET"]


def test_a_prepared_process_is_used_once_and_ends_with_its_capture() -> None:
    with CaptureService() as service:
        service.prepare(wait=True)
        spare = service._spare
        assert spare is not None and spare.is_running
        service.prepare()
        assert service._spare is spare
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)
        assert not spare.is_running
        assert service._spare is None


def test_a_spare_that_died_is_replaced() -> None:
    with CaptureService() as service:
        service.prepare()
        assert service._spare is not None
        service._spare.close()
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)


def test_closing_ends_every_process_within_two_seconds() -> None:
    process = SandboxedProcess(choose_sandbox(), "kernelwright.sandbox.child")
    next(process.lines(time.monotonic() + 60))
    start = time.monotonic()
    process.close()
    assert time.monotonic() - start < 2
    children = Path(f"/proc/{process.number}")
    assert not children.exists()
