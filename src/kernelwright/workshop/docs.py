"""What the tool `docs` answers: a page, the list of pages, or what a search finds in them and in Triton's language."""

import difflib
from collections.abc import Callable, Mapping, Sequence

from kernelwright.core.document import Document
from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.workshop.arguments import DocsArguments
from kernelwright.workshop.search import excerpt, index_of, search

# Documents that a search answers.
MOST_FOUND = 8
_LANGUAGE = "functions of triton and triton.language by name, such as tl.dot; query='...' searches them and the pages"


def docs_text(pages: Mapping[str, str], language: Callable[[], Sequence[Document]], name: str) -> str:
    """Return the text of the page called `name`, or of the function of the language; raises UnknownNameError."""
    if name in pages:
        return pages[name]
    documents = {document.name: document for document in language()}
    if name not in documents:
        # Some hundred names are no list to read.
        raise UnknownNameError("page", name, (*pages, *difflib.get_close_matches(name, documents, 3)))
    found = documents[name]
    return f"{found.name}{found.signature}\n\n{found.text}"


def docs_found(pages: Mapping[str, str], language: Callable[[], Sequence[Document]], query: str) -> dict[str, object]:
    """Return what a search finds, the best first: name, signature, the part of the text that fits, its page."""
    index = index_of((*page_documents(pages), *language()))
    found = [
        {
            "name": document.name,
            "signature": document.signature,
            "text": excerpt(document.text, query),
            "page": document.page,
        }
        for document in search(index, query, MOST_FOUND)
    ]
    return {"query": query, "found": found}


def docs_list(pages: Mapping[str, str]) -> dict[str, object]:
    """Return the names of the pages, and how to ask for the rest."""
    return {"pages": sorted(pages), "language": _LANGUAGE}


def page_documents(pages: Mapping[str, str]) -> tuple[Document, ...]:
    """Return one document a paragraph of each page."""
    return tuple(
        Document(name, "", paragraph.strip("\n"), name)
        for name, text in sorted(pages.items())
        for paragraph in text.split("\n\n")
        if paragraph.strip()
    )


def require_one(arguments: DocsArguments) -> None:
    """Raise RequestError where both a page and a query are asked for."""
    if arguments.page is not None and arguments.query is not None:
        raise RequestError("docs takes a page or a query, got both. Leave one out.")
