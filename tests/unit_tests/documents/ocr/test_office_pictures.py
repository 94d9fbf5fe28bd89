"""Large pictures in Office files are read by OCR, and reported without it."""

import io
import struct
import zipfile

import docx
import openpyxl
import pptx
import pytest
from docx.shared import Inches
from openpyxl.drawing.image import Image as SheetImage
from PIL import Image

from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.readers import archive
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.sheet import Sheet
from langchain_swallow.documents.readers.spreadsheet_drawings import find_drawings
from langchain_swallow.documents.readers.xls_pictures import count_pictures
from tests.support.ocr import Engine, picture
from tests.support.ole import ole_file


def saved(document):
    document.save(file := io.BytesIO())
    return file.getvalue()


def document(width, data=None, text="手順を示す。"):
    made = docx.Document()
    made.add_heading("申請", 1)
    if text:
        made.add_paragraph(text)
    made.add_picture(io.BytesIO(data or picture(size=(800, 400))), width=width)
    made.add_heading("承認", 1)
    made.add_paragraph("部長が承認する。")
    return saved(made)


def slides(width, count=1):
    deck = pptx.Presentation()
    for _ in range(count):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = "申請"
        slide.shapes.add_picture(io.BytesIO(picture(size=(800, 400))), 0, 0, width)
    return saved(deck)


def workbook(width):
    book = openpyxl.Workbook()
    book.active.title = "手順"
    book.active.append(["品名", "単価"])
    book.active.append(["机", 12800])
    image = SheetImage(io.BytesIO(picture(size=(800, 400))))
    # In pixels at 96 dpi.
    image.width, image.height = width / 9525, width / 2 / 9525
    book.active.add_image(image, "D2")
    return saved(book)


def read(data, name, engine=None):
    (content,) = read_content(data, name, ocr=engine)
    return content


CASES = [(document, "a.docx"), (slides, "a.pptx"), (workbook, "a.xlsx")]


@pytest.mark.parametrize(("made", "name"), CASES, ids=[name for _, name in CASES])
def test_a_large_picture_is_read_at_the_size_it_is_shown(made, name):
    engine = Engine("申請書を提出する。")
    content = read(made(Inches(4)), name, engine)
    (found,) = [s for s in content.sections if s.fields]
    assert found.text == "申請書を提出する。"
    assert dict(found.fields) == {"ocr": True, "ocr_confidence": 0.9}
    assert found.headings == ("手順" if name == "a.xlsx" else "申請",)
    assert found.page == (1 if name == "a.pptx" else None)
    ((mode, size, dpi),) = engine.seen
    assert (mode, size) == ("L", (800, 400))
    assert dpi == pytest.approx((200, 200), rel=0.01)
    assert content.left_out == ()


@pytest.mark.parametrize(("made", "name"), CASES, ids=[name for _, name in CASES])
def test_small_pictures_are_not_read(made, name):
    engine = Engine()
    content = read(made(Inches(1)), name, engine)
    assert engine.seen == []
    assert [(part.reason, part.is_loss) for part in content.left_out] == [
        ("picture without a description", False)
    ]


@pytest.mark.parametrize(("made", "name"), CASES, ids=[name for _, name in CASES])
def test_without_ocr_large_pictures_are_counted(made, name):
    (part,) = read(made(Inches(4)), name).left_out
    assert part.reason == "large picture; OCR (`ocr=True`, `--ocr`) reads its text"
    assert (part.count, part.is_loss) == (1, False)


def test_the_text_follows_the_section_with_the_picture():
    sections = read(document(Inches(4)), "a.docx", Engine("申請書")).sections
    assert [(s.text, s.headings) for s in sections] == [
        ("申請\n\n手順を示す。", ("申請",)),
        ("申請書", ("申請",)),
        ("承認\n\n部長が承認する。", ("承認",)),
    ]
    # The only thing below a heading, too.
    sections = read(document(Inches(4), text=""), "a.docx", Engine("申請書")).sections
    assert (sections[0].text, sections[0].headings) == ("申請書", ("申請",))


def test_a_document_without_headings_keeps_the_mark_of_recognized_text():
    made = docx.Document()
    made.add_paragraph("手順を示す。")
    made.add_picture(io.BytesIO(picture()), width=Inches(4))
    sections = read(saved(made), "a.docx", Engine("第1条　目的\n本文。")).sections
    assert [dict(s.fields).get("ocr") for s in sections] == [None, True]


def test_a_document_that_is_only_a_scan_has_lost_its_text_without_ocr():
    made = docx.Document()
    made.add_picture(io.BytesIO(picture()), width=Inches(6))
    assert [part.is_loss for part in read(saved(made), "a.docx").left_out] == [True]
    assert [s.text for s in read(saved(made), "a.docx", Engine("議事録")).sections] == ["議事録"]


def test_a_picture_on_every_slide_is_read_once():
    engine = Engine("青空株式会社")
    sections = read(slides(Inches(4), count=3), "a.pptx", engine).sections
    assert [(s.page, s.text) for s in sections if s.fields] == [(1, "青空株式会社")]
    assert len(engine.seen) == 1


def test_only_the_shown_part_of_a_picture_is_read():
    image = Image.new("L", (800, 400), "white")
    image.paste(0, (0, 0, 200, 400))
    image.save(file := io.BytesIO(), "PNG")
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    shown = slide.shapes.add_picture(io.BytesIO(file.getvalue()), 0, 0, Inches(3), Inches(2))
    shown.crop_left = 0.25

    class Looking:
        def read(self, image):
            assert image.getextrema() == (255, 255)
            return OcrText(f"{image.size}", 0.9)

    (section,) = read(saved(deck), "a.pptx", Looking()).sections
    assert section.text == "(600, 400)"


