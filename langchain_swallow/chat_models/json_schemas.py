"""Converts schemas that users pass to JSON schemas for constrained decoding.

The input is a pydantic class (v2 or v1), a TypedDict, an OpenAI function, or a JSON schema. The
output is a closed JSON schema: objects have only the properties that it lists, because other
properties would be noise in the answer.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.v1 import BaseModel as BaseModelV1
from typing_extensions import is_typeddict

from langchain_swallow.chat_models.typed_dicts import (
    as_pydantic_takes_it,
    contains_itself,
    has_optional_keys,
)
from langchain_swallow.errors import GrammarError

# The JSON format, that of Python's json, so that a model has one way to continue, not ten.
JSON_STYLE = {
    "whitespace_flexible": False,
    "key_separator": ": ",
    "item_separator": ", ",
}

# Keys whose values contain schemas; values of other keys are data or names.
_IN_DICTS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = {"items", "additionalProperties", "additionalItems", "contains", "propertyNames", "not"}
_SINGLE |= {"if", "then", "else", "unevaluatedItems", "unevaluatedProperties"}
# Keys that restrict the type of a value.
_KINDS = {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "not", "if"}
_TYPES = ["null", "boolean", "string", "number", "array", "object"]
# Keys that constrain nothing, and whose values may not be JSON: `float("inf")`, a date.
_NOTES = {"default", "examples", "example"}
# Name of the definition of any JSON value in a grammar's schema.
_ANY_NAME = "any_json"
_ANY = {"$ref": f"#/$defs/{_ANY_NAME}"}
# Largest integer that every JSON parser reads exactly (RFC 8259, section 6).
_MAX_INTEGER = 2**53 - 1


@contextlib.contextmanager
def refuse_malformed() -> Iterator[None]:
    """Convert errors that code raises for a dict that is not a JSON schema to `GrammarError`."""
    try:
        yield
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        raise GrammarError(f"This is not a JSON schema: {error}. Correct it.") from error


def to_json_schema(schema: Any) -> dict[str, Any]:
    """Return the schema as a closed JSON schema.

    Raises:
        ValueError: The value is not one of the types above.
    """
    if isinstance(schema, dict) and not _is_function(schema):
        return dict(closed(schema))
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return dict(closed(schema.model_json_schema()))
    return dict(closed(schema_beyond_core(schema) or convert_to_json_schema(schema)))


def schema_beyond_core(kind: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a type that LangChain cannot convert; `None` for others.

    LangChain's conversion inlines references, so it never ends for a recursive class, and it does
    not support optional keys of a TypedDict.

    Raises:
        ValueError: A recursive `typing.TypedDict`, which pydantic takes from Python 3.12 on.
    """
    if isinstance(kind, dict):
        schema = kind
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        schema = kind.model_json_schema()
    elif isinstance(kind, type) and issubclass(kind, BaseModelV1):
        schema = kind.schema()
    elif is_typeddict(kind):
        return _typed_dict_schema(kind)
    else:
        return None
    return schema if _is_recursive(schema) else None


def _typed_dict_schema(kind: Any) -> dict[str, Any] | None:
    if contains_itself(kind):
        try:
            return TypeAdapter(kind).json_schema()
        except PydanticUserError:
            raise ValueError(
                f"The TypedDict {kind.__name__} contains itself. Derive it from "
                "typing_extensions.TypedDict, or write it as a pydantic class."
            ) from None
    schema = TypeAdapter(as_pydantic_takes_it(kind)).json_schema()
    return schema if has_optional_keys(kind) or _is_recursive(schema) else None


def _is_recursive(schema: dict[str, Any]) -> bool:
    """Whether a schema contains a recursive reference."""
    finished: set[str] = set()

    def leads_back(part: Any, path: tuple[str, ...]) -> bool:
        for inner in _schemas(part):
            reference = inner.get("$ref") if isinstance(inner, dict) else None
            if not isinstance(reference, str) or reference in finished:
                continue
            if reference in path or leads_back(resolve(reference, schema), (*path, reference)):
                return True
            finished.add(reference)
        return False

    return leads_back(schema, ("#",))


def resolve(reference: str, schema: dict[str, Any]) -> Any:
    """Return the target of a reference within a schema; `None` if it does not exist."""
    target: Any = schema if reference.startswith("#") else None
    for part in unquote(reference).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and name.isdecimal() and int(name) < len(target):
            target = target[int(name)]
        elif isinstance(target, dict) and name in target:
            target = target[name]
        else:
            return None
    return target


