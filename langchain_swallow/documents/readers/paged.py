"""Turns the texts of pages into sections, one per heading and page, without cutting sentences.

Running lines and tables of contents are removed and counted.
"""

from collections.abc import Iterator, Mapping, Sequence

from langchain_swallow.documents.layout.contents import without_contents
from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import (
    join_wrapped_lines,
    join_wrapped_pages,
    remove_spacing,
)
from langchain_swallow.documents.layout.outline import Bookmark, outline_paths, set_apart
from langchain_swallow.documents.layout.running_lines import Places, split_running_lines
from langchain_swallow.documents.layout.vertical import usual_punctuation
from langchain_swallow.documents.readers.section import Fields, LeftOut, Section, Sections


def paged_sections(
    pages: Sequence[str],
    *,
    outline: Sequence[Bookmark] = (),
    places: Places | None = None,
    fields: Mapping[int, Fields] | None = None,
) -> Sections:
    """Repair spaces, line breaks and sentences across pages, and divide the text at headings.

    `left_out` has the running lines and the entries of tables of contents.

    Args:
        pages: The texts of the pages, in which tabs separate columns.
        outline: The headings, if the file has them.
        places: Where the lines near the edges of the pages are; `None` if that is not known.
        fields: The `fields` of the sections of a page, by its number from 1.
    """
    plain = list(map(_plain, pages))
    bodies, running = split_running_lines(plain, places)
    without_entries = without_contents(bodies)
    texts = join_wrapped_pages(set_apart(without_entries, outline))
    whole = ["\n".join([*words, text]) for words, text in zip(running, texts, strict=True)]
    sections = [
        Section(text.strip(), headings, page=index + 1, fields=(fields or {}).get(index + 1, ()))
        for index, headings, text in split_at_headings(whole, outline_paths(whole, outline))
    ]
    left_out = [
        *_fewer_lines("running header, footer or page number", plain, bodies),
        *_fewer_lines("entry of a table of contents", bodies, without_entries),
    ]
    return Sections(sections, left_out)


def join_plain(text: str) -> str:
    """The text of a picture, with repaired spaces and line breaks."""
    return join_wrapped_lines(_plain(text)).strip()


def _fewer_lines(reason: str, before: list[str], after: list[str]) -> Iterator[LeftOut]:
    """Report how many lines of each page were removed by design."""
    for number, texts in enumerate(zip(before, after, strict=True), 1):
        had, has = (sum(bool(line.strip()) for line in text.split("\n")) for text in texts)
        if had > has:
            yield LeftOut(reason, number, had - has, is_loss=False)


def _plain(page: str) -> str:
    # pdfium marks a hyphen at the end of a line with U+FFFE; tabs separate columns up to here.
    lines = page.replace("\r\n", "\n").replace("\ufffe", "")
    return remove_spacing(usual_punctuation(lines)).replace("\t", " ")
