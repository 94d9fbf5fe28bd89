"""Where in its file a section begins: the line that a reader can go to."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from langchain_swallow.documents.readers.section import Section

# So many characters of a section's first line are looked for.
_SEARCHED_CHARACTERS = 30
# What stands before them in the file: indents, and marks of headings, quotations and lists.
_BEFORE = r"^[ \t\u3000#>*+-]*"


def with_lines(sections: Iterable[Section], text: str) -> Iterator[Section]:
    """Sections with their lines, counted from 1.

    Args:
        sections: Of the text, in its order.
        text: A file's text, before a reader joined wrapped lines and took marks away.

    A section whose beginning a reader has rewritten, such as a row of a table, gets none.
    One that has its line already keeps it.
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