def root_resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace a root that is only a reference, or `allOf` of one, by its target."""
    target, key = schema, ""
    if isinstance(schema.get("$ref"), str):
        target, key = resolve(schema["$ref"], schema), "$ref"
    elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        (target,), key = schema["allOf"], "allOf"
    if not key or not isinstance(target, dict) or target is schema or "properties" in schema:
        return schema
    resolved = target | {name: part for name, part in schema.items() if name != key}
    return root_resolved(resolved) if key == "allOf" else resolved


# Closing


def closed(schema: Any) -> Any:
    """Close the schema: objects that list their properties allow no others.

    A schema that combines objects, such as with `allOf`, is not changed.
    """
    with refuse_malformed():
        return schema if is_combined(schema) else _rebuilt(schema, _close)


def is_combined(schema: Any) -> bool:
    """Whether the schema describes an object in several places that must all match."""
    return any(map(_combines, _schemas(schema)))


def _close(schema: Any) -> Any:
    is_object = isinstance(schema, dict) and isinstance(schema.get("properties"), dict)
    # Without a type, the value may be something other than an object; pydantic always writes it.
    if not is_object or schema.get("type") != "object" or "patternProperties" in schema:
        return schema
    return schema if "additionalProperties" in schema else schema | {"additionalProperties": False}


def _combines(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    choices = [part for key in ("anyOf", "oneOf") for part in schema.get(key) or ()]
    has_choice_of_objects = any(
        isinstance(part, dict) and {"properties", "$ref", "allOf"} & part.keys() for part in choices
    )
    together = schema.get("allOf")
    descriptions = len(together) if isinstance(together, list) else 0
    return descriptions + ("$ref" in schema) + ("properties" in schema) + has_choice_of_objects > 1


# Preparing for a grammar


def for_grammar(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema for a grammar: with one JSON format and limits for numbers.

    Without limits, a model that is unsure of a number may write digits up to `max_tokens`, or
    `1e999`, which is infinite. If a schema allows any value, all types are listed, so that numbers
    have limits there too.
    """
    with refuse_malformed():
        prepared = _rebuilt(schema, partial(_prepared, spell_out=not is_combined(schema)))
        parts = (part for part in _schemas(prepared) if isinstance(part, dict))
        if any(part.get("$ref") == _ANY["$ref"] for part in parts):
            prepared["$defs"] = {
                **prepared.get("$defs", {}),
                _ANY_NAME: _prepared({}, spell_out=True),
            }
    return {**prepared, "x-guidance": JSON_STYLE}


def _prepared(schema: Any, *, spell_out: bool) -> Any:
    if schema is True and spell_out:
        return dict(_ANY)
    if not isinstance(schema, dict):
        return schema
    prepared = {key: part for key, part in schema.items() if key not in _NOTES}
    if isinstance(prepared.get("$ref"), str):
        # A reference is a URI, and pydantic does not escape names such as 社員.
        prepared["$ref"] = quote(prepared["$ref"], safe="#/%~:?&=+,;@!$'()*")
    if spell_out and not _KINDS & prepared.keys():
        prepared["type"] = list(_TYPES)
    types = prepared.get("type")
    types = types if isinstance(types, list) else [types]
    if {"number", "integer"} & {kind for kind in types if isinstance(kind, str)}:
        prepared |= _missing_limits(prepared)
    is_described = not (_KINDS - {"type"}) & prepared.keys()
    if spell_out and is_described and "array" in types:
        prepared.setdefault("items", dict(_ANY))
    if spell_out and is_described and "object" in types:
        prepared.setdefault("additionalProperties", dict(_ANY))
    return prepared


def _missing_limits(schema: dict[str, Any]) -> dict[str, int]:
    if {"enum", "const"} & schema.keys():
        return {}
    minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
    maximum = schema.get("maximum", schema.get("exclusiveMaximum"))
    limits = {}
    if minimum is None and (maximum is None or maximum > -_MAX_INTEGER):
        limits["minimum"] = -_MAX_INTEGER
    if maximum is None and (minimum is None or minimum < _MAX_INTEGER):
        limits["maximum"] = _MAX_INTEGER
    return limits


# Traversal


def without_titles(schema: Any) -> Any:
    """Remove titles: pydantic sets each to the property's name, which adds no information."""
    return _rebuilt(schema, _untitled)


def _untitled(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {key: part for key, part in schema.items() if key != "title"}


def _schemas(schema: Any) -> Iterator[Any]:
    """Yield a schema and all schemas in it."""
    yield schema
    if not isinstance(schema, dict):
        return
    for key, part in schema.items():
        if key in _IN_DICTS and isinstance(part, dict):
            inner = list(part.values())
        elif key in _IN_LISTS and isinstance(part, list):
            inner = part
        elif key in _SINGLE:
            inner = [part]
        else:
            continue
        for one in inner:
            yield from _schemas(one)


def _rebuilt(schema: Any, change: Callable[[Any], Any]) -> Any:
    """Return the schema with `change` applied to each schema in it, inner ones first."""
    if not isinstance(schema, dict):
        return change(schema)
    rebuilt = dict(schema)
    for key, part in schema.items():
        if key in _IN_DICTS and isinstance(part, dict):
            rebuilt[key] = {name: _rebuilt(inner, change) for name, inner in part.items()}
        elif key in _IN_LISTS and isinstance(part, list):
            rebuilt[key] = [_rebuilt(inner, change) for inner in part]
        elif key in _SINGLE:
            rebuilt[key] = _rebuilt(part, change)
    return change(rebuilt)


def _is_function(schema: dict[str, Any]) -> bool:
    """Whether this is a function in OpenAI's or Anthropic's format."""
    return schema.get("type") == "function" or (
        "name" in schema and ("parameters" in schema or "input_schema" in schema)
    )
