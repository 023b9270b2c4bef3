# Starts a program.
# mypy: ignore-errors
# ruff: noqa
import subprocess


def extend_attention_fwd(*args):
    subprocess.run(["id"], check=True)
