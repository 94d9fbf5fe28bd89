"""What users pass as a schema → a JSON schema to generate under.

In: a pydantic class (v2 or v1), a TypedDict, an OpenAI function, or a JSON schema. Out: the same as
JSON schema, closed: objects have the properties they name and no others, since a property that
nobody asked for is only noise to whoever reads the answer.
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

# How JSON is written, as Python's json does; a model has then one way to go on, not ten.
JSON_STYLE = {
    "whitespace_flexible": False,
    "key_separator": ": ",
    "item_separator": ", ",
}

# Where a schema has schemas: what follows any other key is data, or names of properties.
_IN_DICTS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = {"items", "additionalProperties", "additionalItems", "contains", "propertyNames", "not"}
_SINGLE |= {"if", "then", "else", "unevaluatedItems", "unevaluatedProperties"}
# What says of which types a value may be.
_KINDS = {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "not", "if"}
_TYPES = ["null", "boolean", "string", "number", "array", "object"]
# What constrains nothing, and may hold what is not JSON: `float("inf")`, a date.
_NOTES = {"default", "examples", "example"}
# How a grammar's schema names any JSON value.
_ANY_NAME = "any_json"
_ANY = {"$ref": f"#/$defs/{_ANY_NAME}"}
# Integers that every JSON reader takes exactly (RFC 8259, section 6).
_MAX_INTEGER = 2**53 - 1


@contextlib.contextmanager
def refuse_malformed() -> Iterator[None]:
    """Within it, what a dict that is not a JSON schema makes code raise is a `GrammarError`."""
    try:
        yield
    except (TypeError, AttributeError, LookupError, RecursionError) as error:
        raise GrammarError(f"This is not a JSON schema: {error}. Correct it.") from error


def to_json_schema(schema: Any) -> dict[str, Any]:
    """The schema as a dict, closed.

    Raises:
        ValueError: It is none of the kinds above.
    """
    if isinstance(schema, dict) and not _is_function(schema):
        return dict(closed(schema))
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return dict(closed(schema.model_json_schema()))
    return dict(closed(schema_beyond_core(schema) or convert_to_json_schema(schema)))


def schema_beyond_core(kind: Any) -> dict[str, Any] | None:
    """The JSON schema of what LangChain's conversion cannot take; `None` of all others.

    That conversion writes references out, and a class that contains itself has no end; and it has
    no optional keys of a TypedDict.

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
    """Whether a reference leads back to itself."""
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
    """What a reference within a schema points to; `None` if that is nowhere in it."""
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
    """A schema whose root is only a reference, or `allOf` of one, as what that is."""
    target, key = schema, ""
    if isinstance(schema.get("$ref"), str):
        target, key = resolve(schema["$ref"], schema), "$ref"
    elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        (target,), key = schema["allOf"], "allOf"
    if not key or not isinstance(target, dict) or target is schema or "properties" in schema:
        return schema
    resolved = target | {name: part for name, part in schema.items() if name != key}
    return root_resolved(resolved) if key == "allOf" else resolved


# Closed


def closed(schema: Any) -> Any:
    """The schema, in which objects that list their properties have no others.

    A schema that puts objects together, such as with `allOf`, is left as it is.
    """
    with refuse_malformed():
        return schema if is_combined(schema) else _rebuilt(schema, _close)


def is_combined(schema: Any) -> bool:
    """Whether an object in it is described in several places that must all hold."""
    return any(map(_combines, _schemas(schema)))


def _close(schema: Any) -> Any:
    is_object = isinstance(schema, dict) and isinstance(schema.get("properties"), dict)
    # Pydantic and most others write the type; without it, a value need not be an object.
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


# As a grammar is made of it


def for_grammar(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as a grammar is made of it: written in one style, numbers of a finite size.

    A model that does not know which number to give would else write digits until its limit, or
    `1e999`, which is infinite. Where a schema allows any value, it is spelled out what that is, so
    that numbers have a size there too.
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
        # Pydantic writes 社員 as it is; a reference is a URI.
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


# Walking


def without_titles(schema: Any) -> Any:
    """Pydantic titles every property with its own name, which tells a model nothing."""
    return _rebuilt(schema, _untitled)


def _untitled(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {key: part for key, part in schema.items() if key != "title"}


def _schemas(schema: Any) -> Iterator[Any]:
    """A schema and all schemas in it."""
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
    """The schema after a change of each schema in it, inner ones first."""
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
    """Whether this is OpenAI's or Anthropic's description of a function."""
    return schema.get("type") == "function" or (
        "name" in schema and ("parameters" in schema or "input_schema" in schema)
    )
