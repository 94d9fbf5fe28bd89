"""What a RAG chain returns; as a stream, pieces that add up to it."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, content
from langchain_core.messages.ai import UsageMetadata, add_usage

from langchain_swallow.rag.annotations import annotations
from langchain_swallow.rag.citation import Citation, is_quoted
from langchain_swallow.rag.html import answer_html


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
        reasoning: The model's thought before the answer, where it gives one; no citation is looked
            for in it.
        finish_reason: Why the model ended the answer, such as `stop` or `length`; empty if it does
            not report it, or was not asked.
        unconfirmed: Pairs of a number and a cited sentence that agrees with the passage, but that
            the `support_check` of the chain did not confirm. Their status is `"quoted"`.
    """

    text: str = ""
    citations: tuple[Citation, ...] = ()
    documents: tuple[Document, ...] = ()
    question: str = ""
    refused: bool = False
    removed_citations: tuple[int, ...] = ()
    corrected_citations: tuple[tuple[int, int], ...] = ()
    usage: UsageMetadata | None = field(default=None, compare=False)
    reasoning: str = ""
    finish_reason: str = field(default="", compare=False)
    unconfirmed: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        # What a checkpoint of LangGraph gives back has lists.
        for name in ("corrected_citations", "unconfirmed"):
            object.__setattr__(self, name, tuple(tuple(pair) for pair in getattr(self, name)))
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
            reasoning=self.reasoning + other.reasoning,
            finish_reason=self.finish_reason or other.finish_reason,
            unconfirmed=self.unconfirmed + other.unconfirmed,
        )

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return answer_html(
            self.text,
            self.citations,
            f"passage-{id(self):x}",
            reasoning=self.reasoning,
            found=self.documents if self.refused else (),
        )

    def annotations(self) -> list[content.Citation]:
        """LangChain's citations, one for each mark in the text; none for a refusal."""
        if self.refused:
            return []
        return annotations(self.text, self.documents, self.question, self.unconfirmed)

    def as_message(self) -> AIMessage:
        """Convert this answer to LangChain's message, such as for an agent's history.

        The content is one text block whose `annotations` are standard `Citation`s: `url`, `title`,
        the span of the cited sentence in the answer (`start_index`, `end_index`), and the quotation
        from the passage (`cited_text`). `extras["status"]` is that of the `Citation`; one that was
        not found has no `cited_text`, and `extras["contradicted"]` is true if the passage says
        something else. A refusal has no annotations, and `response_metadata["refused"]` is true. A
        thought is a reasoning block before the text.
        """
        # LangChain merges the blocks of a stream by this index.
        block: dict[str, Any] = {"type": "text", "text": self.text, "index": 0}
        thought: list[Any] = []
        if self.reasoning:
            thought = [{"type": "reasoning", "reasoning": self.reasoning, "index": 1}]
        return AIMessage(
            content=[*thought, block | {"annotations": self.annotations()}],
            usage_metadata=self.usage,
            response_metadata={
                "output_version": "v1",
                "refused": self.refused,
                "question": self.question,
            },
        )

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
                    "status": c.status,
                    "contradicted": c.contradicted,
                    # To be removed in 0.3.
                    "verified": is_quoted(c),
                }
                for c in self.citations
            ],
            "removed_citations": list(self.removed_citations),
            "corrected_citations": [list(pair) for pair in self.corrected_citations],
            "documents": [{"text": d.page_content, "metadata": d.metadata} for d in self.documents],
            "usage": self.usage,
            "reasoning": self.reasoning,
        }
