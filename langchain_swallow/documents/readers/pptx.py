"""Reads PowerPoint presentations as one section per slide, with its title and speaker notes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.readers.archive import Archive, open_office_file
from langchain_swallow.documents.readers.drawing import A, remove_fallbacks, shape_text
from langchain_swallow.documents.readers.graphics import Graphics
from langchain_swallow.documents.readers.office_pictures import OfficePictures
from langchain_swallow.documents.readers.recognized import picture_text
from langchain_swallow.documents.readers.relations import main_part, relations
from langchain_swallow.documents.readers.section import LeftOut, Section, SectionBuilder, Sections
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows
from langchain_swallow.documents.readers.xml import parse_xml

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = ("title", "ctrTitle")
# Placeholders that the program fills.
_NOT_TEXT = ("sldNum", "dt", "sldImg")
# Placeholders that are repeated on every slide.
_RUNNING = ("ftr", "hdr")
_MISSING = "slide that the file does not have"
_NO_TEXT = "slide without text"
_MEDIA = "video or sound"


def read_pptx(data: bytes, name: str) -> Sections:
    """Read the slides of a presentation, in order, with charts, SmartArt, notes and comments.

    Footers, and texts that the layouts add to slides, are at the end, once each.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a presentation, is encrypted, or is a decompression bomb.
    """
    archive = open_office_file(data, name)
    main = main_part(archive, name, usual="ppt/presentation.xml")
    presentation = parse_xml(archive.read(main), name)
    targets = relations(archive, main, name)
    sections: list[Section] = []
    left_out: list[LeftOut] = []
    paths = []
    pictures = OfficePictures(archive)
    for number, entry in enumerate(presentation.iter(f"{_P}sldId"), 1):
        target = targets.get(entry.get(f"{_R}id", ""))
        if target and target.path in archive:
            slide = _slide(archive, target.path, number, name, pictures)
            sections += slide
            left_out += slide.left_out
            paths.append(target.path)
        else:
            left_out.append(LeftOut(_MISSING, number))
    lines = {line for section in sections for line in section.text.split("\n")}
    if running := [t for t in _running_texts(archive, paths, name) if t not in lines]:
        sections.append(Section("\n\n".join(running)))
    return Sections(sections, left_out)


def _slide(
    archive: Archive, path: str, number: int, name: str, pictures: OfficePictures
) -> Sections:
    builder = SectionBuilder()
    related = relations(archive, path, name)
    root = _part(archive, path, name)
    for text, is_title in _texts(root):
        if is_title:
            builder.heading(1, text.replace("\n", " "))
        else:
            builder.block(text)
    graphics = Graphics(archive, related, name, pictures)
    for text in graphics.lines(root):
        builder.block(text)
    for read in graphics.recognized:
        builder.aside(*picture_text(read))
    for part in related.values():
        if part.kind == "notesSlide" and part.path in archive:
            for text, _ in _texts(_part(archive, part.path, name)):
                builder.block(text)
        elif part.kind == "comments" and part.path in archive:
            for text in _comments(_part(archive, part.path, name)):
                builder.block(f"（コメント: {text}）")
    sections = [replace(section, page=number) for section in builder.sections()]
    left_out = [*graphics.left_out(number, has_text=bool(sections))]
    if media := sum(1 for _ in root.iter(f"{A}videoFile", f"{A}audioFile")):
        left_out.append(LeftOut(_MEDIA, number, media, is_loss=False))
    if not sections and not left_out:
        left_out.append(LeftOut(_NO_TEXT, number, is_loss=False))
    return Sections(sections, left_out)


def _running_texts(archive: Archive, slides: list[str], name: str) -> list[str]:
    """Texts of footers, and of shapes of the layouts and masters in use, once each."""
    found: dict[str, None] = {}
    layouts: dict[str, None] = {}
    for path in slides:
        for shape, kind in _shapes(_part(archive, path, name)):
            if kind in _RUNNING:
                found[shape_text(shape)] = None
        layouts |= dict.fromkeys(_related(archive, path, "slideLayout", name))
    masters = (p for path in layouts for p in _related(archive, path, "slideMaster", name))
    for path in dict.fromkeys([*layouts, *masters]):
        for shape, kind in _shapes(_part(archive, path, name)):
            if kind is None:
                found[shape_text(shape)] = None
    return list(filter(None, found))


def _related(archive: Archive, path: str, kind: str, name: str) -> list[str]:
    related = relations(archive, path, name).values()
    return [part.path for part in related if part.kind == kind and part.path in archive]


def _shapes(root: Any) -> Iterator[tuple[Any, str | None]]:
    """Yield the shapes, with the types of those that are placeholders."""
    for shape in root.iter(f"{_P}sp"):
        place = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
        yield shape, None if place is None else place.get("type", "")


def _part(archive: Archive, path: str, name: str) -> Any:
    root = parse_xml(archive.read(path), name)
    remove_fallbacks(root)
    return root


def _comments(root: Any) -> Iterator[str]:
    """Texts of comments in the old and new formats, with replies."""
    for element in root.iter():
        tag = str(element.tag)
        if tag == f"{_P}text" and element.text:
            yield element.text.strip()
        elif tag.endswith("}txBody") and (text := shape_text(element)):
            yield text


def _texts(root: Any) -> Iterator[tuple[str, bool]]:
    """Texts of shapes and rows of tables in reading order, the title first."""
    found: list[tuple[str, bool]] = []
    for element in root.iter(f"{_P}sp", f"{A}tbl"):
        if element.tag == f"{A}tbl":
            found += [(row, False) for row in _table(element)]
            continue
        place = element.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
        kind = "" if place is None else place.get("type", "")
        text = shape_text(element)
        if text and kind not in _NOT_TEXT and kind not in _RUNNING:
            found.append((text, kind in _TITLES))
    return iter(sorted(found, key=lambda pair: not pair[1]))


def _table(element: Any) -> list[str]:
    """Rows of a table, by its settings for a header row and a first column of names."""
    properties = element.find(f"{A}tblPr")
    has_header, has_names = (
        properties is not None and properties.get(name, "0") in ("1", "true")
        for name in ("firstRow", "firstCol")
    )
    rows = []
    for row in element.iter(f"{A}tr"):
        cells = [_cell(cell) for cell in row.iter(f"{A}tc") if not _is_covered(cell)]
        if cells:
            cells[0].is_name = has_names and not has_header
        rows.append(cells)
    return spanned_rows(rows, has_header=has_header)


def _cell(element: Any) -> Cell:
    columns, rows = (int(element.get(name, "1")) for name in ("gridSpan", "rowSpan"))
    return Cell(shape_text(element), columns, rows)


def _is_covered(element: Any) -> bool:
    """Whether a merged cell covers this one."""
    return any(element.get(name, "0") in ("1", "true") for name in ("hMerge", "vMerge"))
