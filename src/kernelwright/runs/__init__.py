"""The long loop: phases, budgets, stop rules, redesigns, resume, steering. All state is a fold over entries."""

from kernelwright.runs.conditions import Bench
from kernelwright.runs.loop import conduct_run, open_run
from kernelwright.runs.outlook import time_left_s
from kernelwright.runs.recorder import RunRecorder
from kernelwright.runs.sameness import record_differences, work_differences
from kernelwright.runs.state import RunState, fold, setup_of, step
from kernelwright.runs.summary import RunSummary, summarise
from kernelwright.runs.verify import Verification, verify_run

__all__ = [
    "Bench",
    "RunRecorder",
    "RunState",
    "RunSummary",
    "Verification",
    "conduct_run",
    "fold",
    "open_run",
    "record_differences",
    "setup_of",
    "step",
    "summarise",
    "time_left_s",
    "verify_run",
    "work_differences",
]
