"""An answer as JSON, with names of files in place of the server's paths."""

from pathlib import PureWindowsPath
from typing import Any

from langchain_swallow.documents.locations import readable_path
from langchain_swallow.rag import Answer
from langchain_swallow.text.surrogates import replace_surrogates_in

_SERVER_KEYS = frozenset({"content_hash"})
# What loaders call the place of a file. Under other names a text may begin as a path does:
# a title, a field of a record, or a quote, whose characters the offsets of a citation count.
_PATHS = frozenset(
    {"source", "path", "paths", "file", "file_path", "filepath", "file_directory", "directory"}
)


def answer_json(answer: Answer) -> dict[str, Any]:
    """What the API sends of an answer."""
    shown = answer.as_dict()
    shown["documents"] = [
        {**document, "metadata": _public(document["metadata"])} for document in shown["documents"]
    ]
    shown["citations"] = [
        {**citation, "source": _name(citation["source"])} for citation in shown["citations"]
    ]
    plain: dict[str, Any] = replace_surrogates_in(shown)
    return plain


def _public(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata without the server's folders, also where a loader has them in values of values."""
    # In files that were read here the other names are of the file's own records.
    paths = frozenset({"source"}) if "content_hash" in metadata else _PATHS
    return {
        name: _name(value) if name in paths else _public_parts(value)
        for name, value in metadata.items()
        if name not in _SERVER_KEYS
    }


def _public_parts(value: Any) -> Any:
    if isinstance(value, dict):
        return _public(value)
    return [_public_parts(part) for part in value] if isinstance(value, list | tuple) else value


def _name(path: Any) -> Any:
    if isinstance(path, list | tuple):
        return [_name(part) for part in path]
    return PureWindowsPath(readable_path(path)).name if isinstance(path, str) else path
