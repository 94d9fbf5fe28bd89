"""Sheets as offices draw them: forms, graph paper, several tables, heads of several rows."""

import io
import time

import openpyxl
import pytest
from openpyxl.styles import Border, PatternFill, Side

from langchain_swallow.documents.readers.xlsx import read_xlsx
from tests.support.drawn_sheets import drawn_sheets, right_facts

THIN = Side(style="thin")


def rule(sheet, area):
    """Draw a box around an area, as on graph paper."""
    cells = sheet[area]
    rows = cells if isinstance(cells, tuple) else ((cells,),)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            cell.border = Border(
                left=THIN if j == 0 else cell.border.left,
                right=THIN if j == len(row) - 1 else cell.border.right,
                top=THIN if i == 0 else cell.border.top,
                bottom=THIN if i == len(rows) - 1 else cell.border.bottom,
            )


def fill(sheet, *places):
    for place in places:
        sheet[place].fill = PatternFill("solid", fgColor="DDDDDD")


def sheet_of(cells, *, merged=(), boxes=(), filled=()):
    book = openpyxl.Workbook()
    sheet = book.active
    for place, value in cells.items():
        sheet[place] = value
    for area in boxes:
        rule(sheet, area)
    fill(sheet, *filled)
    for area in merged:
        sheet.merge_cells(area)
    return book


def read(book):
    file = io.BytesIO()
    book.save(file)
    return read_xlsx(file.getvalue(), "a.xlsx")


def lines(book):
    return [line for section in read(book) for line in section.text.split("\n\n")]


def test_boxes_of_graph_paper_are_found_by_their_rules():
    """No cell is merged, and the reason has two lines in a box of three rows."""
    book = sheet_of(
        {
            "A1": "搭乗便", "D1": "NH123", "I1": "座席", "L1": "12A",
            "A2": "理由", "D2": "急な商談のため。", "D3": "翌日に戻る。",
        },
        boxes=["A1:C1", "D1:H1", "I1:K1", "L1:P1", "A2:C4", "D2:P4"],
    )  # fmt: skip
    assert lines(book) == ["搭乗便: NH123、座席: 12A", "理由: 急な商談のため。\n翌日に戻る。"]


def test_a_value_in_many_cells_of_one_box_is_one_value():
    book = sheet_of(
        {"A1": "期間", "D1": "令和", "E1": 7, "F1": "年", "G1": 4, "H1": "月", "I1": "～",
         "J1": "翌月", "A2": "備考", "D2": "なし"},
        boxes=["A1:C1", "D1:J1", "A2:C2", "D2:J2"],
    )  # fmt: skip
    assert lines(book) == ["期間: 令和7年4月～翌月", "備考: なし"]


def test_fields_of_a_group_have_its_name():
    book = sheet_of(
        {"A1": "連絡先", "B1": "昼", "C1": "本社", "B2": "夜", "C2": "自宅"},
        merged=["A1:A2"], boxes=["A1:A2", "B1", "C1", "B2", "C2"],
        filled=["A1", "A2", "B1", "B2"],
    )  # fmt: skip
    assert lines(book) == ["連絡先 昼: 本社", "連絡先 夜: 自宅"]


def test_a_value_that_spans_rows_is_written_once():
    book = sheet_of(
        {"A1": "甲", "B1": "い", "C1": "長い説明。", "A2": "乙", "B2": "ろ"},
        merged=["C1:C2"], filled=["A1", "A2"],
    )  # fmt: skip
    assert "\n".join(lines(book)).count("長い説明。") == 1


def test_frames_side_by_side_are_read_one_after_the_other():
    """The boxes for seals are beside a form of other rows."""
    book = sheet_of(
        {"A1": "件名", "B1": "更新", "F1": "課長", "G1": "部長", "A2": "期日", "B2": "4月末",
         "F2": "佐藤", "G2": "鈴木", "A3": "備考", "B3": "特になし"},
        boxes=["A1", "B1", "A2", "B2", "A3", "B3", "F1", "G1", "F2", "G2"],
        filled=["A1", "A2", "A3", "F1", "G1"],
    )  # fmt: skip
    assert lines(book) == [
        "件名: 更新", "期日: 4月末", "備考: 特になし", "課長: 佐藤、部長: 鈴木",
    ]  # fmt: skip


