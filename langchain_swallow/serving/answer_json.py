"""An answer as JSON, with names of files in place of the server's paths."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from langchain_swallow.locations import readable_path
from langchain_swallow.rag import Answer
from langchain_swallow.text.surrogates import replace_surrogates_in

_CODES_OF_SERVER = frozenset({"content_hash"})
# Of documents: what begins with "/" here is no path, and offsets count its characters.
_TEXTS = frozenset({"headings", "quote", "title"})


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
        name: _name(value) if name == "source" else value if name in _TEXTS else _without(value)
        for name, value in values.items()
        if name not in _CODES_OF_SERVER
    }


def _without(value: Any) -> Any:
    """A value of a loader's metadata without the server's folders, however deep they are in it."""
    if isinstance(value, dict):
        return _public(value)
    if isinstance(value, list | tuple):
        return [_without(part) for part in value]
    return _name(value) if _is_absolute(value) else value


def _name(path: Any) -> Any:
    return PureWindowsPath(readable_path(path)).name if isinstance(path, str) else path


def _is_absolute(value: Any) -> bool:
    """Whether a value is a path or address of a file that begins at a root or home folder."""
    return (
        isinstance(value, str)
        and "\n" not in value
        and (
            value.startswith(("file:/", "~/"))
            or PurePosixPath(value).is_absolute()
            or PureWindowsPath(value).is_absolute()
        )
    )
