"""Reads JSON files: lists of records as sections, and other data as lines by their path."""

from collections.abc import Iterator
from typing import Any

from langchain_swallow.documents.readers.jsonl import (
    has_text,
    is_empty,
    json_values,
    record_section,
    shown_value,
)
from langchain_swallow.documents.readers.section import Section
from langchain_swallow.errors import DocumentError


def read_json(text: str) -> list[Section]:
    """Read a JSON file.

    Each object of a list is a record, and so is an object with a text of its own (`text`,
    `content`, `本文`, …): they are read as `read_jsonl` reads them, with their path as headings.
    Other values are lines of 名前: 値, under the names of the objects that they are in.

    Raises:
        DocumentError: The text is not valid JSON.
    """
    try:
        return [
            Section(section.text, section.headings, line=line, fields=section.fields)
            for line, value in json_values(text)
            for section in _sections(value, ())
        ]
    except RecursionError as error:
        raise DocumentError("It is JSON that is nested too deep.") from error


def _sections(value: Any, path: tuple[str, ...]) -> Iterator[Section]:
    if isinstance(value, list):
        yield from _list(value, path)
    elif not isinstance(value, dict) or has_text(value):
        yield from _record(value, path)
    else:
        lines = [f"{name}: {shown_value(v)}" for name, v in value.items() if _is_leaf(v)]
        if lines:
            yield Section("\n".join([*path[-1:], *lines]), path)
        for name, inside in value.items():
            if not _is_leaf(inside):
                yield from _sections(inside, (*path, name))


def _list(values: list[Any], path: tuple[str, ...]) -> Iterator[Section]:
    for value in values:
        if isinstance(value, list) and not _is_leaf(value):
            yield from _list(value, path)
        else:
            yield from _record(value, path)


def _record(value: Any, path: tuple[str, ...]) -> Iterator[Section]:
    section = record_section(value)
    if section.text.strip():
        yield Section(section.text, (*path, *section.headings), fields=section.fields)


def _is_leaf(value: Any) -> bool:
    """Whether a value is written on one line: a scalar, nothing, or a list of scalars."""
    if isinstance(value, list):
        return not any(isinstance(one, dict | list) for one in value)
    return not isinstance(value, dict) or is_empty(value)
