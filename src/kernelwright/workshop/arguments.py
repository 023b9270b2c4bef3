"""What each tool takes, as strict models: unknown names and wrong types are refused with a reason."""

from pydantic import BaseModel, ConfigDict, Field

SOURCE_LIMIT = 256 * 1024


class Arguments(BaseModel):
    """Arguments of a tool."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoArguments(Arguments):
    """A tool without arguments."""


class SourceArguments(Arguments):
    """A tool that works on one Python file."""

    source: str = Field(max_length=SOURCE_LIMIT, description="text of the whole Python file")


class EvaluateArguments(SourceArguments):
    """Arguments of `evaluate`."""

    note: str = Field(default="", max_length=2000, description="what is tried and why, kept in the record")


class ReadArguments(Arguments):
    """Arguments of `read_file`."""

    path: str = Field(description="path below the run's folder")
    offset: int = Field(default=0, ge=0, description="first character to return")


class WriteArguments(Arguments):
    """Arguments of `write_file`."""

    path: str = Field(description="path below the run's folder")
    text: str = Field(max_length=SOURCE_LIMIT, description="text of the whole file")


class PollArguments(Arguments):
    """Arguments of `poll`."""

    job: str = Field(description="id of an answer that was not ready, or was cut")
    offset: int = Field(default=0, ge=0, description="first character to return of an answer that was cut")


class ProfileArguments(Arguments):
    """Arguments of `profile`."""

    evaluation: int | None = Field(default=None, ge=1, description="number of an evaluation; the best one if left out")
    workload: str | None = Field(
        default=None, description="name of a public workload to tell alone; all, slowest share first, if left out"
    )


class DocsArguments(Arguments):
    """Arguments of `docs`."""

    page: str | None = Field(
        default=None, description="name of a page, or of a function such as tl.dot; the list of pages if left out"
    )
    query: str | None = Field(
        default=None, min_length=1, max_length=400, description="words to search the pages and Triton's language for"
    )
    offset: int = Field(default=0, ge=0, description="first character to return")


class NotesArguments(Arguments):
    """Arguments of `notes`."""

    text: str | None = Field(default=None, max_length=8000, description="text to add; only read if left out")
    offset: int = Field(default=0, ge=0, description="how many of the newest notes to leave out when reading")


class HistoryArguments(Arguments):
    """Arguments of `history`."""

    evaluation: int | None = Field(
        default=None, ge=1, description="show this one with its source; a table of all if left out"
    )
    offset: int = Field(default=0, ge=0, description="how many of the newest evaluations the table leaves out")
