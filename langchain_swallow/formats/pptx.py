"""PowerPoint presentations → one section a slide, headed by its title, with the speaker's notes."""

from collections.abc import Iterator
from typing import Any

from langchain_swallow.formats.archive import Archive
from langchain_swallow.formats.drawing import A, shape_text
from langchain_swallow.formats.relations import relations
from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_cells import Cell, spanned_rows
from langchain_swallow.formats.xml import parse_xml

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = ("title", "ctrTitle")
# Repeated on every slide, or set by the program.
_NOT_TEXT = ("sldNum", "dt", "ftr", "hdr", "sldImg")


def read_pptx(data: bytes, name: str) -> list[Section]:
    """Slides of a presentation, in order.

    Raises:
        DocumentError: It is no presentation, encrypted, or a decompression bomb.
    """
    archive = Archive(data, name)
    main = "ppt/presentation.xml"
    presentation = parse_xml(archive.read(main), name)
    targets = relations(archive, main, name)
    sections: list[Section] = []
    for number, entry in enumerate(presentation.iter(f"{_P}sldId"), 1):
        path = targets.get(entry.get(f"{_R}id", ""), "")
        if path in archive.names():
            sections += _slide(archive, path, number, name)
    return sections


def _slide(archive: Archive, path: str, number: int, name: str) -> list[Section]:
    builder = SectionBuilder()
    for text, is_title in _texts(parse_xml(archive.read(path), name)):
        if is_title:
            builder.heading(1, text.replace("\n", " "))
        else:
            builder.block(text)
    for notes in relations(archive, path, name).values():
        if "/notesSlides/" in notes and notes in archive.names():
            for text, _ in _texts(parse_xml(archive.read(notes), name)):
                builder.block(text)
    return [Section(s.text, s.headings, page=number) for s in builder.sections()]


def _texts(root: Any) -> Iterator[tuple[str, bool]]:
    """Texts of shapes and rows of tables in reading order, the title first."""
    found: list[tuple[str, bool]] = []
    for element in root.iter(f"{_P}sp", f"{A}tbl"):
        if element.tag == f"{A}tbl":
            rows = [
                [_cell(cell) for cell in row.iter(f"{A}tc") if not _is_covered(cell)]
                for row in element.iter(f"{A}tr")
            ]
            found += [(row, False) for row in spanned_rows(rows)]
            continue
        place = element.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
        kind = "" if place is None else place.get("type", "")
        text = shape_text(element)
        if text and kind not in _NOT_TEXT:
            found.append((text, kind in _TITLES))
    return iter(sorted(found, key=lambda pair: not pair[1]))


def _cell(element: Any) -> Cell:
    spans = (int(element.get(name, "1")) for name in ("gridSpan", "rowSpan"))
    return Cell(shape_text(element), *spans)


def _is_covered(element: Any) -> bool:
    """Whether another cell stands in the place of this one."""
    return any(element.get(name, "0") in ("1", "true") for name in ("hMerge", "vMerge"))
