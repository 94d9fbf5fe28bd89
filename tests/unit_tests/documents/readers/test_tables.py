"""Tables as their reader sees them: merged cells in every row, numbers with their units."""

import io
import zipfile

import openpyxl
import pptx
import pytest

from langchain_swallow.documents.readers.docx import read_docx
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.pptx import read_pptx
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows
from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.documents.readers.xlsx_numbers import shown_number

# Whose head has two rows, whose first column is merged over two, and with a row for a whole group.
WANTED = [
    "区分: 国内、役職: 部長、日当 日帰り: 1千円、日当 宿泊: 3千円",
    "区分: 国内、役職: 課長、日当 日帰り: 1千円、日当 宿泊: 2千円",
    "区分: 海外、役職: 部長、日当 日帰り: なし、日当 宿泊: なし",
]


def blocks(sections):
    return [block for section in sections for block in section.text.split("\n\n")]


def test_html_spans():
    page = """<h1>旅費</h1><table>
      <tr><th rowspan=2>区分</th><th rowspan="2">役職</th><th colspan=2>日当</th></tr>
      <tr><th>日帰り</th><th>宿泊</th></tr>
      <tr><td rowspan=2>国内</td><td>部長</td><td>1千円</td><td>3千円</td></tr>
      <tr><td>課長</td><td>1千円</td><td>2千円</td></tr>
      <tr><td>海外</td><td>部長</td><td colspan="2">なし</td></tr></table>"""
    assert blocks(read_html(page)) == ["旅費", *WANTED]


def test_html_tables_that_only_place_things_are_read_through():
    page = (
        "<table><tr><td><p>案内文。</p></td><td><table><tr><th>品名</th><th>価格</th></tr>"
        "<tr><td>机</td><td>900円</td></tr></table></td></tr></table>"
    )
    assert blocks(read_html(page)) == ["案内文。", "品名: 机、価格: 900円"]


def test_html_lines_of_a_cell_and_words_set_apart():
    page = (
        "前の<b>太い</b>文と<a href='#'>リンク</a>。<!-- 注 --><br>次の行。"
        "<p>段落の<i>字</i>。</p>後の<b>文</b>。"
        "<table><tr><th>区分<br>（国内）</th><th><p>金額</p><p>税込</p></th></tr>"
        "<tr><td>日<b>帰り</b></td><td>1千円<br/>まで</td></tr></table>"
    )
    assert blocks(read_html(page)) == [
        "前の太い文とリンク。\n次の行。",
        "段落の字。",
        "後の文。",
        "区分 （国内）: 日帰り、金額 税込: 1千円 まで",
    ]


@pytest.mark.parametrize("span", ["0", "-1", "x", "", "99999"])
def test_html_spans_that_are_none(span):
    page = (
        f"<table><tr><th colspan='{span}'>品名</th><th>価格</th></tr>"
        "<tr><td>机</td><td>900円</td></tr></table>"
    )
    assert blocks(read_html(page)) == ["品名: 机、価格: 900円"]


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx_cell(text, columns=1, merge=None):
    span = f'<w:gridSpan w:val="{columns}"/>' if columns > 1 else ""
    down = "" if merge is None else f'<w:vMerge w:val="{merge}"/>' if merge else "<w:vMerge/>"
    return f"<w:tc><w:tcPr>{span}{down}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"


def test_docx_spans():
    rows = [
        [("区分", 1, "restart"), ("役職", 1, "restart"), ("日当", 2)],
        [("", 1, ""), ("", 1, ""), ("日帰り",), ("宿泊",)],
        [("国内", 1, "restart"), ("部長",), ("1千円",), ("3千円",)],
        [("", 1, ""), ("課長",), ("1千円",), ("2千円",)],
        [("海外",), ("部長",), ("なし", 2)],
    ]
    table = "".join(f"<w:tr>{''.join(docx_cell(*cell) for cell in row)}</w:tr>" for row in rows)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        body = f"<w:document {W}><w:body><w:tbl>{table}</w:tbl></w:body></w:document>"
        archive.writestr("word/document.xml", body)
    assert blocks(read_docx(file.getvalue(), "a.docx")) == WANTED


def test_pptx_spans():
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(5, 4, 0, 0, 100, 100).table
    for (top, left), (bottom, right) in [
        ((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 2), (0, 3)), ((2, 0), (3, 0)), ((4, 2), (4, 3)),
    ]:  # fmt: skip
        table.cell(top, left).merge(table.cell(bottom, right))
    for row, texts in enumerate(GRID):
        for column, text in enumerate(texts):
            if text:
                table.cell(row, column).text = text
    file = io.BytesIO()
    show.save(file)
    assert blocks(read_pptx(file.getvalue(), "a.pptx")) == WANTED


