"""The skill: how an agent works on a run, as a file that clients load."""

from importlib.resources import files

from kernelwright.workshop.clients.connection import SERVER

FILE = "SKILL.md"


def skill_text() -> str:
    """Return the text of the skill."""
    return files("kernelwright.workshop.clients").joinpath(FILE).read_text(encoding="utf-8")


def skill_place() -> tuple[str, ...]:
    """Return where the skill lies below a client's own folder."""
    return ("skills", SERVER, FILE)
