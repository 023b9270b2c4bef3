"""What was learned: tables for a terminal, one HTML file that needs nothing else."""

from kernelwright.report.chip_tables import chip_table
from kernelwright.report.figures import (
    format_conditions,
    format_duration,
    format_noise,
    format_percent,
    format_ratio,
    format_split,
)
from kernelwright.report.html import format_html
from kernelwright.report.story import Promotion, RunStory
from kernelwright.report.tables import Table, workload_table
from kernelwright.report.terminal import print_report, print_table

__all__ = [
    "Promotion",
    "RunStory",
    "Table",
    "chip_table",
    "format_conditions",
    "format_duration",
    "format_html",
    "format_noise",
    "format_percent",
    "format_ratio",
    "format_split",
    "print_report",
    "print_table",
    "workload_table",
]
