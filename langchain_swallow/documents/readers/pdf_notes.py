"""Reads the form fields and annotations of a PDF page."""

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from langchain_swallow.documents.layout.vertical import Box
from langchain_swallow.documents.readers.section import LeftOut

# Annotation flags: hidden, or not shown on screen.
_UNSEEN = 2 | 32
_PASSWORD = 1 << 13
_CHECKED, _UNCHECKED = "☑", "☐"


class Note(NamedTuple):
    """The value of a form field, or a text written on a page.

    `box` is in points from the page's origin. `name` is the field's name. `is_mark` is whether it
    is a check box or radio button, `is_text` whether it is text on the page instead of a field.
    """

    text: str
    box: Box
    name: str = ""
    is_mark: bool = False
    is_text: bool = False


def page_notes(page: Any, number: int) -> tuple[list[Note], list[LeftOut]]:
    """Return the field values and texts written on a page, and the comments left out.

    Comments (notes, highlights) are left out, since they are about the text and may be older.

    Args:
        page: A page of a pypdfium2 document whose forms are initialized.
        number: The page number, from 1.
    """
    import pypdfium2.raw as pdfium

    notes: list[Note] = []
    left_out: Counter[str] = Counter()
    for index in range(pdfium.FPDFPage_GetAnnotCount(page.raw)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            # Skipped first, since manuals have thousands of links.
            if kind in (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP):
                continue
            if pdfium.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                continue
            contents = _text(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
            if kind == pdfium.FPDF_ANNOT_WIDGET:
                if page.formenv and (note := _field(page.formenv.raw, annotation)):
                    notes.append(note)
            elif kind in (pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP) and contents:
                notes.append(Note(contents, _box(annotation), is_text=True))
            elif kind == pdfium.FPDF_ANNOT_STAMP:
                left_out["stamp whose text cannot be read"] += 1
            elif contents:
                left_out["comment"] += 1
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return notes, [LeftOut(reason, number, count) for reason, count in left_out.items()]


def _field(form: Any, annotation: Any) -> Note | None:
    """Read the value of a field: its text, selection or mark; `None` if it is empty."""
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    name = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _text(
        pdfium.FPDFAnnot_GetFormFieldName, form, annotation
    )
    box = _box(annotation)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        is_checked = pdfium.FPDFAnnot_IsChecked(form, annotation)
        return Note(_CHECKED if is_checked else _UNCHECKED, box, name, is_mark=True)
    value = ""
    if kind in (pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX):
        value = "、".join(_chosen(form, annotation))
    is_written = kind in (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX)
    is_secret = pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD
    if is_written and not value and not is_secret:
        value = _text(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
    return Note(value, box, name) if value else None


def _chosen(form: Any, annotation: Any) -> Iterator[str]:
    import pypdfium2.raw as pdfium

    for index in range(pdfium.FPDFAnnot_GetOptionCount(form, annotation)):
        if pdfium.FPDFAnnot_IsOptionSelected(form, annotation, index):
            yield _text(pdfium.FPDFAnnot_GetOptionLabel, form, annotation, index)


def _box(annotation: Any) -> Box:
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, ctypes.byref(box))
    across, down = sorted((box.left, box.right)), sorted((box.bottom, box.top))
    return Box(across[0], down[0], across[1], down[1])


def _text(get: Callable[..., int], *args: Any) -> str:
    """Read a string from pdfium, which returns its length in bytes when called without a buffer."""
    import pypdfium2.raw as pdfium

    length = get(*args, None, 0)
    buffer = (pdfium.FPDF_WCHAR * (length // 2 + 1))()
    get(*args, buffer, length)
    text = bytes(buffer).decode("utf-16-le", "replace").split("\0")[0]
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
