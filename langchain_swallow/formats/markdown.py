"""Markdown → sections by ATX headings; fenced code is no place for headings."""

import itertools
import re
from collections.abc import Iterator

from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_rows import table_rows

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n---[ \t]*\n", re.DOTALL)
_FENCE = re.compile(r"\s*(```|~~~)")
# An entry of a table of contents.
_LINK = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+\[[^\]]*\]\(#[^)]+\)\s*")
_LEAST_LINKS = 3
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]+\|[\s:|-]*$")


def read_markdown(text: str) -> list[Section]:
    """Sections of a Markdown text; a table becomes rows that carry their headers.

    Lists of nothing but links to headings, as tables of contents are, are left out.
    """
    builder = SectionBuilder()
    block: list[str] = []
    fenced = False

    def flush() -> None:
        if len(block) < _LEAST_LINKS or not all(map(_LINK.fullmatch, block)):
            for part in _split_tables(block):
                builder.block(part)
        block.clear()

    for line in _FRONT_MATTER.sub("", text).split("\n"):
        if _FENCE.match(line):
            if fenced:
                builder.block("\n".join([*block, line]))
                block.clear()
            else:
                flush()
                block.append(line)
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line)):
            flush()
            builder.heading(len(heading[1]), heading[2])
        elif line.strip() or fenced:
            block.append(line)
        else:
            flush()
    flush()
    return builder.sections()


def _split_tables(lines: list[str]) -> Iterator[str]:
    """Text and tables of a block; a table may follow its paragraph without a blank line."""
    rules = (i for i, line in enumerate(lines) if i and _TABLE_RULE.match(line))
    header = next((i - 1 for i in rules if "|" in lines[i - 1]), len(lines))
    yield "\n".join(lines[:header])
    table = list(itertools.takewhile(lambda line: "|" in line, lines[header:]))
    if table:
        rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for i, line in enumerate(table)
            if i != 1
        ]
        yield "\n\n".join(table_rows(rows))
        yield from _split_tables(lines[header + len(table) :])
