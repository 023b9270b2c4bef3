"""From the command line to an exit code, whatever happens on the way."""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

from kernelwright.core.errors import KernelwrightError

INTERRUPTED = 130


def main() -> None:
    """Run the command of `sys.argv` and exit: 0 done, 1 rejected or not confirmed, 2 usage, 3 harness fault.

    130 after Ctrl-C or a termination signal. No user sees a traceback.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    code = exit_code_of(sys.argv[1:])
    with contextlib.suppress(BrokenPipeError, OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # What is left at exit (worker threads of torch, half-closed pipes) has nothing to add.
    os._exit(code)


def exit_code_of(arguments: list[str]) -> int:
    """Return the exit code of one command line, after saying what went wrong if anything did."""
    from kernelwright.cli.app import command  # noqa: PLC0415  # the import is part of what may be interrupted

    try:
        returned = command().main(arguments, prog_name="kernelwright", standalone_mode=False)
        if returned == INTERRUPTED:  # the argument parser turns an interrupt into this code, without a word
            return _report(arguments, "interrupted", INTERRUPTED)
        return returned if isinstance(returned, int) else 0
    except KernelwrightError as error:
        return _report(arguments, str(error), error.exit_code)
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except KeyboardInterrupt:
        return _report(arguments, "interrupted", INTERRUPTED)
    except Exception as error:  # the last place that can answer
        return _report_unforeseen(arguments, error)


def _report_unforeseen(arguments: list[str], error: Exception) -> int:
    # Usage errors and aborts of the argument parser, which has moved from one package to another.
    format_message = getattr(error, "format_message", None)
    if callable(format_message):
        return _report(arguments, f"{format_message()} See 'kernelwright --help'.", 2)
    if type(error).__name__ == "Abort":
        return _report(arguments, "interrupted", INTERRUPTED)
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 0))
    place = _keep_traceback(error)
    text = f"a fault of kernelwright, {type(error).__name__}: {' '.join(str(error).split())[:300]}. Details: {place}"
    return _report(arguments, text, 3)


def _report(arguments: list[str], text: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        print(f"kernelwright: {text}", file=sys.stderr, flush=True)
        if "--json" in arguments:
            print(json.dumps({"error": text, "exit_code": code}), flush=True)
    return code


def _keep_traceback(error: Exception) -> str:
    from kernelwright.ledger.places import home  # noqa: PLC0415  # rarely needed

    try:
        folder = home() / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        file = Path(folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt")
        file.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return "none could be kept"
    return str(file)


def _silence_stdout() -> None:
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
