"""Which cells of a table name the others, in every format; and that no name is lost."""

import csv
import io
import zipfile

import openpyxl
import pptx
import pytest

from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows
from langchain_swallow.documents.readers.table_rows import table_rows

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def as_html(rows, mark="td"):
    lines = "".join(f"<tr>{''.join(f'<{mark}>{c}</{mark}>' for c in row)}</tr>" for row in rows)
    return f"<table>{lines}</table>".encode(), "a.html"


def as_markdown(rows):
    first, *body = ["|" + "|".join(row) + "|" for row in rows]
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([first, rule, *body]).encode(), "a.md"


def as_csv(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode(), "a.csv"


def as_xlsx(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([cell or None for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue(), "a.xlsx"


def as_docx(rows):
    cells = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    lines = "".join(f"<w:tr>{''.join(map(cells.format, row))}</w:tr>" for row in rows)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        body = f"<w:document {W}><w:body><w:tbl>{lines}</w:tbl></w:body></w:document>"
        archive.writestr("word/document.xml", body)
    return file.getvalue(), "a.docx"


def as_pptx(rows):
    show = pptx.Presentation()
    shapes = show.slides.add_slide(show.slide_layouts[6]).shapes
    table = shapes.add_table(len(rows), len(rows[0]), 0, 0, 100, 100).table
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            table.cell(i, j).text = text
    file = io.BytesIO()
    show.save(file)
    return file.getvalue(), "a.pptx"


FORMATS = [as_html, as_markdown, as_csv, as_xlsx, as_docx, as_pptx]


def blocks(written):
    (content,) = read_content(*written)
    return [block for section in content.sections for block in section.text.split("\n\n")]


# Names and values

LAYOUTS = {
    "company": (
        [["会社名", "青空製作所"], ["代表者", "山田太郎"], ["資本金", "1,000万円"]],
        ["会社名: 青空製作所", "代表者: 山田太郎", "資本金: 1,000万円"],
    ),
    "two rows": (
        [["氏名", "山田太郎"], ["住所", "東京都港区"]],
        ["氏名: 山田太郎", "住所: 東京都港区"],
    ),
    "value beside the first name": (
        [["資本金", "1,000万円"], ["従業員数", "35名"]],
        ["資本金: 1,000万円", "従業員数: 35名"],
    ),
    "form of four columns": (
        [["氏名", "山田太郎", "部署", "営業部"], ["電話", "03-1234-5678", "役職", "課長"]],
        ["氏名: 山田太郎、部署: 営業部", "電話: 03-1234-5678、役職: 課長"],
    ),
    "columns": (
        [["品名", "価格"], ["机", "900円"], ["椅子", "500円"]],
        ["品名: 机、価格: 900円", "品名: 椅子、価格: 500円"],
    ),
    "columns of words": (
        [["氏名", "役職"], ["山田", "部長"], ["鈴木", "課長"]],
        ["氏名: 山田、役職: 部長", "氏名: 鈴木、役職: 課長"],
    ),
    "names of items and contents": (
        [["項目", "内容"], ["会社名", "青空製作所"], ["代表者", "山田太郎"]],
        ["項目: 会社名、内容: 青空製作所", "項目: 代表者、内容: 山田太郎"],
    ),
    "names of rows and columns": (
        [["拠点", "4月", "5月"], ["東京", "10", "20"], ["大阪", "30", "40"]],
        ["拠点: 東京、4月: 10、5月: 20", "拠点: 大阪、4月: 30、5月: 40"],
    ),
    "a column without values": (
        [["品名", "価格", "備考"], ["机", "900円", ""], ["椅子", "500円", ""]],
        ["品名: 机、価格: 900円", "品名: 椅子、価格: 500円", "空欄の列: 備考"],
    ),
    "head only": ([["氏名", "所属", "内線"]], ["氏名、所属、内線"]),
    "form to fill in": ([["氏名", "所属", "内線"], ["", "", ""]], ["氏名、所属、内線"]),
    "labels to fill in": ([["氏名", ""], ["住所", ""]], ["氏名", "住所"]),
    "pairs to fill in": (
        [["氏名", "", "所属", ""], ["住所", "", "電話", ""]],
        ["氏名、所属", "住所、電話"],
    ),
}


@pytest.mark.parametrize("written", FORMATS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("rows", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_values_stand_beside_their_own_names_in_every_format(written, rows, expected):
    assert blocks(written(rows)) == expected


@pytest.mark.parametrize("written", [as_html, as_xlsx, as_docx], ids=lambda f: f.__name__)
def test_two_columns_without_a_sign_are_told_by_row(written):
    """Whether 東京 is a name or a value, it belongs to 山田."""
    rows = [["山田", "東京"], ["鈴木", "大阪"]]
    assert blocks(written(rows)) == ["山田: 東京", "鈴木: 大阪"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "<tr><th>会社名<td>青空製作所<tr><th>代表<td>山田太郎",
            ["会社名: 青空製作所", "代表: 山田太郎"],
        ),
        (
            "<tr><th>甲<td>1<th>乙<td>2<tr><th>丙<td>3<th>丁<td>",
            ["甲: 1、乙: 2", "丙: 3、丁"],
        ),
        ("<tr><th>甲<th>乙<tr><td>い<td>ろ", ["甲: い、乙: ろ"]),
        ("<tr><td><th>甲<th>乙<tr><th>い<td>1<td>2", ["い、甲: 1、乙: 2"]),
        ("<tr><th>甲<td><tr><th>乙<td>", ["甲", "乙"]),
        (
            "<tr><th rowspan=2>本社<th>住所<td>東京<tr><th>階<td>3",
            ["本社 住所: 東京", "本社 階: 3"],
        ),
        (
            "<tr><th>日<td>3月<tr><th>甲<th>乙<tr><td>い<td>ろ<tr><td>は<td>に",
            ["日: 3月", "甲: い、乙: ろ", "甲: は、乙: に"],
        ),
        (
            "<tr><th>甲<th>乙<tr><td>い<td>ろ<tr><th colspan=2>小計の部<tr><td>は<td>に",
            ["甲: い、乙: ろ", "小計の部", "甲: は、乙: に"],
        ),
        ("<tr><th>甲<th>乙<tr><td>い<td>1<tr><th>計<th>1", ["甲: い、乙: 1", "甲: 計、乙: 1"]),
        ("<tr><th>甲<th>乙<tr><td><td>", ["甲、乙"]),
        (
            "<tr><th>甲<th>乙<tr><th colspan=2>関東<tr><td>い<td>ろ",
            ["関東", "甲: い、乙: ろ"],
        ),
        ("<tr><td>案内<tr><td>本文", ["案内", "本文"]),
        ("<tr><th>備考<tr><td>本文", ["備考: 本文"]),
    ],
    ids=[
        "rows", "pairs", "columns", "both", "empty form", "groups", "form over a table",
        "group row", "marked total", "empty rows", "group below the head", "box of text",
        "one column",
    ],
)  # fmt: skip
def test_html_marks_its_names(table, expected):
    assert blocks((f"<table>{table}</table>".encode(), "a.html")) == expected


def test_no_cell_of_a_wide_table_is_lost():
    rows = [[Cell(f"名{i}") for i in range(300)], [Cell(f"{i}.5") for i in range(300)]]
    assert spanned_rows(rows)[0].count("、") == 299


def test_a_value_over_columns_of_one_name_is_said_once():
    """As sheets of graph paper are merged: every name and value over many narrow columns."""
    rows = [
        [Cell("品名", columns=4), Cell("価格", columns=3)],
        [Cell("机", columns=4), Cell("900円", columns=3)],
        [Cell("椅子", columns=4), Cell("500円", columns=3)],
    ]
    assert spanned_rows(rows) == ["品名: 机、価格: 900円", "品名: 椅子、価格: 500円"]


def test_a_csv_is_not_read_as_pairs_without_clear_signs():
    assert table_rows([["甲", "乙"], ["い", "ろ"]]) == ["甲: い、乙: ろ"]
    assert table_rows([["text"], ["一行目"], ["二行目"]]) == ["text: 一行目", "text: 二行目"]


def test_rows_longer_than_the_head_keep_their_values():
    assert table_rows([["品名"], ["机", "白", "大"]]) == ["品名: 机、白、大"]
    assert table_rows([["品名", "色", "大きさ"], ["机", "白"]])[0] == "品名: 机、色: 白"
