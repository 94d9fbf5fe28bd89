"""The audit log: who asked what when, and which documents they were shown."""

import time
from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document

from langchain_swallow.serving.identity import Person

# What names a chunk and its place; its text is in the index.
_PLACE = ("source", "inside", "headings", "page", "line")


def audit_row(person: Person, question: str, documents: Sequence[Document]) -> dict[str, Any]:
    """Return the row for a question of a person and the documents that they were shown."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "person": person.name,
        "request": person.request_id,
        "question": question,
        "documents": [_place(document) for document in documents],
    }


def _place(document: Document) -> dict[str, Any]:
    place = {key: document.metadata[key] for key in _PLACE if key in document.metadata}
    return {"id": document.id, **place}
