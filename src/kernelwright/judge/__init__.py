"""The verdict: is a candidate correct, and how fast, measured so that neither clock nor checker is fooled."""

from kernelwright.judge.judgement import CandidateJudge
from kernelwright.judge.verdict_form import verdict_json

__all__ = ["CandidateJudge", "verdict_json"]
