"""JSON lines → one section a record."""

import json
from dataclasses import replace
from typing import Any

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.section import Section

_TEXTS = ("text", "content", "page_content", "body", "本文", "内容")
_TITLES = ("title", "題名", "タイトル")


def read_jsonl(text: str) -> list[Section]:
    """Records as their own text (`text`, `content`, `本文`, …), under their title.

    Those without one are their fields, 名前: 値、名前: 値.

    Raises:
        DocumentError: A line is no JSON.
    """
    sections = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DocumentError(f"Line {number} is no JSON: {error}.") from error
        section = replace(_section(record), line=number)
        if section.text.strip():
            sections.append(section)
    return sections


def _section(record: Any) -> Section:
    if not isinstance(record, dict):
        return Section(
            record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
        )
    title = next((str(record[key]) for key in _TITLES if record.get(key)), "")
    own = next((record[key] for key in _TEXTS if isinstance(record.get(key), str)), None)
    if own is not None:
        return Section(f"{title}\n\n{own}" if title else own, (title,) if title else ())
    fields = (f"{key}: {_shown(value)}" for key, value in record.items() if value not in (None, ""))
    return Section("、".join(fields))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
