"""Markdown → sections by ATX headings; fenced code is no place for headings."""

import re

from langchain_swallow.formats.section import Section, SectionBuilder, table_rows

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]+\|[\s:|-]*$")


def read_markdown(text: str) -> list[Section]:
    """Sections of a Markdown text; a table becomes rows that carry their headers."""
    builder = SectionBuilder()
    block: list[str] = []
    fenced = False

    def flush() -> None:
        builder.block(_table(block) if _is_table(block) else "\n".join(block))
        block.clear()

    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        heading = None if fenced else _HEADING.match(line)
        if heading:
            flush()
            builder.heading(len(heading[1]), heading[2])
        elif line.strip() or fenced:
            block.append(line)
        else:
            flush()
    flush()
    return builder.sections()


def _is_table(lines: list[str]) -> bool:
    return len(lines) > 2 and "|" in lines[0] and bool(_TABLE_RULE.match(lines[1]))


def _table(lines: list[str]) -> str:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for i, line in enumerate(lines)
        if i != 1
    ]
    return "\n\n".join(table_rows(rows))
