"""Converts TypedDicts that LangChain's conversion does not support, for pydantic.

LangChain's conversion raises a TypeError for `NotRequired` and `Required`, and treats every key of
`total=False` as required. Pydantic supports them, but before Python 3.12 only in a TypedDict of
`typing_extensions`.
"""

import functools
import operator
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field
from typing_extensions import (
    NotRequired,
    ReadOnly,
    Required,
    TypedDict,
    get_type_hints,
    is_typeddict,
)

_MARKS = (Required, NotRequired, ReadOnly)


def has_optional_keys(kind: Any) -> bool:
    """Whether a TypedDict, or one nested in it, has optional keys."""
    return any(
        bool(inner.__optional_keys__)
        or any(get_origin(hint) in _MARKS for hint in _hints(inner).values())
        for inner in _typed_dicts(kind, ())
        if inner is not None
    )


def contains_itself(kind: Any) -> bool:
    """Whether a TypedDict, or one nested in it, is recursive."""
    return any(inner is None for inner in _typed_dicts(kind, ()))


def _typed_dicts(kind: Any, outer: tuple[Any, ...]) -> Iterator[Any]:
    """Yield all TypedDicts in a type; `None` for a recursive one."""
    if not is_typeddict(kind):
        for part in get_args(kind):
            yield from _typed_dicts(part, outer)
        return
    if kind in outer:
        yield None
        return
    yield kind
    for hint in _hints(kind).values():
        yield from _typed_dicts(hint, (*outer, kind))


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def as_pydantic_takes_it(kind: Any) -> Any:
    """Return the type with each TypedDict recreated for pydantic; none may be recursive.

    Descriptions in LangChain's `Annotated[str, ..., "description"]` are kept.
    """
    if is_typeddict(kind):
        required = kind.__required_keys__
        keys = {name: _key(hint, name in required) for name, hint in _hints(kind).items()}
        converted: Any = TypedDict(kind.__name__, keys)  # type: ignore[misc]
        converted.__doc__ = kind.__doc__
        return converted
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(*parts)
    changed = tuple(map(as_pydantic_takes_it, parts))
    if changed == parts or not parts:
        return kind
    if origin in (Union, UnionType):
        return functools.reduce(operator.or_, changed)
    return origin[changed]


def _key(hint: Any, is_required: bool) -> Any:
    while (origin := get_origin(hint)) in _MARKS:
        # `__required_keys__` does not cover annotations that are strings.
        is_required = origin is Required or (is_required and origin is not NotRequired)
        (hint,) = get_args(hint)
    mark: Any = Required if is_required else NotRequired
    return mark[as_pydantic_takes_it(hint)]


def _annotated(kind: Any, *notes: Any) -> Any:
    converted = as_pydantic_takes_it(kind)
    texts = [note for note in notes[1:2] if isinstance(note, str)]
    kept = [note for note in notes if note is not ... and not isinstance(note, str)]
    kept += [Field(description=text) for text in texts]
    return Annotated[(converted, *kept)] if kept else converted
