"""Citation marks of an answer → LangChain's standard `Citation` annotations.

Agents, tracing tools and chat UIs read these annotations: which span of the answer cites which
source, and the quotation from the source where its words were found.
"""

from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, urlsplit

from langchain_core.documents import Document
from langchain_core.messages import content

from langchain_swallow.rag.citation import Citation, is_quoted
from langchain_swallow.rag.citation_checks import checked_marks
from langchain_swallow.text.paths import readable_path


def annotations(
    text: str,
    documents: Sequence[Document],
    question: str,
    unconfirmed: Collection[tuple[int, str]] = (),
) -> list[content.Citation]:
    """One annotation for each number of each mark, in order of appearance.

    Args:
        text: A complete answer.
        documents: The passages in the prompt; mark [1] is the first.
        question: As it was searched.
        unconfirmed: As in `Answer`.

    `start_index` and `end_index` span the cited sentence of the answer, including its mark.
    `cited_text` is the quotation from the passage; a citation that was not found has none. `extras`
    has the `number`, the `place` in the document, the `status` and `contradicted` of `Citation`,
    and, until 0.3, `verified`: whether the status is not `"not_found"`.
    """
    return [
        _describe_source(mark.citation)
        | content.Citation(
            type="citation",
            start_index=mark.start,
            end_index=mark.end,
            extras=_build_extras(mark.citation),
        )
        for mark in checked_marks(text, documents, question, unconfirmed)
    ]


def _describe_source(citation: Citation) -> content.Citation:
    source = str(citation.document.metadata.get("source") or "")
    title = citation.document.metadata.get("title") or PurePath(readable_path(source)).name
    found = content.Citation(type="citation")
    if source:
        found["url"] = _url(source)
    if title:
        found["title"] = str(title)
    if is_quoted(citation):
        found["cited_text"] = citation.quote
    return found


def _build_extras(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "place": citation.place,
        "status": citation.status,
        "contradicted": citation.contradicted,
        "verified": is_quoted(citation),
    }


def _url(source: str) -> str:
    """A source as a URL; a file path becomes a file URL, or a relative reference."""
    if len(urlsplit(source).scheme) > 1:
        return source
    return Path(source).as_uri() if Path(source).is_absolute() else quote(readable_path(source))
