"""The repository as a newcomer meets it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)


def test_the_readme_shows_the_newest_recorded_result() -> None:
    done = subprocess.run([sys.executable, "scripts/readme_table", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_every_link_between_documents_leads_somewhere() -> None:
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", without_code(file.read_text())):
            assert "://" in target or (file.parent / target).exists(), f"{file.name} links to {target}"


def test_the_readme_names_only_commands_that_exist() -> None:
    known = subprocess.run(
        [str(Path(sys.executable).parent / "kernelwright"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    told = set(re.findall(r"^kernelwright (\w+)", README, re.M))
    assert told
    for command in told:
        assert re.search(rf"^  {command} ", known, re.M), command


def test_make_offers_the_targets_that_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_design_notes_are_numbered_once() -> None:
    numbers = [path.name[:3] for path in (ROOT / "docs" / "design").glob("*.md")]
    assert len(numbers) == len(set(numbers))
