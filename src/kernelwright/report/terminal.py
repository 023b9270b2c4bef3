"""Reports on a terminal: aligned, no colour unless it is one."""

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kernelwright.report.rates import rate_tables
from kernelwright.report.story import RunStory
from kernelwright.report.tables import Table, fact_table, final_tables, headline, promotion_table, tuning_table

# Words are folded to this many characters where a table is wider than the terminal.
FOLDED = 36


def print_report(story: RunStory, console: Console) -> None:
    """Print everything but the kernel's source."""
    console.print(Text(f"run {story.run}", style="bold"))
    console.print(Text(headline(story)))
    tables = [fact_table(story), *final_tables(story)]
    if story.promotions:
        tables.append(promotion_table(story))
    if story.tuned is not None:
        tables.append(tuning_table(story.tuned))
    tables += rate_tables(story)
    for table in tables:
        console.print()
        print_table(table, console)


def print_table(table: Table, console: Console) -> None:
    """Print one table; where it is wider than the terminal, lines go past the edge: no digit is lost."""
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(table.headings):
        # Words may fold; a figure that is cut or broken is a wrong figure.
        is_words = index < table.left
        drawn.add_column(heading, justify="left" if is_words else "right", no_wrap=not is_words, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    if table.title:
        console.print(Text(table.title, style="bold"))
    widths = [max(map(len, column)) for column in zip(table.headings, *table.rows, strict=True)]
    least = sum(2 + (min(w, FOLDED) if i < table.left else w) for i, w in enumerate(widths))
    width, console.width = console.width, max(console.width, least)
    try:
        console.print(drawn, crop=False)
    finally:
        console.width = width