@pytest.mark.parametrize("merged", [["B1:C1", "D1:E1"], []], ids=["merged", "not merged"])
def test_heads_of_two_rows(merged):
    book = sheet_of(
        {"B1": "4月", "D1": "5月", "A2": "科目", "B2": "予算", "C2": "実績", "D2": "予算",
         "E2": "実績", "A3": "旅費", "B3": 1, "C3": 22, "D3": 333, "E3": 4444},
        merged=merged,
    )  # fmt: skip
    assert lines(book) == ["科目: 旅費、4月 予算: 1、4月 実績: 22、5月 予算: 333、5月 実績: 4444"]


def test_totals_at_the_right_have_their_own_names():
    book = sheet_of(
        {"A1": "品名", "B1": "数量", "C1": "金額", "A2": "机", "B2": 2, "C2": 18000, "A3": "椅子",
         "B3": 4, "C3": 20000, "B4": "小計", "C4": 38000, "B5": "消費税", "C5": 3800}
    )  # fmt: skip
    assert lines(book)[2:] == ["小計: 38000", "消費税: 3800"]


def test_tables_that_touch_are_two():
    book = sheet_of(
        {"A1": "区分", "B1": "金額", "A2": "大人", "B2": 900, "A3": "子供", "B3": 450,
         "A4": "会場", "B4": "担当", "A5": "札幌", "B5": "佐藤", "A6": "仙台", "B6": "鈴木"},
        filled=["A1", "B1", "A4", "B4"],
    )  # fmt: skip
    assert lines(book) == [
        "区分: 大人、金額: 900", "区分: 子供、金額: 450", "会場: 札幌、担当: 佐藤",
        "会場: 仙台、担当: 鈴木",
    ]  # fmt: skip


def test_a_form_in_two_columns_without_marks_is_no_table():
    """Its values are of several kinds, where a table's column has one."""
    book = sheet_of(
        {"A1": "納入場所", "B1": "福岡倉庫", "C1": "社員番号", "D1": "B-5961",
         "A2": "起案部門", "B2": "札幌工場", "C2": "割増", "D2": "94%",
         "A3": "所属", "B3": "那覇支店", "C3": "主査", "D3": "山本"},
    )  # fmt: skip
    assert lines(book) == [
        "納入場所: 福岡倉庫、社員番号: B-5961", "起案部門: 札幌工場、割増: 94%",
        "所属: 那覇支店、主査: 山本",
    ]  # fmt: skip


def test_names_that_no_list_has_are_found_by_the_fields_above():
    book = sheet_of(
        {"A1": "物件名", "B1": "青空ビル", "C1": "所在地", "D1": "港区", "A2": "交通",
         "B2": "徒歩5分", "C2": "構造", "D2": "RC造", "A3": "面積", "B3": "120㎡",
         "C3": "賃料", "D3": "50万円"},
        boxes=[f"{column}{row}" for row in (1, 2, 3) for column in "ABCD"],
    )  # fmt: skip
    assert lines(book)[1:] == ["交通: 徒歩5分、構造: RC造", "面積: 120㎡、賃料: 50万円"]


def test_a_title_and_its_unit_above_a_frame():
    book = sheet_of(
        {"A1": "人員", "C1": "単位：人", "A2": "部署", "B2": "男", "C2": "女", "A3": "本社",
         "B3": 1, "C3": 2},
        boxes=[f"{column}{row}" for row in (2, 3) for column in "ABC"],
    )  # fmt: skip
    assert [(s.headings[1:], s.text) for s in read(book)] == [
        (("人員", "単位：人"), "部署: 本社、男: 1、女: 2")
    ]


