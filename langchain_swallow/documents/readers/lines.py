"""Finds the line of its file at which a section begins."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from langchain_swallow.documents.readers.section import Section

# How many characters of a section's first line are searched for.
_SEARCHED_CHARACTERS = 30
# What may precede them in the file: indentation, and marks of headings, quotations and lists.
_BEFORE = r"^[ \t\u3000#>*+-]*"


def with_lines(sections: Iterable[Section], text: str) -> Iterator[Section]:
    """Add to each section the line, from 1, at which it begins.

    Args:
        sections: The sections of the text, in its order.
        text: The text of the file, before wrapped lines were joined and marks removed.

    A section that already has a line keeps it. A section whose beginning a reader has rewritten,
    such as a row of a table, gets no line.
    """
    position, line = 0, 1
    for section in sections:
        if section.line is not None:
            yield section
            continue
        found = _beginning(section.text).search(text, position)
        if found is None:
            yield section
            continue
        line += text.count("\n", position, found.start())
        position = found.start()
        yield replace(section, line=line)
        # The next one begins on a later line.
        position = found.end()
        line += text.count("\n", found.start(), position)


def _beginning(text: str) -> re.Pattern[str]:
    first = "".join(text.split("\n", 1)[0].split())[:_SEARCHED_CHARACTERS]
    return re.compile(_BEFORE + r"\s*".join(map(re.escape, first)), re.MULTILINE)
