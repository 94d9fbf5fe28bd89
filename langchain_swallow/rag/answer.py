"""What a RAG chain returns; as a stream, pieces that add up to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages.ai import UsageMetadata, add_usage

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
    """What people are told beside a citation that is not verified."""
    if citation.contradicted:
        return "（資料の内容と不一致）"
    return "" if citation.verified else "（未確認）"


def is_supported(citations: Sequence[Citation]) -> bool:
    """Whether at least one citation is verified, and none contradicted."""
    verified = any(citation.verified for citation in citations)
    return verified and not any(citation.contradicted for citation in citations)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or a piece of one while it streams: first the documents, then text, then the
    citations. `a + b` joins two pieces.

    Args:
        text: With citation marks like `[1]`; every number exists in `documents`.
        citations: One for each number in the text, in order of appearance.
        documents: The passages the model saw; number 1 is the first.
        question: As it was searched.
        refused: Whether the answer is that the documents do not say.
        removed_citations: Numbers the model wrote that no passage has; not in the text.
        corrected_citations: Pairs of a number the model wrote and the number in the text, of the
            passage that has its words.
        usage: Tokens of the chat model, where it reports them.
    """

    text: str = ""
    citations: tuple[Citation, ...] = ()
    documents: tuple[Document, ...] = ()
    question: str = ""
    refused: bool = False
    removed_citations: tuple[int, ...] = ()
    corrected_citations: tuple[tuple[int, int], ...] = ()
    usage: UsageMetadata | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # What a checkpoint of LangGraph gives back has lists.
        pairs = tuple((written, shown) for written, shown in self.corrected_citations)
        object.__setattr__(self, "corrected_citations", pairs)
        for name in ("citations", "documents", "removed_citations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def question_as_searched(self) -> str:
        """The question after a conversation's rewrite, which is what `question` is."""
        return self.question

    def __add__(self, other: "Answer") -> "Answer":
        usage = add_usage(self.usage, other.usage) if self.usage or other.usage else None
        return Answer(
            text=self.text + other.text,
            citations=self.citations + other.citations,
            documents=self.documents + other.documents,
            question=self.question or other.question,
            refused=self.refused or other.refused,
            removed_citations=self.removed_citations + other.removed_citations,
            corrected_citations=self.corrected_citations + other.corrected_citations,
            usage=usage,
        )

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from langchain_swallow.rag.html import answer_html

        return answer_html(self, f"passage-{id(self):x}")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "question": self.question,
            "text": self.text,
            "refused": self.refused,
            "citations": [
                {
                    "number": c.number,
                    "source": c.document.metadata.get("source"),
                    "quote": c.quote,
                    "start": c.start,
                    "end": c.end,
                    "verified": c.verified,
                    "contradicted": c.contradicted,
                }
                for c in self.citations
            ],
            "removed_citations": list(self.removed_citations),
            "corrected_citations": [list(pair) for pair in self.corrected_citations],
            "documents": [{"text": d.page_content, "metadata": d.metadata} for d in self.documents],
            "usage": self.usage,
        }
