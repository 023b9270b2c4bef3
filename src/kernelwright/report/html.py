"""The report as one file: no script, no outside font, style or image; light and dark."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kernelwright.report.rates import rate_tables
from kernelwright.report.story import RunStory
from kernelwright.report.svg import Point, progress_curve
from kernelwright.report.tables import fact_table, final_tables, headline, promotion_table, tuning_table


def format_html(story: RunStory) -> str:
    """Return the whole page. Everything that came from a candidate or a person is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("kernelwright.report").joinpath("page.html.j2").read_text("utf-8"))
    tables = [*final_tables(story), *rate_tables(story)]
    if story.tuned is not None:
        tables.append(tuning_table(story.tuned))
    return template.render(
        story=story,
        headline=headline(story),
        tables=tables,
        facts=fact_table(story),
        promotions=promotion_table(story),
        # Markup: the drawing escapes its own texts.
        curve=Markup(progress_curve(curve_points(story), story.counted)),
    )


def curve_points(story: RunStory) -> tuple[Point, ...]:
    """Return accepted evaluations by their place in the count; repeats are left out."""
    counted = [evaluation for evaluation in story.evaluations if evaluation.repeats is None]
    return tuple(
        Point(place, evaluation.verdict.geomean_speedup, evaluation.is_best, evaluation.is_redesign)
        for place, evaluation in enumerate(counted, start=1)
        if evaluation.verdict.geomean_speedup is not None
    )
