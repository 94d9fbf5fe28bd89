"""A citation: a number in an answer, and the words of a passage that it points to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from langchain_core.documents import Document

from langchain_swallow.documents.locations import readable_path


@dataclass(frozen=True, slots=True)
class Citation:
    """A number in the answer and the passage it points to.

    Args:
        number: The number of the passage, from 1.
        document: The passage.
        quote: What the cited sentence took from the passage, `document.page_content[start:end]`;
            empty unless `verified`.
        start: Where the quote begins in the passage, in characters.
        end: Where it ends.
        verified: Whether the words of the cited sentence are in the passage and nothing in the
            passage contradicts them. It does not say that they answer the question.
        contradicted: Whether the passage has the words of the sentence with other numbers, dates or
            units, or with the opposite meaning (できる, できない).
    """

    number: int
    document: Document
    quote: str = ""
    start: int = 0
    end: int = 0
    verified: bool = False
    contradicted: bool = False

    @property
    def place(self) -> str:
        """Where the passage stands, for people: file, heading path, page."""
        metadata = self.document.metadata
        name = PurePath(readable_path(str(metadata.get("source", "")))).name
        page = f"{metadata['page']}頁" if "page" in metadata else None
        parts = [name, metadata.get("inside"), metadata.get("headings"), page]
        return " ".join(str(part) for part in parts if part)


def note(citation: Citation) -> str:
    """What people read next to a citation that is not verified."""
    if citation.contradicted:
        return "（資料の内容と不一致）"
    return "" if citation.verified else "（未確認）"


def is_supported(citations: Sequence[Citation]) -> bool:
    """Whether at least one citation is verified, and none contradicted."""
    verified = any(citation.verified for citation in citations)
    return verified and not any(citation.contradicted for citation in citations)