GRID = [
    ["区分", "役職", "日当", None],
    [None, None, "日帰り", "宿泊"],
    ["国内", "部長", "1千円", "3千円"],
    [None, "課長", "1千円", "2千円"],
    ["海外", "部長", "なし", None],
]


def saved(book):
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_xlsx_merged_cells():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "旅費 & 日当"
    sheet.append(["2026年度 旅費", None, None, None])
    sheet.append([])
    for row in GRID:
        sheet.append(row)
    for cells in ("A1:D1", "A3:A4", "B3:B4", "C3:D3", "A5:A6", "C7:D7"):
        sheet.merge_cells(cells)
    (section,) = read_xlsx(saved(book), "a.xlsx")
    assert section.headings == ("旅費 & 日当", "2026年度 旅費")
    assert blocks([section]) == WANTED


def test_xlsx_shapes_have_texts():
    """As Excel writes a text box; openpyxl neither reads nor writes one."""
    book = openpyxl.Workbook()
    book.active.title = "流れ"
    book.active.append(["手順"])
    file = io.BytesIO(saved(book))
    drawing = (
        '<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><xdr:twoCellAnchor>'
        "<xdr:sp><xdr:txBody><a:p><a:r><a:t>部長が</a:t></a:r><a:r><a:t>承認する</a:t></a:r></a:p>"
        "<a:p><a:r><a:t>3日以内</a:t></a:r></a:p></xdr:txBody></xdr:sp><xdr:sp/>"
        "</xdr:twoCellAnchor></xdr:wsDr>"
    )
    related = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Target="../drawings/drawing1.xml"/></Relationships>'
    )
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/drawings/drawing1.xml", drawing)
        archive.writestr("xl/worksheets/_rels/sheet1.xml.rels", related)
    sections = read_xlsx(file.getvalue(), "a.xlsx")
    assert [(s.headings, s.text) for s in sections] == [
        (("流れ",), "手順"),
        (("流れ",), "部長が承認する\n3日以内"),
    ]


def test_xlsx_numbers_have_their_units():
    book = openpyxl.Workbook()
    book.active.append(["税率", "価格", "社員番号", "率"])
    book.active.append([0.08, 12800, 123, True])
    for place, format in (("A2", "0%"), ("B2", '#,##0"円"'), ("C2", "00000"), ("D2", "0%")):
        book.active[place].number_format = format
    (section,) = read_xlsx(saved(book), "a.xlsx")
    assert section.text == "税率: 8%、価格: 12,800円、社員番号: 00123、率: TRUE"


@pytest.mark.parametrize(
    ("value", "format", "shown"),
    [
        (0.125, "0.0%", "12.5%"),
        (-12800, "[$¥-411]#,##0;[Red]-[$¥-411]#,##0", "-¥12,800"),
        (1500, "#,##0_);(#,##0)", "1,500"),
        (3.5, '0.0"時間"', "3.5時間"),
        (12345000, '#,##0,"千円"', "12,345千円"),
        (7, '0"人 (2026)"', "7人 (2026)"),
        (3, "第0条", "第3条"),
        (1, '"🎉"0', "🎉1"),
        (3.0, "General", "3"),
        (0.1, "General", "0.1"),
        (46000, "yyyy/m/d", "2025/12/9"),
        (1e9, "0.00E+00", "1.00E+09"),
        (0.5, "# ?/?", "1/2"),
        (5, '[>=100]0"多";0"少"', "5少"),
    ],
)
def test_number_formats(value, format, shown):
    assert shown_number(value, format) == shown


def test_a_head_of_one_row_and_rows_of_one_cell():
    rows = [
        [Cell("旅費", 3)],
        [Cell("区分"), Cell("役職"), Cell("日当")],
        [Cell("国内の場合", 3)],
        [Cell("国内", rows=3), Cell("部長"), Cell("3千円")],
        # All of it goes on from above.
        [],
        [Cell("課長"), Cell("2千円")],
    ]
    assert spanned_rows(rows) == [
        "旅費",
        "区分: 国内の場合",
        "区分: 国内、役職: 部長、日当: 3千円",
        "区分: 国内、役職: 課長、日当: 2千円",
    ]


def test_tables_without_rows_or_columns():
    assert spanned_rows([]) == []
    assert spanned_rows([[]]) == []
    assert spanned_rows([[Cell("一つ")]]) == ["一つ"]
    # No head where the first rows are all there is.
    assert spanned_rows(
        [[Cell("総務", rows=2), Cell("人", columns=2)], [Cell("a"), Cell("b")]]
    ) == ["総務: 総務、人: a、人: b"]
