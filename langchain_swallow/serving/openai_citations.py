"""Citations in answers of the OpenAI-compatible API: as annotations, as a field, and as text."""

import re
from typing import Any
from urllib.parse import quote

from langchain_swallow._system.language import in_language
from langchain_swallow.rag import Answer
from langchain_swallow.rag.citation import note
from langchain_swallow.serving.answer_json import answer_json, public_name

_TITLES = ("出典", "Sources")
_SOURCES = re.compile(rf"\n\n(?:{'|'.join(_TITLES)}):(?:\n- \[\d+\] [^\n]*)+\s*\Z")


def sources_text(answer: Answer) -> str:
    """Return the list of cited sources that follows an answer's text; empty without citations."""
    lines = [
        f"\n- [{citation.number}] {' '.join(citation.place.split())}{note(citation)}"
        for citation in answer.citations
    ]
    return f"\n\n{in_language(*_TITLES)}:{''.join(lines)}" if lines else ""


def without_sources(text: str) -> str:
    r"""Return the text of an earlier answer, without its list of sources.

    >>> without_sources("10日 [1]\n\n出典:\n- [1] 就業規則.md")
    '10日 [1]'
    """
    return _SOURCES.sub("", text)


def citation_delta(answer: Answer) -> dict[str, Any]:
    """Return `annotations`, one for each mark in the text, and `citations`, one for each source."""
    cited = answer.annotations()
    return {
        "annotations": [_annotation(answer, citation) for citation in cited],
        "citations": answer_json(answer)["citations"],
    }


def _annotation(answer: Answer, citation: Any) -> dict[str, Any]:
    source = answer.documents[citation["extras"]["number"] - 1].metadata.get("source")
    name = str(public_name(source) or "")
    return {
        "type": "url_citation",
        "url_citation": {
            "url": quote(name),
            "title": citation.get("title") or name,
            "start_index": citation["start_index"],
            "end_index": citation["end_index"],
        },
    }
