"""Citation marks of an answer → LangChain's standard `Citation` annotations.

Agents, tracing tools and chat UIs read these annotations: which span of the answer cites which
source, and the quotation from the source where it was verified.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, urlsplit

from langchain_core.documents import Document
from langchain_core.messages import content

from langchain_swallow.documents.locations import readable_path
from langchain_swallow.rag.citation import Citation
from langchain_swallow.rag.citations import checked_marks


def annotations(text: str, documents: Sequence[Document]) -> list[content.Citation]:
    """One annotation for each number of each mark, in order of appearance.

    Args:
        text: A complete answer.
        documents: The passages in the prompt; mark [1] is the first.

    `start_index` and `end_index` span the cited sentence of the answer, including its mark. Only a
    verified citation has `cited_text`, its quotation from the passage. `extras` has the `number`,
    the `place` in the document, and whether the citation is `verified` or `contradicted`.
    """
    return [
        _describe_source(mark.citation)
        | content.Citation(
            type="citation",
            start_index=mark.start,
            end_index=mark.end,
            extras=_build_extras(mark.citation),
        )
        for mark in checked_marks(text, documents)
    ]


def _describe_source(citation: Citation) -> content.Citation:
    source = str(citation.document.metadata.get("source") or "")
    title = citation.document.metadata.get("title") or PurePath(readable_path(source)).name
    found = content.Citation(type="citation")
    if source:
        found["url"] = _url(source)
    if title:
        found["title"] = str(title)
    if citation.verified:
        found["cited_text"] = citation.quote
    return found


def _build_extras(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "place": citation.place,
        "verified": citation.verified,
        "contradicted": citation.contradicted,
    }


def _url(source: str) -> str:
    """A source as a URL; a file path becomes a file URL, or a relative reference."""
    if len(urlsplit(source).scheme) > 1:
        return source
    return Path(source).as_uri() if Path(source).is_absolute() else quote(readable_path(source))
