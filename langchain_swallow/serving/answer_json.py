"""An answer as JSON, with names of files in place of the server's paths."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from langchain_swallow.locations import readable_path
from langchain_swallow.rag import Answer
from langchain_swallow.text.surrogates import replace_surrogates_in

_CODES_OF_SERVER = frozenset({"content_hash"})


def answer_json(answer: Answer) -> dict[str, Any]:
    """What the API sends of an answer."""
    shown = answer.as_dict()
    shown["documents"] = [
        {**document, "metadata": _public(document["metadata"])} for document in shown["documents"]
    ]
    shown["citations"] = [_public(citation) for citation in shown["citations"]]
    plain: dict[str, Any] = replace_surrogates_in(shown)
    return plain


def _public(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _name(value) if name == "source" or _is_absolute(value) else value
        for name, value in values.items()
        if name not in _CODES_OF_SERVER
    }


def _name(path: Any) -> Any:
    return PureWindowsPath(readable_path(path)).name if isinstance(path, str) else path


def _is_absolute(value: Any) -> bool:
    """Whether a value is a path that begins at a root, of this system or another."""
    return (
        isinstance(value, str)
        and "\n" not in value
        and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute())
    )
