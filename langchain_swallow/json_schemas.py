"""What users pass as a schema → a JSON schema to generate under.

In: a pydantic class (v2 or v1), a TypedDict, an OpenAI function, or a JSON schema. Out: the same as
JSON schema, closed: objects have the properties they name and no others, since a property that
nobody asked for is only noise to whoever reads the answer.
"""

from typing import Any
from urllib.parse import quote

from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

# How JSON is written, as Python's json does; a model has then one way to go on, not ten.
JSON_STYLE = {
    "whitespace_flexible": False,
    "key_separator": ": ",
    "item_separator": ", ",
}

# What follows these is data, not a schema.
_VALUES = {"enum", "const", "default", "examples"}
_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum"}
# Integers that every JSON reader takes exactly (RFC 8259, section 6).
_LARGEST_INTEGER = 2**53 - 1


def to_json_schema(schema: Any) -> dict[str, Any]:
    """The schema as a dict, closed.

    Raises:
        ValueError: It is none of the kinds above.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        # Not core's conversion: it writes out references, and a recursive class has no end.
        return closed(schema.model_json_schema())
    if isinstance(schema, dict) and not _is_function(schema):
        return closed(schema)
    return closed(convert_to_json_schema(schema))


def for_grammar(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as a grammar is made of it: written in one style, integers of a finite size.

    A model that does not know which number to give would else write digits until its limit.
    """
    return {**_prepared(schema), "x-guidance": JSON_STYLE}


def _prepared(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_prepared(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: part if k in _VALUES else _prepared(part) for k, part in schema.items()}
    if isinstance(made.get("$ref"), str):
        # Pydantic writes 社員 as it is; a reference is a URI.
        made["$ref"] = quote(made["$ref"], safe="#/%~:?&=+,;@!$'()*")
    if made.get("type") == "integer" and not _LIMITS & made.keys():
        made |= {"minimum": -_LARGEST_INTEGER, "maximum": _LARGEST_INTEGER}
    return made


def closed(schema: Any) -> Any:
    """The schema, in which objects that list their properties have no others.

    A schema that puts objects together with `allOf` is left as it is.
    """
    return schema if _combines(schema) else _close(schema)


def _close(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_close(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: part if k in _VALUES else _close(part) for k, part in schema.items()}
    is_object = made.get("type") == "object" and isinstance(made.get("properties"), dict)
    if is_object and "patternProperties" not in made:
        made.setdefault("additionalProperties", False)
    return made


def _combines(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_combines, schema))
    if not isinstance(schema, dict):
        return False
    parts = schema.get("allOf")
    several = isinstance(parts, list) and len(parts) > 1
    return several or any(_combines(part) for k, part in schema.items() if k not in _VALUES)


def _is_function(schema: dict[str, Any]) -> bool:
    """Whether this is OpenAI's or Anthropic's description of a function."""
    return schema.get("type") == "function" or (
        "name" in schema and ("parameters" in schema or "input_schema" in schema)
    )
