"""JSON lines → one section a record."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.readers.section import Section
from langchain_swallow.errors import DocumentError

_TEXTS = ("text", "content", "page_content", "body", "本文", "内容")
_TITLES = ("title", "題名", "タイトル")
# What the loader and the splitter say of a document; a record's own are `record_source` and so on.
_RESERVED = frozenset(
    "source title format encoding content_hash headings page line inside start_index end_index "
    "also_in".split()
)


def read_jsonl(text: str) -> list[Section]:
    """Records as their own text (`text`, `content`, `本文`, …), under their title.

    The other fields of such a record are its metadata, as LangChain's loaders have it; nested
    ones are JSON. Records without a text of their own are their fields, 名前: 値、名前: 値. A file
    may also be one array of records, or records over several lines.

    Raises:
        DocumentError: A line is no JSON.
    """
    sections = []
    for line, value in _values(text):
        for record in value if isinstance(value, list) else [value]:
            section = replace(_section(record), line=line)
            if section.text.strip():
                sections.append(section)
    return sections


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """JSON values that stand one behind the other, and the lines they begin at."""
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
            raise DocumentError(f"Line {error.lineno} is no JSON: {error}.") from error
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"Line {line} is no JSON that can be read: {error}.") from error
        yield line, value
        line += text.count("\n", position, end)
        position = end


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that it has twice keeps all its values."""
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


def _section(record: Any) -> Section:
    if not isinstance(record, dict):
        return Section(_shown(record))
    titled = next((key for key in _TITLES if not _is_empty(record.get(key))), "")
    title = _shown(record[titled]) if titled else ""
    texts = {key: text for key in _TEXTS if (text := _text(record.get(key))).strip()}
    fields = {key: value for key, value in record.items() if not _is_empty(value)}
    if not texts:
        return Section("、".join(f"{key}: {_shown(value)}" for key, value in fields.items()))
    body = "\n\n".join(dict.fromkeys(texts.values()))
    others = tuple(
        (f"record_{key}" if key in _RESERVED else key, _scalar(value))
        for key, value in fields.items()
        if key != titled and key not in texts
    )
    headings = (title,) if title else ()
    return Section(f"{title}\n\n{body}" if title else body, headings, fields=others)


def _text(value: Any) -> str:
    """A text, or paragraphs of one."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    return value if isinstance(value, str) else ""


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _scalar(value: Any) -> str | int | float | bool:
    is_plain = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else _shown(value)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
