"""Converts an answer to JSON, with file names instead of the server's paths."""

from pathlib import PureWindowsPath
from typing import Any

from langchain_core.documents import Document

from langchain_swallow.documents.access import FOLDER_GROUPS
from langchain_swallow.rag import Answer
from langchain_swallow.rag.citation import document_place
from langchain_swallow.text.paths import readable_path
from langchain_swallow.text.surrogates import replace_surrogates_in

_SERVER_KEYS = frozenset({"content_hash", FOLDER_GROUPS})
# Metadata keys that loaders use for paths. Values of other keys may look like a path but be text: a
# title, a field of a record, or a quote, whose characters a citation's offsets count.
_PATHS = frozenset(
    {"source", "path", "paths", "file", "file_path", "filepath", "file_directory", "directory"}
)


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return the JSON that the API sends for an answer."""
    return public_answer(answer.as_dict())


def public_answer(answer: dict[str, Any], answer_id: str = "") -> dict[str, Any]:
    """Return the JSON that the API sends for `Answer.as_dict()`.

    Args:
        answer: The answer.
        answer_id: Its id, if a session keeps it.
    """
    shown = {**answer, "answer_id": answer_id}
    shown["documents"] = [
        {
            "text": document["text"],
            "place": document_place(Document("", metadata=document["metadata"])),
            "metadata": _public(document["metadata"]),
        }
        for document in shown["documents"]
    ]
    shown["citations"] = [
        {**citation, "source": public_name(citation["source"])} for citation in shown["citations"]
    ]
    plain: dict[str, Any] = replace_surrogates_in(shown)
    return plain


def _public(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without the server's folders, including those in nested values."""
    # For files that this package has read, other keys come from the file's own records.
    paths = frozenset({"source"}) if "content_hash" in metadata else _PATHS
    return {
        name: public_name(value) if name in paths else _public_parts(value)
        for name, value in metadata.items()
        if name not in _SERVER_KEYS
    }


def _public_parts(value: Any) -> Any:
    if isinstance(value, dict):
        return _public(value)
    return [_public_parts(part) for part in value] if isinstance(value, list | tuple) else value


def public_name(path: Any) -> Any:
    """Return a path or paths as file names."""
    if isinstance(path, list | tuple):
        return [public_name(part) for part in path]
    return PureWindowsPath(readable_path(path)).name if isinstance(path, str) else path
