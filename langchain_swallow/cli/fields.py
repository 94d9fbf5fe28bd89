"""A field that is an option → an option of the command line, with its help in both languages."""

import argparse
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import Repeated
from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.old_names import add_renamed
from langchain_swallow.cli.parsers import default_note

# How `None` is written for an option whose default it is not.
_NONE = "none"
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def option_name(name: str, field: FieldInfo) -> str:
    """What the command line, the environment and the settings file call a field."""
    return field.alias or name


def add_field(
    parser: Any, name: str, field: FieldInfo, old_names: Sequence[str] = (), **instead: Any
) -> None:
    """The option of a field; what is not given is `None`, so that the field's default holds.

    Args:
        parser: A parser, or a group of one.
        name: The field's name.
        field: Made by `engines.options.option`.
        old_names: Its old names.
        **instead: Arguments of `add_argument` in place of the field's.
    """
    text = about(field, is_default="default" in instead)
    options = {"help": text, "default": None, **_form(field), **instead}
    add_renamed(parser, _flag(option_name(name, field)), [*map(_flag, old_names)], **options)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def about(field: FieldInfo, *, is_default: bool = False) -> str:
    """What a field does, and its default.

    Args:
        field: Made by `engines.options.option`.
        is_default: Whether the parser has the default, and shows it itself.
    """
    text = in_language(_extra(field)["ja"], str(field.description))
    if not (is_default or field.default_factory or field.default in (None, False)):
        text += default_note(field.default)
    return text.replace("%", "%%")


def option_value(field: FieldInfo, given: Any) -> Any:
    """The field's value for what was given on the command line."""
    return None if given == _NONE and _NONE in _choices(field) else given


def _form(field: FieldInfo) -> dict[str, Any]:
    kinds = _kinds(field.annotation)
    extra = _extra(field)
    metavar = {"metavar": extra["metavar"]} if "metavar" in extra else {}
    if bool in kinds:
        return {"action": "store_true"}
    if any(get_origin(kind) is list for kind in kinds):
        return {"action": Repeated, **metavar}
    if choices := _choices(field):
        return {"choices": choices}
    limit = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    if int in kinds and limit is not None:
        return {"type": at_least(limit), "metavar": "N"}
    if int in kinds or float in kinds:
        return {"type": _reader(field), "metavar": "N"}
    return metavar


def _choices(field: FieldInfo) -> tuple[str, ...]:
    kinds = _kinds(field.annotation)
    named = [value for kind in kinds for value in get_args(kind) if get_origin(kind) is Literal]
    if named and type(None) in kinds and field.default is not None:
        named.append(_NONE)
    return tuple(named or _extra(field).get("choices", ()))


def _reader(field: FieldInfo) -> Any:
    """What reads a value within the field's limits, as an argument's `type`."""
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    limits = [
        f"{sign} {getattr(known, name):g}"
        for name, sign in _SIGNS.items()
        for known in field.metadata
        if hasattr(known, name)
    ]
    bounds = ", ".join(limits)

    def read(text: str) -> Any:
        try:
            return adapter.validate_strings(text)
        except ValidationError:
            raise argparse.ArgumentTypeError(
                in_language(
                    f"{bounds}の数を指定してください。指定した値: {text!r}",
                    f"must be a number {bounds}, not {text!r}",
                )
            ) from None

    return read


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a type."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}
