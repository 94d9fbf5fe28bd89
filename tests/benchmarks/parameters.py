"""The tables of docs/parameters.md: every option of a chat model, from its field."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.engines.options import LoadingOptions

_KINDS = {"loading": LoadingOptions, "generation": GenerationOptions}
_HEADERS = {"ja": ["パラメーター", "型", "デフォルト", "意味"],
            "en": ["parameter", "type", "default", "meaning"]}  # fmt: skip
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤"}


def parameters_table(kind: str, language: str) -> str:
    """Name, type, default and meaning of each option, as Markdown.

    Args:
        kind: `"loading"` or `"generation"`.
        language: `"ja"` or `"en"`.
    """
    rows = [
        [
            ", ".join(f"`{n}`" for n in (name, field.alias) if n),
            f"`{_type(field.annotation)}`{_limits(field)}",
            "" if field.default_factory else f"`{field.default!r}`",
            field.description if language == "en" else field.json_schema_extra["ja"],
        ]
        for name, field in _KINDS[kind].model_fields.items()
    ]
    lines = [_HEADERS[language], ["---"] * 4, *rows]
    # Within a cell `|` would end it.
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _type(annotation: Any) -> str:
    """A type as it is written: names without their modules."""
    if annotation is type(None):
        return "None"
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_type, get_args(annotation)))
    return str(annotation).replace("typing.", "") if get_args(annotation) else annotation.__name__


def _limits(field: FieldInfo) -> str:
    return "".join(
        f", {sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in _SIGNS.items()
        if hasattr(limit, name)
    )
