"""The walls themselves, tried for real."""

import contextlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.fault import Fault
from kernelwright.sandbox import CaptureService, Sandbox, choose_sandbox, self_check
from kernelwright.sandbox.confinement import readable_paths
from kernelwright.sandbox.process import SandboxedProcess
from tests.sandbox.candidates import ADD, call, source


def sandboxes() -> dict[str, Sandbox]:
    """Return every confinement that works here; a machine without one of them tests the others."""
    found = {"bubblewrap": choose_sandbox(), "unsafe": choose_sandbox(unsafe=True)}
    found["bubblewrap, a process each"] = replace(found["bubblewrap"], nested=False)
    with contextlib.suppress(RequestError):
        found["sandlock"] = choose_sandbox(bubblewraps=[])
    return found


@pytest.fixture(params=["bubblewrap", "bubblewrap, a process each", "sandlock", "unsafe"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    found = sandboxes()
    if request.param not in found:
        pytest.skip(f"{request.param} does not work on this machine")
    return found[request.param]


def test_every_attempt_to_break_out_is_blocked(sandbox: Sandbox) -> None:
    if sandbox.confinement == "unsafe":
        pytest.skip("nothing is confined")
    checks = self_check(sandbox)
    assert [check for check in checks if not check.blocked] == []
    assert len(checks) >= 18


def test_the_self_check_sees_when_nothing_is_confined() -> None:
    open_doors = {check.name for check in self_check(choose_sandbox(unsafe=True)) if not check.blocked}
    assert open_doors == {"read the home folder", "write outside its own folder", "see other processes"}


def test_without_any_sandbox_the_request_is_refused_in_one_line() -> None:
    with pytest.raises(RequestError) as refused:
        choose_sandbox(bubblewraps=["/usr/bin/false"], sandlock=False)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value) and "--unsafe" in str(refused.value)


def test_sandlock_takes_over_where_bubblewrap_does_not_work() -> None:
    pytest.importorskip("sandlock")
    assert choose_sandbox(bubblewraps=["/usr/bin/false"]).confinement == "sandlock"


def test_landlock_shows_no_folder_that_bubblewrap_hides() -> None:
    package = Path(choose_sandbox.__code__.co_filename).parent.parent
    shown = [Path(path) for path in readable_paths()]
    for hidden in (package / "problems", package / "judge", package / "ledger", Path.home() / ".kernelwright"):
        assert not any(hidden.is_relative_to(path) for path in shown)
    for needed in (package / "core" / "plan.py", Path(torch.__file__), Path(sys.executable)):
        assert any(needed.is_relative_to(path) for path in shown)


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


def test_one_warm_process_serves_one_candidate_after_another(sandbox: Sandbox) -> None:
    with CaptureService(sandbox) as service:
        service.prepare(wait=True)
        spare = service._spare
        assert spare is not None and spare.is_running
        for text in (source(ADD), source("x + y"), source("import os"), source("raise SystemExit"), source(ADD)):
            found = service(Candidate(text), "go", [call()])
            assert isinstance(found, tuple if text == source(ADD) else Fault)
            if spare.serves_many:
                assert service._spare is spare and spare.is_running
            else:
                assert service._spare is not spare


def test_a_process_that_cannot_make_namespaces_serves_one_candidate_only() -> None:
    with CaptureService(replace(choose_sandbox(), nested=False)) as service:
        service.prepare(wait=True)
        spare = service._spare
        assert spare is not None and not spare.serves_many
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)
        assert not spare.is_running and service._spare is None


def test_captures_at_once_have_a_process_each() -> None:
    with CaptureService() as service, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda text: service(Candidate(text), "go", [call()]), [source(ADD), source("x + y")]))
    assert isinstance(found[0], tuple) and isinstance(found[1], Fault)


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
