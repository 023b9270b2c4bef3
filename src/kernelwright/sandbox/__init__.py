"""Where strangers run: candidate source goes in, launch plans or one fault come out."""

from kernelwright.sandbox.advice import advise
from kernelwright.sandbox.capture import CaptureService, capture, capture_probe
from kernelwright.sandbox.checkup import Check, self_check
from kernelwright.sandbox.confinement import Sandbox, choose_sandbox
from kernelwright.sandbox.limits import Limits
from kernelwright.sandbox.source import check_source

__all__ = [
    "CaptureService",
    "Check",
    "Limits",
    "Sandbox",
    "advise",
    "capture",
    "capture_probe",
    "check_source",
    "choose_sandbox",
    "self_check",
]
