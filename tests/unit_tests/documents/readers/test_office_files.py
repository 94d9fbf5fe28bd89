"""What all Office files have in common: parts, namespaces, and what is no such file."""

import io
import zipfile

import docx
import openpyxl
import pptx
import pytest

from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError


def word():
    made = docx.Document()
    made.add_heading("総則", 1)
    made.add_paragraph("第一条 目的。")
    return saved(made), "a.docx"


def excel():
    book = openpyxl.Workbook()
    for row in (["品名", "価格"], ["机", 900]):
        book.active.append(row)
    return saved(book), "a.xlsx"


def slides():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "営業方針"
    slide.placeholders[1].text = "新規開拓"
    slide.notes_slide.notes_text_frame.text = "事例を話す。"
    return saved(deck), "a.pptx"


def saved(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def changed(data, change, added=()):
    """The archive with its parts' names and bytes changed, and parts added."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for part in old.namelist():
            new.writestr(*change(part, old.read(part)))
        for part, content in added:
            new.writestr(part, content)
    return file.getvalue()


def sections(data, name):
    (content,) = read_content(data, name)
    return content.sections


FILES = [word, excel, slides]


@pytest.mark.parametrize("made", FILES, ids=lambda f: f.__name__)
def test_the_strict_form_is_read_as_the_usual_one(made):
    """As Office writes it with "Strict Open XML"; its parts name all else by these too."""
    data, name = made()

    def as_strict(part, content):
        for namespace in (b"wordprocessingml", b"spreadsheetml", b"presentationml", b"drawingml"):
            content = content.replace(
                b"http://schemas.openxmlformats.org/%b/2006/" % namespace,
                b"http://purl.oclc.org/ooxml/%b/" % namespace,
            )
        return part, content.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/",
            b"http://purl.oclc.org/ooxml/officeDocument/",
        )

    strict = changed(data, as_strict)
    assert b"purl.oclc.org" in zipfile.ZipFile(io.BytesIO(strict)).read("_rels/.rels")
    assert sections(strict, name) == sections(data, name) != ()


@pytest.mark.parametrize("made", FILES, ids=lambda f: f.__name__)
def test_the_main_part_may_have_any_name(made):
    data, name = made()
    main = {"a.docx": "document", "a.xlsx": "workbook", "a.pptx": "presentation"}[name]

    def renamed(part, content):
        new = part.replace(f"/{main}.xml", "/本体1.xml")
        return new, content.replace(f"/{main}.xml".encode(), "/本体1.xml".encode())

    assert sections(changed(data, renamed), name) == sections(data, name)


@pytest.mark.parametrize("made", FILES, ids=lambda f: f.__name__)
def test_pictures_that_no_one_reads_may_compress_well(made):
    data, name = made()
    folder = {"a.docx": "word", "a.xlsx": "xl", "a.pptx": "ppt"}[name]
    pictures = [(f"{folder}/media/image1.emf", b"\xff" * 3_000_000)]
    assert sections(changed(data, lambda *part: part, pictures), name) == sections(data, name)


@pytest.mark.parametrize("made", FILES, ids=lambda f: f.__name__)
def test_parts_that_are_read_may_not(made):
    data, name = made()
    folder = {"a.docx": "word", "a.xlsx": "xl", "a.pptx": "ppt"}[name]
    parts = [(f"{folder}/styles2.xml", b" " * 3_000_000)]
    with pytest.raises(DocumentError, match=rf"{name}.*times its size; refused as too large"):
        read_content(changed(data, lambda *part: part, parts), name)


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx"])
def test_files_with_a_password_say_so(name):
    """As Office encrypts: an OLE compound file with a stream of this name."""
    header = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504)
    encrypted = header + "EncryptionInfo\0EncryptedPackage".encode("utf-16-le")
    with pytest.raises(DocumentError, match=rf"{name} is encrypted with a password\. Open it"):
        read_content(encrypted, name)
    with pytest.raises(DocumentError, match=rf"{name} is an Office 97-2003 file"):
        read_content(header + "WordDocument".encode("utf-16-le"), name)
