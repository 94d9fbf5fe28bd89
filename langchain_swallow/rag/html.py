"""An answer as HTML: each mark leads to its passage, with what was cited of it highlighted.

Texts of models and documents are escaped; no tag in the page is theirs.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape

from langchain_core.documents import Document

from langchain_swallow._system.language import in_language
from langchain_swallow.rag.citation import Citation, document_place, found_note, is_quoted, note

_MARK = re.compile(r"\[([0-9]+)\]")


def answer_html(
    text: str,
    citations: Sequence[Citation],
    anchor: str = "passage",
    *,
    reasoning: str = "",
    found: Sequence[Document] = (),
) -> str:
    """The text with its marks as links, after the thought and before the cited passages, folded.

    Args:
        text: Of an answer, or as much as has been streamed.
        citations: Its citations.
        anchor: Begins the ids of the passages; another one for each answer of a page.
        reasoning: The thought before the answer.
        found: Passages that were found for a refusal; they are marked as not answering.

    >>> answer_html("<b>10日</b>", [])
    '<p>&lt;b&gt;10日&lt;/b&gt;</p>'
    """
    cited = _by_number(citations)

    def linked(match: re.Match[str]) -> str:
        number = int(match[1])
        if number not in cited:
            return match[0]
        return f'<a href="#{escape(anchor)}-{number}">{match[0]}</a>'

    answer = f"<p>{_lines(_MARK.sub(linked, escape(text)))}</p>"
    passages = (_passage(found, f"{escape(anchor)}-{n}") for n, found in cited.items())
    thought = [f"<blockquote>{_lines(escape(reasoning))}</blockquote>"] if reasoning else []
    summary = in_language("思考", "Thought")
    folded = [f"<details><summary>{summary}</summary>{text}</details>" for text in thought]
    return "\n".join([*folded, answer, *passages, *_found(found)])


def _found(documents: Sequence[Document]) -> Iterator[str]:
    if not documents:
        return
    places = "".join(
        f"<li>{escape(document_place(document))}"
        f"<blockquote>{_lines(escape(document.page_content))}</blockquote></li>"
        for document in documents
    )
    yield f"<details><summary>{found_note()}</summary><ol>{places}</ol></details>"


def _by_number(citations: Sequence[Citation]) -> dict[int, list[Citation]]:
    numbers: dict[int, list[Citation]] = {}
    for citation in citations:
        numbers.setdefault(citation.number, []).append(citation)
    return numbers


def _passage(citations: Sequence[Citation], name: str) -> str:
    """One passage, folded; its id is inside, so that a link to it unfolds it."""
    first = citations[0]
    return (
        f"<details><summary>[{first.number}] {escape(first.place)}{note(first)}</summary>"
        f'<blockquote id="{name}">{_highlighted(citations)}</blockquote></details>'
    )


def _highlighted(citations: Sequence[Citation]) -> str:
    text = citations[0].document.page_content
    shown, done = [], 0
    for start, end in sorted((c.start, c.end) for c in citations if is_quoted(c)):
        if start < done:
            continue
        shown += [escape(text[done:start]), f"<mark>{escape(text[start:end])}</mark>"]
        done = end
    return _lines("".join([*shown, escape(text[done:])]))


def _lines(text: str) -> str:
    # Without line feeds: in Markdown an empty line would end the HTML.
    return text.replace("\r", "").replace("\n", "<br>")
