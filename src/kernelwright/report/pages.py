"""One HTML file of plots, tables and sentences that needs nothing else; light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kernelwright.report.tables import Table


@dataclass(frozen=True)
class Section:
    """A heading, sentences, a plot as SVG text (which escapes its own words) and tables; each may be empty."""

    heading: str
    sentences: tuple[str, ...] = ()
    plot: str = ""
    tables: tuple[Table, ...] = ()


def format_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the whole page; everything but plots is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = files("kernelwright.report").joinpath("sections.html.j2").read_text("utf-8")
    return environment.from_string(text).render(
        title=title, lead=lead, sections=[(section, Markup(section.plot)) for section in sections]
    )
