"""The command `mcp` as a user meets it: wrong requests, and a machine without the SDK."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import environment, run

WITHOUT_SDK = "import sys; sys.modules['mcp'] = None; from kernelwright.cli import main; main()"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--run RUN, or what to open: --problem P --chip C"),
        (("--problem", "matmul"), "--run RUN, or what to open: --problem P --chip C"),
        (("--run", "x", "--chip", "cpu"), "--chip does not go with --run"),
        (("--problem", "matmul", "--chip", "cpu", "--port", "1"), "add --http"),
        (("--problem", "matmul", "--chip", "cpu", "--share", "0"), "--share must be at least 1"),
        (("--problem", "matmul", "--chip", "cpu", "--evals", "0"), "--evals must be at least 1"),
        (("--problem", "matmull", "--chip", "cpu"), "Did you mean 'matmul'?"),
        (("--run", "nobody"), "run 'nobody' is not known"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2_even_when_the_client_has_left(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run(tmp_path, "mcp", *arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert told in line


def test_without_the_sdk_one_line_says_what_to_install_and_everything_else_works(tmp_path: Path) -> None:
    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", WITHOUT_SDK, *arguments]
        return subprocess.run(line, capture_output=True, text=True, env=environment(tmp_path), check=False)

    refused = ran("mcp", "--problem", "matmul", "--chip", "cpu")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines() == [
        "kernelwright: the tools are served over MCP by package mcp, 2.3 or newer, which is not installed. "
        "Install it: pip install 'kernelwright[mcp]'"
    ]
    assert ran("engineers", "--json").returncode == 0


def test_run_refuses_the_engineer_that_comes_by_a_server(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "matmul", "--chip", "cpu", "--engineer", "mcp")
    assert done.code == 2
    assert "Start the server: kernelwright mcp --problem matmul --chip cpu" in done.err