def replaced(data, ending, content, new_ending):
    """A file whose pictures have another content and ending."""
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            is_picture = name.endswith(ending)
            written = (
                content
                if is_picture
                else old.read(name).replace(ending.encode(), new_ending.encode())
            )
            new.writestr(name.replace(ending, new_ending), written)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "ending", "reason", "is_loss"),
    [
        (b"\1\0\0\0" * 9, ".emf", "vector format", False),
        (b"no picture", ".png", "cannot be read", True),
        (picture()[:200], ".png", "cannot be read", True),
        (b"\0" * 5001, ".png", "refused as too large", True),
    ],
    ids=["vector", "other", "cut", "bomb"],
)
def test_pictures_that_cannot_be_read_are_reported_and_the_text_is_read(
    monkeypatch, content, ending, reason, is_loss
):
    monkeypatch.setattr(archive, "_MAX_PICTURE_BYTES", 5000)
    data = replaced(document(Inches(4)), ".png", content, ending)
    found = read(data, "a.docx", Engine())
    assert "手順を示す。" in found.sections[0].text
    ((written, loss),) = [(part.reason, part.is_loss) for part in found.left_out]
    assert reason in written
    assert loss == is_loss


# Spreadsheets whose cells calamine reads


def opendocument(width, kind):
    names = {"draw": "drawing", "svg": "svg-compatible"}
    namespaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{names.get(short, short)}:1.0"'
        for short in ("office", "table", "text", "draw", "svg")
    )
    frame = (
        f'<draw:frame svg:width="{width / 360000}cm" svg:height="{width / 720000}cm">'
        "{}<svg:title>画面</svg:title></draw:frame>"
    )
    link = 'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="Pictures/a.png"'
    frames = (f"<draw:image {link}/>", "<draw:text-box><text:p>注意</text:p></draw:text-box>")
    drawn = "".join(map(frame.format, (*frames, "<draw:object/><draw:image/>")))
    sheets = "".join(
        f'<table:table table:name="{name}"><table:table-row><table:table-cell '
        f'office:value-type="string"><text:p>{text}</text:p></table:table-cell>'
        f"<table:table-cell {kind}>{frames}</table:table-cell></table:table-row></table:table>"
        for name, text, frames in (("表", "品名", ""), ("手順", "単価", drawn))
    )
    content = f"<office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        written.writestr("META-INF/manifest.xml", "<manifest/>")
        written.writestr(
            "content.xml", f"<office:document {namespaces}>{content}</office:document>"
        )
        written.writestr("Pictures/a.png", picture(size=(800, 400)))
    return file.getvalue()


def test_drawings_of_opendocument_spreadsheets_are_read_or_counted():
    found = read(opendocument(Inches(5), ""), "a.ods", engine := Engine())
    assert [(s.headings, s.text) for s in found.sections] == [
        (("表",), "品名"),
        (("手順",), "単価"),
        (("手順",), "（図: 画面）\n\n注意"),
        (("手順",), engine.text),
    ]
    assert [(part.reason.partition(";")[0], part.page) for part in found.left_out] == [
        ("embedded object", 2)
    ]
    assert [size for _, size, _ in engine.seen] == [(800, 400)]


def test_texts_of_drawings_that_are_part_of_a_cell_are_read_once():
    found = read(opendocument(Inches(5), 'office:value-type="string"'), "a.ods", Engine())
    assert "".join(section.text for section in found.sections).count("注意") == 1


def test_drawings_of_binary_workbooks_are_those_of_the_sheets_in_their_order():
    """The order of the sheets is that of their ids in the workbook, not of the relationships."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(Inches(4)))) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for name in old.namelist():
            if not name.startswith(("xl/workbook", "xl/_rels", "_rels")):
                new.writestr(name, old.read(name))
        ids = "".join(f"\u0004{identity}\u0003シート" for identity in ("rId2", "rId1", "rId9"))
        new.writestr("xl/workbook.bin", b"\x9c\x01" + ids.encode("utf-16-le"))
        relation = '<Relationship Id="{}" Target="{}"/>'
        parts = [("rId1", "worksheets/sheet1.xml"), ("rId2", "worksheets/sheet2.xml")]
        written = "".join(relation.format(*part) for part in [*parts, ("rId9", "styles.bin")])
        new.writestr("xl/_rels/workbook.bin.rels", f"<Relationships>{written}</Relationships>")
    drawings = find_drawings(file.getvalue(), "a.xlsb")
    found = [drawings(number, Sheet()).left_out for number in (1, 2, 3)]
    assert [[part.reason.partition(";")[0] for part in parts] for parts in found] == [
        [],
        ["large picture"],
        [],
    ]


def old_workbook(*references):
    """The drawings of an .xls workbook: pictures by how often they are shown, in two records."""

    def part(kind, content):
        return struct.pack("<HHI", 0, kind, len(content)) + content

    entries = [part(0xF007, bytes(24) + struct.pack("<I", n) + bytes(40)) for n in references]
    drawings = part(0xF000, part(0xF006, bytes(16)) + part(0xF001, b"".join(entries)))
    halves = (0xEB, drawings[:70]), (0x3C, drawings[70:])
    records = [(0x809, bytes(16)), *halves, (0xFC, bytes(8)), (0x3C, part(0xF007, bytes(68)))]
    written = b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in records)
    return ole_file({"Workbook": written})


def test_pictures_of_old_workbooks_are_counted():
    """Not those that no sheet shows any more, and nothing in other records."""
    assert count_pictures(old_workbook(1, 0, 3)) == 2
    assert count_pictures(old_workbook()) == 0
    assert count_pictures(old_workbook(1)[:600]) == 0
    assert count_pictures(b"PK") == 0