def test_a_table_inside_a_form_has_the_name_of_its_field():
    book = sheet_of(
        {"A1": "件名", "B1": "更新の件", "A2": "内訳", "B2": "費目", "C2": "額", "B3": "機器",
         "C3": "1,200円", "B4": "作業", "C4": "300円"},
        merged=["B1:C1", "A2:A4"],
        boxes=["A1", "B1:C1", "A2:A4", "B2", "C2", "B3", "C3", "B4", "C4"],
    )  # fmt: skip
    assert lines(book) == [
        "件名: 更新の件", "内訳、費目: 機器、額: 1,200円", "内訳、費目: 作業、額: 300円",
    ]  # fmt: skip


def test_a_cross_table_has_no_name_at_its_corner():
    book = sheet_of({"B1": "東京", "C1": "大阪", "A2": "昼", "B2": 1, "C2": 2})
    assert lines(book) == ["昼、東京: 1、大阪: 2"]


def test_units_are_joined_to_their_numbers():
    book = sheet_of(
        {"A1": "項目", "B1": "料金", "D1": "備考", "A2": "基本", "B2": 1000, "C2": "円",
         "D2": "税込"},
        merged=["B1:C1"],
    )  # fmt: skip
    assert lines(book) == ["項目: 基本、料金: 1000円、備考: 税込"]


def test_sections_of_a_form_are_headings():
    book = sheet_of(
        {"A1": "■ 申請者", "A2": "所属", "B2": "営業部", "A3": "■ 内容", "A4": "用途",
         "B4": "出張"}
    )  # fmt: skip
    assert [(s.headings[1:], s.text) for s in read(book)] == [
        (("■ 申請者",), "所属: 営業部"), (("■ 内容",), "用途: 出張"),
    ]  # fmt: skip


def test_texts_in_a_column_of_values_do_not_begin_a_table():
    book = sheet_of(
        {"A1": "プラン", "B1": "月額", "C1": "年額", "A2": "個人", "B2": "500円", "C2": "5千円",
         "A3": "法人", "B3": "応相談", "C3": "応相談", "A4": "学校", "B4": "無料", "C4": "無料"}
    )  # fmt: skip
    assert lines(book)[1:] == [
        "プラン: 法人、月額: 応相談、年額: 応相談", "プラン: 学校、月額: 無料、年額: 無料",
    ]  # fmt: skip


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted():
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["品名", "原価", "価格"], ["机", 300, 900], ["椅子", 200, 500], ["棚", 100, 800]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["B"].hidden = True
    book.create_sheet("控え").append(["下書き"])
    book["控え"].sheet_state = "hidden"
    found = read(book)
    assert [section.text for section in found] == ["品名: 机、価格: 900\n\n品名: 棚、価格: 800"]
    counts = {part.reason.split(";")[0]: (part.page, part.count) for part in found.left_out}
    assert counts == {
        "hidden row with texts": (1, 1),
        "hidden column with texts": (1, 1),
        "hidden sheet": (2, 1),
    }
    assert all(part.is_loss for part in found.left_out)


def test_a_merged_text_that_begins_in_a_hidden_row_is_shown_below():
    book = sheet_of({"A1": "題", "A4": "本文"}, merged=["A1:C2"])
    book.active.row_dimensions[1].hidden = True
    assert [(s.headings[1:], s.text) for s in read(book)] == [((), "題\n\n本文")]


def test_a_sheet_of_many_columns_is_read_in_time():
    book = openpyxl.Workbook()
    book.active.append([f"列{i}" for i in range(8000)])
    book.active.append([f"{i}円" for i in range(8000)])
    begun = time.process_time()
    (line,) = lines(book)
    assert line.endswith("列7999: 7999円")
    assert time.process_time() - begun < 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_drawn_sheets_are_read_rightly(seed):
    """At least 95% of the values have their names, and no line is written twice."""
    right = []
    for sheet in drawn_sheets(seed=seed):
        found = [
            line
            for section in read_xlsx(sheet.data, "a.xlsx")
            for line in [*section.headings[1:], *section.text.split("\n\n")]
        ]
        repeated = [line for line in found if found.count(line) > 1 and "単位" not in line]
        assert not repeated, (sheet.kind, repeated)
        right += right_facts(sheet, found)
    assert sum(right) >= 0.95 * len(right)
