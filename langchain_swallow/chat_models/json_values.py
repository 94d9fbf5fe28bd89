"""Parses JSON strictly, and validates values against a JSON schema.

Python's `json` accepts more than JSON: `NaN`, `1e999` as infinity, half of a surrogate pair. None
of these may reach a tool or a caller as a valid value.
"""

import functools
import json
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NoReturn

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend, validator_for
from pydantic_core import SchemaError, SchemaValidator, core_schema
from pydantic_core import ValidationError as PydanticValidationError
from referencing import Registry

# Formats that `jsonschema` checks by their standards without additional packages.
_FORMATS = FormatChecker(formats=("date", "email", "ipv4", "ipv6", "uuid"))
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_MAX_MESSAGE = 300


def parse_json(text: str) -> Any:
    r"""Return the value of a JSON text.

    Raises:
        ValueError: The text is not JSON (RFC 8259), or it has a number that Python cannot hold, or
            half of a surrogate pair, which is not a character.

    >>> parse_json('{"数": 1.5}')
    {'数': 1.5}
    >>> parse_json("1e999")
    Traceback (most recent call last):
    ValueError: the number 1e999 is too large
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _SURROGATE.search(text):
        _refuse_half_characters(value)
    return value


def schema_error(value: Any, schema: Any) -> str | None:
    """Return where and why a value does not match a JSON schema; `None` if it matches."""
    try:
        error = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return "it is nested too deeply"
    # If part of a user's schema makes the library fail, the value counts as not valid.
    except Exception as failure:
        return f"its schema cannot be applied: {failure!r}"[:_MAX_MESSAGE]
    if error is None:
        return None
    path = "".join(f"[{part!r}]" for part in error.absolute_path)
    message = f"{path}: {error.message}" if path else error.message
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + "…"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


def _refuse_half_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair, which is not a character") from None


def _validator(schema: Any) -> Any:
    dialect = _lenient(validator_for(schema, Draft202012Validator))
    # Without its own registry, a validator would resolve references over the network.
    return dialect(schema, registry=Registry(), format_checker=_FORMATS)


@functools.cache
def _lenient(dialect: Any) -> Any:
    return extend(dialect, {"pattern": _check_pattern, "multipleOf": _check_multiple})


def _check_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and (matcher := _matcher(pattern)) is not None:
        try:
            matcher.validate_python(value)
        except PydanticValidationError:
            yield ValidationError(f"{value!r} does not match {pattern!r}")


@functools.lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator | None:
    # Rust's regular expressions, as in the grammar, never take exponential time.
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:  # such as look-around, which the grammar does not support either
        return None


def _check_multiple(_: Any, factor: float, value: Any, __: Any) -> Iterator[ValidationError]:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and _as_written(value) % _as_written(factor) != 0:
        yield ValidationError(f"{value!r} is not a multiple of {factor!r}")


def _as_written(number: float) -> Fraction:
    """Return a number by its decimal digits: 19.99 is a multiple of 0.01, but not in binary."""
    return Fraction(number if isinstance(number, int) else str(number))
