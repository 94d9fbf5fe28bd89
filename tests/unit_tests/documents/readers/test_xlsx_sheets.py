"""Sheets as programs write them: where cells are, what they hold, and which tables they make."""

import io
import time
import zipfile
from datetime import date

import openpyxl
import pytest
import xlsxwriter
from openpyxl.styles import Font, PatternFill

from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.errors import DocumentError

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def saved(book):
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def book_of(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return book


def changed(data, change, **parts):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for part in old.namelist():
            new.writestr(part, change(part, old.read(part).decode()))
        for part, content in parts.items():
            new.writestr(part, content)
    return file.getvalue()


def with_sheet(xml, strings=""):
    """A workbook whose sheet is written by hand."""

    def change(part, content):
        if part.endswith("sheet1.xml"):
            return f'<worksheet xmlns="{MAIN}">{xml}</worksheet>'
        return content

    shared = f'<sst xmlns="{MAIN}">{strings}</sst>'
    return changed(saved(book_of()), change, **{"xl/sharedStrings.xml": shared})


def blocks(data):
    return [block for section in read_xlsx(data, "a.xlsx") for block in section.text.split("\n\n")]


def told(data):
    return [(s.headings[1:], s.text.split("\n\n")) for s in read_xlsx(data, "a.xlsx")]


# Where cells are


@pytest.mark.parametrize(
    "dimension",
    [
        '<dimension ref="A1"/>', '<dimension ref="A1:XFD1048576"/>', '<dimension ref="C9:D10"/>',
        '<dimension ref=""/>', '<dimension ref="x"/>', "",
    ],
    ids=["one cell", "all cells", "elsewhere", "empty", "no range", "none"],
)  # fmt: skip
def test_what_a_sheet_says_of_its_size_does_not_matter(dimension):
    data = changed(
        saved(book_of(["品名", "単価"], ["机", 12800])),
        lambda _, content: content.replace('<dimension ref="A1:B2"/>', dimension),
    )
    assert blocks(data) == ["品名: 机、単価: 12800"]


@pytest.mark.parametrize(
    "rows",
    [
        "<row><c t='str'><v>品名</v></c><c t='str'><v>単価</v></c></row>"
        "<row><c t='str'><v>机</v></c><c><v>900</v></c></row>",
        "<row r='5'><c r='C5' t='str'><v>品名</v></c><c t='str'><v>単価</v></c></row>"
        "<row><c r='C6' t='str'><v>机</v></c><c><v>900</v></c></row>",
        "<row r='1'><c r='XFC1' t='str'><v>品名</v></c><c r='XFD1' t='str'><v>単価</v></c></row>"
        "<row r='2'><c r='XFC2' t='str'><v>机</v></c><c r='XFD2'><v>900</v></c></row>",
    ],
    ids=["no places", "some places", "last columns"],
)
def test_cells_without_a_place_follow_each_other(rows):
    assert blocks(with_sheet(f"<sheetData>{rows}</sheetData>")) == ["品名: 机、単価: 900"]


def test_a_sheet_that_claims_all_cells_is_read_at_once():
    """A cell in each corner, and a merged area over everything between."""
    cells = (
        "<sheetData><row r='1'><c r='A1' t='str'><v>最初</v></c></row><row r='1048576'>"
        "<c r='XFD1048576' t='str'><v>最後</v></c></row></sheetData>"
        "<mergeCells><mergeCell ref='A1:XFD1048575'/></mergeCells>"
    )
    assert blocks(with_sheet(cells)) == ["最初", "最後"]


def test_a_text_in_every_cell_is_refused_where_it_fills_the_memory():
    cells = "".join(f"<row r='{i}'><c t='s'><v>0</v></c></row>" for i in range(1, 400))
    data = with_sheet(f"<sheetData>{cells}</sheetData>", f"<si><t>{'長' * 1_000_000}</t></si>")
    with pytest.raises(DocumentError, match="characters on a sheet"):
        read_xlsx(data, "a.xlsx")


# What cells hold


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<c r='A1' t='s'><v>0</v></c>", "東京本社"),
        ("<c r='A1' t='s'><v>1</v></c>", "行\n次"),
        ("<c r='A1' t='s'><v>99</v></c>", None),
        ("<c r='A1' t='inlineStr'><is><t>直接</t></is></c>", "直接"),
        ("<c r='A1' t='inlineStr'><is><r><t>二</t></r><r><t>つ</t></r></is></c>", "二つ"),
        ("<c r='A1' t='b'><v>1</v></c>", "TRUE"),
        ("<c r='A1' t='e'><v>#N/A</v></c>", "#N/A"),
        ("<c r='A1' t='d'><v>2025-04-01T00:00:00</v></c>", "2025-04-01"),
        ("<c r='A1' t='str'><f>A2</f><v></v></c>", None),
        ("<c r='A1' t='str'><f>A2</f><v>式の値</v></c>", "式の値"),
        ("<c r='A1'><f>1+1</f><v>2</v></c>", "2"),
        ("<c r='A1'><f>SUM(B1:B9)</f></c>", "（未計算: =SUM(B1:B9)）"),
        ("<c r='A1'><f>_xlfn.CONCAT(B1)</f><v/></c>", "（未計算: =CONCAT(B1)）"),
        ("<c r='A1'><f t='shared' si='0'/></c>", "（未計算）"),
        ("<c r='A1'><v>abc</v></c>", "abc"),
        ("<c r='A1' s='999'><v>5</v></c>", "5"),
        ("<c r='A1'/>", None),
    ],
)
def test_what_a_cell_shows(cell, text):
    strings = (
        "<si><r><rPr><b/></rPr><t>東京</t></r><r><t>本社</t></r>"
        "<rPh sb='0' eb='2'><t>トウキョウ</t></rPh><phoneticPr/></si>"
        "<si><t>行_x000D_\n次</t></si>"
    )
    file = with_sheet(f"<sheetData><row r='1'>{cell}</row></sheetData>", strings)
    assert blocks(file) == ([] if text is None else [text])


