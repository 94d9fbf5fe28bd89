"""An answer as JSON, with names of files in place of the server's paths."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from langchain_swallow.locations import readable_path
from langchain_swallow.rag import Answer
from langchain_swallow.serving.failures import readable

_CODES_OF_SERVER = frozenset({"content_hash"})


def answer_json(answer: Answer) -> dict[str, Any]:
    """What the API sends of an answer."""
    shown = answer.as_dict()
    shown["documents"] = [
        {**document, "metadata": _public(document["metadata"])} for document in shown["documents"]
    ]
    shown["citations"] = [_public(citation) for citation in shown["citations"]]
    plain: dict[str, Any] = _plain(shown)
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


def _plain(value: Any) -> Any:
    """The value with every text in a form that can be sent."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int | float) else readable(str(value))
