"""Reads JSON lines as one section per record."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.access import GROUPS
from langchain_swallow.documents.readers.section import Section
from langchain_swallow.errors import DocumentError

_TEXTS = ("text", "content", "page_content", "body", "本文", "内容")
_TITLES = ("title", "題名", "タイトル")
# Metadata of the loader and the splitter. A record's field of this name gets the prefix `record_`.
_RESERVED = frozenset(
    "source title format encoding content_hash headings page line inside start_index end_index "
    "also_in folder_groups row last_row row_offsets".split()
)


def read_jsonl(text: str) -> list[Section]:
    """Read each record as a section with its text (`text`, `content`, `本文`, …) and title.

    The other fields of the record become metadata, as with LangChain's loaders; nested fields are
    written as JSON, except the list `groups`, which decides who may see the record. A record
    without such a text is written as its fields, 名前: 値、名前: 値. A file may also be one array
    of records, and a record may take several lines.

    Raises:
        DocumentError: A line is not valid JSON.
    """
    sections = []
    for line, value in json_values(text):
        for record in value if isinstance(value, list) else [value]:
            section = replace(record_section(record), line=line)
            if section.text.strip():
                sections.append(section)
    return sections


def json_values(text: str) -> Iterator[tuple[int, Any]]:
    """Consecutive JSON values, each with the line (from 1) at which it begins."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    position, line = 0, 1
    while behind := text[position : position + 1]:
        if behind.isspace() or behind == "\ufeff":
            line += behind == "\n"
            position += 1
            continue
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise DocumentError(f"Line {error.lineno} is not valid JSON: {error}.") from error
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"Line {line} is JSON that cannot be read: {error}.") from error
        yield line, value
        line += text.count("\n", position, end)
        position = end


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a repeated name gets the list of its values."""
    record: dict[str, Any] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        if name not in record:
            record[name] = value
        elif name in repeated:
            record[name].append(value)
        elif record[name] != value:
            record[name] = [record[name], value]
            repeated.add(name)
    return record


def record_section(record: Any) -> Section:
    """Return a record as its text and title, or as 名前: 値、名前: 値."""
    if not isinstance(record, dict):
        return Section(shown_value(record))
    titled = next((key for key in _TITLES if not is_empty(record.get(key))), "")
    title = shown_value(record[titled]) if titled else ""
    texts = _texts(record)
    fields = {key: value for key, value in record.items() if not is_empty(value)}
    groups = _groups(record)
    fields.pop(GROUPS, None)
    if not texts:
        text = "、".join(f"{key}: {shown_value(value)}" for key, value in fields.items())
        return Section(text, fields=groups)
    body = "\n\n".join(dict.fromkeys(texts.values()))
    others = tuple(
        (f"record_{key}" if key in _RESERVED else key, _scalar(value))
        for key, value in fields.items()
        if key != titled and key not in texts
    )
    headings = (title,) if title else ()
    whole = f"{title}\n\n{body}" if title else body
    return Section(whole, headings, fields=(*others, *groups))


def _groups(record: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The groups that may see the record, as they are written; an empty list is nobody."""
    value = record.get(GROUPS)
    return () if value is None else ((GROUPS, value),)


def has_text(record: dict[str, Any]) -> bool:
    """Whether an object is a record with a text of its own."""
    return bool(_texts(record))


def _texts(record: dict[str, Any]) -> dict[str, str]:
    return {key: text for key in _TEXTS if (text := _text(record.get(key))).strip()}


def _text(value: Any) -> str:
    """A string, or a list of strings joined as paragraphs; empty for other values."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    return value if isinstance(value, str) else ""


def is_empty(value: Any) -> bool:
    """Whether a value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _scalar(value: Any) -> str | int | float | bool:
    is_plain = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else shown_value(value)


def shown_value(value: Any) -> str:
    """Return a string as it is, and another value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
