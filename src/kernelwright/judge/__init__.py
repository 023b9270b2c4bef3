"""The verdict: is a candidate correct, and how fast, measured so that neither clock nor checker is fooled."""

from kernelwright.judge.emulated_judge import EmulatedJudge
from kernelwright.judge.judgement import CandidateJudge
from kernelwright.judge.making import executed_suite, make_judge
from kernelwright.judge.verdict_form import verdict_json

__all__ = ["CandidateJudge", "EmulatedJudge", "executed_suite", "make_judge", "verdict_json"]
