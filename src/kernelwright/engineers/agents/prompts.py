"""What a client is told when it is started, and when it is started again."""

from kernelwright.workshop.clients.skill import skill_text

_BEGIN = """\
{skill}

---

Work on the run of the MCP server kernelwright, alone and without asking anybody, until a tool answers that the run is
over or nothing more is worth trying. Nobody reads what you write here: what matters stands in tool calls. Begin now:
call `brief`, then `notes` and `history`.
"""

_AGAIN = """\
You have worked on this run before, in {sessions}; the last one ended before the run was over. Its memory is the
notebook and the history: read both before anything else, and do not repeat what was tried.

"""


def prompt(sessions_before: int) -> str:
    """Return the prompt of a session after so many others on the same run."""
    _, _, skill = skill_text().split("---\n", 2)
    begin = _BEGIN.format(skill=skill.strip())
    if not sessions_before:
        return begin
    count = "one session" if sessions_before == 1 else f"{sessions_before} sessions"
    return _AGAIN.format(sessions=count) + begin