def test_formulas_that_were_never_computed_are_shown_and_reported():
    book = book_of(["品名", "数", "小計"], ["机", 2, "=B2*100"], ["椅子", 3, "=B3*100"])
    read = read_xlsx(saved(book), "a.xlsx")
    assert blocks(saved(book)) == [
        "品名: 机、数: 2、小計: （未計算: =B2*100）",
        "品名: 椅子、数: 3、小計: （未計算: =B3*100）",
    ]
    ((reason, page, count, is_loss),) = [
        (part.reason, part.page, part.count, part.is_loss) for part in read.left_out
    ]
    assert reason.startswith("formula without a stored value")
    assert (page, count, is_loss) == (1, 2, True)


def test_zeros_that_xlsxwriter_stores_for_formulas_are_no_values():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["数", "小計", "合計"])
        sheet.write_row(1, 0, [0, "=A2*100"])
        sheet.write_formula(1, 2, "=A2+5", value=5)
    assert blocks(file.getvalue()) == ["数: 0、小計: （未計算: =A2*100）、合計: 5"]


# Which tables they make


LAYOUTS = {
    "two titles": (
        [["令和7年度予算"], ["令和7年4月1日現在"], ["款", "項", "金額"], ["総務費", "管理費", 100]],
        [(("令和7年度予算", "令和7年4月1日現在"), ["款: 総務費、項: 管理費、金額: 100"])],
    ),
    "unit at the right": (
        [["予算"], [None, None, "（単位：円）"], ["款", "項", "金額"], ["総務費", "管理費", 100]],
        [(("予算", "（単位：円）"), ["款: 総務費、項: 管理費、金額: 100"])],
    ),
    "title and unit in a row": (
        [["予算", None, None, "単位：円"], ["款", "項", "目", "金額"], ["総務", "管理", "一般", 1]],
        [(("予算", "単位：円"), ["款: 総務、項: 管理、目: 一般、金額: 1"])],
    ),
    "second table with a title": (
        [["拠点", "一月", "二月"], ["東京", 1, 2], [], ["人員表"], ["氏名", "役職"],
         ["山田", "部長"]],
        [((), ["拠点: 東京、一月: 1、二月: 2"]), (("人員表",), ["氏名: 山田、役職: 部長"])],
    ),
    "second table without a title": (
        [["拠点", "一月"], ["東京", 1], ["大阪", 2], [], ["氏名", "役職"], ["山田", "部長"]],
        [((), ["拠点: 東京、一月: 1", "拠点: 大阪、一月: 2", "氏名: 山田、役職: 部長"])],
    ),
    "wider table below": (
        [["拠点", "一月"], ["東京", 1], ["大阪", 2], [], ["氏名", "役職", "内線"],
         ["山田", "部長", 12]],
        [((), ["拠点: 東京、一月: 1", "拠点: 大阪、一月: 2", "氏名: 山田、役職: 部長、内線: 12"])],
    ),
    "goes on behind a blank row": (
        [["品名", "価格"], ["机", 900], [], ["椅子", 500]],
        [((), ["品名: 机、価格: 900", "品名: 椅子、価格: 500"])],
    ),
    "groups behind blank rows": (
        [["拠点", "担当", "売上"], [], ["関東"], ["東京", "山田", 10], [], ["関西"],
         ["大阪", "森", 20]],
        [((), ["拠点: 関東", "拠点: 東京、担当: 山田、売上: 10", "拠点: 関西",
               "拠点: 大阪、担当: 森、売上: 20"])],
    ),
    "notes below": (
        [["品名", "価格"], ["机", 900], ["※ 消費税を含む。"], [], ["以上のとおり報告する。"]],
        [((), ["品名: 机、価格: 900", "※ 消費税を含む。", "以上のとおり報告する。"])],
    ),
    "side by side": (
        [["氏名", "部署", None, "氏名", "部署"], ["山田", "営業", None, "鈴木", "総務"]],
        [((), ["氏名: 山田、部署: 営業", "氏名: 鈴木、部署: 総務"])],
    ),
    "side by side with titles": (
        [["人員", None, None, "売上"], ["氏名", "役職", None, "月", "額"],
         ["山田", "部長", None, "4月", 9]],
        [(("人員",), ["氏名: 山田、役職: 部長"]), (("売上",), ["月: 4月、額: 9"])],
    ),
    "side by side, one longer": (
        [["氏名", "役職", None, "月", "額"], ["山田", "部長", None, "4月", 9], ["鈴木", "課長"]],
        [((), ["氏名: 山田、役職: 部長", "氏名: 鈴木、役職: 課長", "月: 4月、額: 9"])],
    ),
    "a blank column in a table": (
        [["品名", None, "価格"], ["机", None, 900]],
        [((), ["品名: 机、価格: 900"])],
    ),
    "a slip above its items": (
        [["請求書"], ["発行日", date(2025, 4, 1)], [], ["品名", "数", "金額"], ["机", 2, 1800]],
        [(("請求書",), ["発行日: 2025-04-01"]), ((), ["品名: 机、数: 2、金額: 1800"])],
    ),
    "an estimate, its date beside the customer": (
        [["株式会社青空 御中", None, "2025年4月1日"], [], ["合計金額", 110000]],
        [((), ["株式会社青空 御中、2025年4月1日", "合計金額: 110000"])],
    ),
    "a column of notes": (
        [["この表は毎月更新する。"], ["担当は総務部である。"]],
        [((), ["この表は毎月更新する。", "担当は総務部である。"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_tables_of_a_sheet(rows, expected):
    assert told(saved(book_of(*rows))) == expected


def relating(old, new):
    """A workbook whose relations name its sheet otherwise."""

    def change(part, content):
        return content.replace(old, new) if part.endswith("workbook.xml.rels") else content

    return changed(saved(book_of(["品名"])), change)


def test_folders_inside_the_file_may_be_written_as_windows_does():
    assert blocks(relating("worksheets/sheet1", "worksheets\\sheet1")) == ["品名"]


def test_a_sheet_that_is_not_in_the_file_is_reported():
    (part,) = read_xlsx(relating("sheet1", "sheet9"), "a.xlsx").left_out
    assert (part.page, part.is_loss) == (1, True)
    assert "does not have" in part.reason


def test_cells_set_apart_are_names():
    book = book_of(["甲", "い", "乙", "ろ"], ["丙", "は", "丁", "に"])
    for place in ("A1", "C1", "A2", "C2"):
        book.active[place].fill = PatternFill("solid", fgColor="DDDDDD")
    assert blocks(saved(book)) == ["甲: い、乙: ろ", "丙: は、丁: に"]


def test_a_bold_total_is_no_head_and_a_bold_head_is_one():
    book = book_of(["甲", "乙"], ["い", "ろ"], ["計", "は"])
    for place in ("A1", "B1", "A3", "B3"):
        book.active[place].font = Font(bold=True)
    assert blocks(saved(book)) == ["甲: い、乙: ろ", "甲: 計、乙: は"]


def test_merged_columns_of_graph_paper_are_said_once():
    """Each cell over five narrow columns, in every row."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row, texts in enumerate(
        (["品名", "単価", "備考"], ["机", 900, "白"], ["椅子", 500, "黒"]), 1
    ):
        for i, text in enumerate(texts):
            sheet.cell(row, 1 + 5 * i, text)
            sheet.merge_cells(
                start_row=row, end_row=row, start_column=1 + 5 * i, end_column=5 + 5 * i
            )
    assert blocks(saved(book)) == [
        "品名: 机、単価: 900、備考: 白",
        "品名: 椅子、単価: 500、備考: 黒",
    ]


@pytest.mark.slow
def test_time_grows_with_the_number_of_blank_rows():
    rows = "".join(
        f'<row r="{2 * i + 1}"><c t="inlineStr"><is><t>品{i}</t></is></c><c><v>{i}</v></c></row>'
        for i in range(30_000)
    )
    data = with_sheet(f"<sheetData>{rows}</sheetData>")
    begun = time.process_time()
    assert len(blocks(data)) > 29_000
    assert time.process_time() - begun < 10
