"""Convert outputs of any chain to records: this package's `Answer`, messages, text and dicts."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from langchain_swallow.evaluation.run_file import Record
from langchain_swallow.prompts.presets import REFUSAL


@dataclass(frozen=True, slots=True)
class Timed:
    """An output, the seconds until it was complete, and the seconds until its first text."""

    output: Any
    seconds: float
    first_text_s: float


def ask(chain: Runnable[Any, Any], value: Any) -> Timed:
    """Stream a chain, add up the chunks of the output, and measure the time to the first text."""
    began = time.perf_counter()
    output: Any = None
    first: float | None = None
    for piece in chain.stream(value):
        output = piece if output is None else output + piece
        if first is None and answer_text(piece):
            first = time.perf_counter() - began
    seconds = time.perf_counter() - began
    return Timed(output, seconds, seconds if first is None else first)


def output_record(output: Any) -> Record:
    """Record with the text, refusal, documents, citations and usage of an output.

    A chain that returns `{"answer": …, "context": […]}`, as LangChain's retrieval chains do, has no
    citations. A chain that returns text has no documents either. For these chains, an answer counts
    as a refusal if it contains the sentence 資料からは分かりません.
    """
    text = answer_text(output)
    refused = getattr(output, "refused", None)
    usage = getattr(output, "usage", None) or getattr(output, "usage_metadata", None)
    return {
        "text": text,
        "refused": REFUSAL.rstrip("。") in text if refused is None else bool(refused),
        "question_as_searched": getattr(output, "question", "") or "",
        "documents": document_records(_documents(output)),
        "citations": [
            {
                "number": citation.number,
                "quote": citation.quote,
                "status": citation.status,
                "verified": citation.status != "not_found",
                **_place(citation.document),
            }
            for citation in getattr(output, "citations", ())
        ],
        "usage": {key: usage[key] for key in ("input_tokens", "output_tokens")} if usage else None,
    }


def document_records(documents: Iterable[Document]) -> list[Record]:
    """Records of retrieved documents for a run file, best first."""
    return [{**_place(d), "score": d.metadata.get("score")} for d in documents]


def answer_text(output: Any) -> str:
    """Text of the answer in an output, or in a streamed chunk of an output."""
    if isinstance(output, Mapping):
        output = output.get("answer", output.get("output", ""))
    if output is None or isinstance(output, str):
        return output or ""
    return str(getattr(output, "text", ""))


def _documents(output: Any) -> Iterable[Document]:
    documents: Any = getattr(output, "documents", ())
    if isinstance(output, Mapping):
        documents = output.get("context") or ()
    return [document for document in documents if isinstance(document, Document)]


def _place(document: Document) -> Record:
    metadata = document.metadata
    kept = {name: metadata[name] for name in ("headings", "page") if name in metadata}
    return {"id": document.id, "source": metadata.get("source"), **kept}
