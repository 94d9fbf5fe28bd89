"""A citation: a number in an answer, and the words of a passage that it points to."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from langchain_core.documents import Document

from langchain_swallow._system.language import in_language
from langchain_swallow.text.paths import readable_path

CitationStatus = Literal["supported", "quoted", "not_found"]


@dataclass(frozen=True, slots=True, init=False)
class Citation:
    """A number in the answer and the passage it points to.

    Args:
        number: The number of the passage, from 1.
        document: The passage.
        quote: What the cited sentence took from the passage, `document.page_content[start:end]`;
            empty if the status is `"not_found"`.
        start: Where the quote begins in the passage, in characters.
        end: Where it ends.
        status: `"supported"` if the passage has the words of the cited sentence, agrees with its
            numbers, units, dates and negation, and has what the question names (a year, a person,
            an article) in the same row or sentence or in its headings. `"quoted"` if the passage
            has the words, but they may not answer the question, or the `support_check` of the chain
            did not confirm the sentence. `"not_found"` otherwise.
        contradicted: Whether the passage has the words of the sentence with other numbers, dates or
            units, or with the opposite meaning (できる, できない). Its status is `"not_found"`.
        verified: Of answers stored by 0.1, which had no status; true means `"quoted"`.
    """

    number: int
    document: Document
    quote: str = ""
    start: int = 0
    end: int = 0
    status: CitationStatus = "not_found"
    contradicted: bool = False

    def __init__(
        self,
        number: int,
        document: Document,
        quote: str = "",
        start: int = 0,
        end: int = 0,
        status: CitationStatus = "not_found",
        contradicted: bool = False,
        *,
        verified: bool = False,
    ) -> None:
        values = (number, document, quote, start, end, "quoted" if verified else status)
        for name, value in zip(self.__slots__, (*values, contradicted), strict=True):
            object.__setattr__(self, name, value)

    @property
    def verified(self) -> bool:
        """Deprecated, and to be removed in 0.3: whether the status is not `"not_found"`."""
        warnings.warn(
            'Citation.verified is deprecated. Use Citation.status: "quoted" is what verified was, '
            'and "supported" that the passage has what the question names, too.',
            DeprecationWarning,
            stacklevel=2,
        )
        return is_quoted(self)

    @property
    def place(self) -> str:
        """Where the passage stands, for people: file, heading path, page."""
        return document_place(self.document)


def document_place(document: Document) -> str:
    """Where a passage stands, for people: file, heading path, page, rows of a CSV file."""
    metadata = document.metadata
    name = PurePath(readable_path(str(metadata.get("source", "")))).name
    page = f"{metadata['page']}頁" if "page" in metadata else None
    parts = [name, metadata.get("inside"), metadata.get("headings"), page, _rows(metadata)]
    return " ".join(str(part) for part in parts if part)


def _rows(metadata: Mapping[str, Any]) -> str | None:
    first, last = metadata.get("row"), metadata.get("last_row")
    # Documents of other loaders may have metadata of these names.
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    return f"{first}行" if first == last else f"{first}-{last}行"


def is_quoted(citation: Citation) -> bool:
    """Whether the words of the cited sentence are in the passage."""
    return citation.status != "not_found"


def found_note() -> str:
    """What people read above the passages that were found for a refusal, in their language."""
    return in_language(
        "見つかったチャンク（質問への答えではありません）",
        "Chunks that were found, which do not answer the question",
    )


def note(citation: Citation) -> str:
    """What people read next to a citation, in their language."""
    texts = {
        "supported": ("（文書と一致）", " (agrees with the document)"),
        "quoted": ("（語句のみ一致、要確認）", " (words found only, please check)"),
        "not_found": ("（文書で確認できず）", " (not found in the document)"),
    }
    differs = "（文書の内容と不一致）", " (differs from the document)"
    return in_language(*(differs if citation.contradicted else texts[citation.status]))


def is_supported(citations: Sequence[Citation]) -> bool:
    """Whether at least one citation is supported, and none contradicted."""
    supported = any(citation.status == "supported" for citation in citations)
    return supported and not any(citation.contradicted for citation in citations)
