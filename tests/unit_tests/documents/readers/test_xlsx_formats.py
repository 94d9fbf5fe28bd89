"""Numbers and dates as Excel shows them; what is expected is what Excel shows in Japanese."""

import io
import zipfile

import openpyxl
import pytest

from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.documents.readers.xlsx_format_code import parse_format
from langchain_swallow.documents.readers.xlsx_numbers import _written, shown_number, shown_text
from langchain_swallow.documents.readers.xlsx_styles import _BUILT_IN
from langchain_swallow.documents.readers.xlsx_usual_numbers import usual_number

SHOWN = [
    (0.125, "0.0%", "12.5%"),
    (-12800, "[$¥-411]#,##0;[Red]-[$¥-411]#,##0", "-¥12,800"),
    (1500, "#,##0_);(#,##0)", "1,500"),
    (-1500, "#,##0_);(#,##0)", "(1,500)"),
    (3.5, '0.0"時間"', "3.5時間"),
    (12345000, '#,##0,"千円"', "12,345千円"),
    (7, '0"人 (2026)"', "7人 (2026)"),
    (3, "第0条", "第3条"),
    (1, '"🎉"0', "🎉1"),
    (3.0, "General", "3"),
    (0.1, "General", "0.1"),
    (46000, "yyyy/m/d", "2025/12/9"),
    (1000000000.0, "0.00E+00", "1.00E+09"),
    (0.5, "# ?/?", "1/2"),
    (5, '[>=100]0"多";0"少"', "5少"),
    (100, '[>=100]0"多";0"少"', "100多"),
    (45748, '[$-411]ggge"年"m"月"d"日"', "令和7年4月1日"),
    (45748, '[$-411]ggge"年度"', "令和7年度"),
    (1.0625, "[h]:mm", "25:30"),
    (45748, "ge.m.d", "R7.4.1"),
    (45748, "[$-411]ge.m.d;@", "R7.4.1"),
    (45748, 'yyyy"年"m"月"d"日"(aaa)', "2025年4月1日(火)"),
    (45748, "aaaa", "火曜日"),
    (45748, "[$-411]dddd", "火曜日"),
    (45748, "d-mmm-yy", "1-Apr-25"),
    (45748.4, 'h"時"mm"分"', "9時36分"),
    (45748.75, "AM/PM h:mm", "PM 6:00"),
    (0.75, '[$-411]AM/PM h"時"mm"分"', "午後 6時00分"),
    (0.0125, "mm:ss", "18:00"),
    (0.0125, "[mm]:ss", "18:00"),
    (0.5, "[ss]", "43200"),
    (0, "0;-0;;@", ""),
    (5, ";;;", "5"),
    (1234.5, "#,##0.00", "1,234.50"),
    (1234567.891, "#,##0.0#", "1,234,567.89"),
    (0.5, "#.0", ".5"),
    (5, "0.#", "5"),
    (1000033, "000-0000", "100-0033"),
    (12345678, '#,##0,,"百万円"', "12百万円"),
    (2.5, "0", "3"),
    (0.285, "0.00", "0.29"),
    (-0.2, "0", "0"),
    (-5, "0", "-5"),
    (-5, "0;[Red]△0", "△5"),
    (0, '#,##0;-#,##0;"なし"', "なし"),
    (12, "[DBNum1]General", "十二"),
    (12, "[DBNum3]0", "１２"),
    (45748, '[DBNum1][$-411]ggge"年"m"月"d"日"', "令和七年四月一日"),
    (43586, '[$-ja-JP-x-gannen]ggge"年"m"月"d"日";@', "令和元年5月1日"),
    (43585, "ggge", "平成31"),
    (32515, "ggge", "昭和64"),
    (32516, "ggge", "平成1"),
    (9856, "ggge", "昭和1"),
    (9855, "ggge", "大正15"),
    (1, "yyyy/m/d", "1900/1/1"),
    (59, "yyyy/m/d", "1900/2/28"),
    (60, "yyyy/m/d", "1900/2/29"),
    (61, "yyyy/m/d", "1900/3/1"),
    (-1, "yyyy/m/d", "-1"),
    (45748, "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", "2025年4月1日"),
    (45748, "yyyy-mm-dd h:mm:ss", "2025-04-01"),
    (45748.5, "yyyy-mm-dd h:mm:ss", "2025-04-01 12:00:00"),
    (45748, '[$-404]e"年"m"月"d"日"', "114年4月1日"),
    (45748, '[$-804]yyyy"年"m"月"', "2025年4月"),
    (1234567890123, "General", "1234567890123"),
    (0.30000000000000004, "General", "0.3"),
    (1234, '0"億"0000"万円"', "0億1234万円"),
    (31234, '0"億"0000"万円"', "3億1234万円"),
    (1234.5, "G/標準", "1234.5"),
    (0.5, "0.00;-0.00;@", "0.50"),
    (1234567, "#,##0", "1,234,567"),
    (12, "#,##0", "12"),
    (0, "#,##0", "0"),
    (0, "#,###", ""),
    (123, "0,000", "0,123"),
    (0, "# ??/??", "0"),
    (1.75, "# ??/??", "1 3/4"),
    (12345, "##0.0E+0", "12.3E+3"),
    (1.5, '0.0"％"', "1.5％"),
    (45748.999999, "yyyy/m/d h:mm", "2025/4/2"),
    (-0.5, "0.0%", "-50.0%"),
    (12800, '_ ¥* #,##0_ ;_ ¥* -#,##0_ ;_ ¥* "-"_ ;_ @_ ', "¥12,800"),
    (-12800, '_ ¥* #,##0_ ;_ ¥* -#,##0_ ;_ ¥* "-"_ ;_ @_ ', "¥-12,800"),
    (0, '_ ¥* #,##0_ ;_ ¥* -#,##0_ ;_ ¥* "-"_ ;_ @_ ', "¥-"),
    (5, "[<=9999999]###-####;(0##) ###-####", "-5"),
    (1234567, "[<=9999999]###-####;(0##) ###-####", "123-4567"),
    (45748, "m/d", "4/1"),
    (0.5, "h:mm:ss.000", "12:00:00.000"),
    (3, "@", "3"),
    (1e-09, "General", "1E-09"),
    (45748, "yyyy.mm", "2025.04"),
    (45748, "gge", "令7"),
    (45748, 'ee"年"', "07年"),
    (1, '"第"0"回"', "第1回"),
    (0.0625, 'h"時間"m"分"', "1時間30分"),
    (123456789, '#,##0.0,,"百万"', "123.5百万"),
    (2958465.5, "yyyy/m/d h:mm:ss", "9999/12/31 12:00:00"),
    # It would be the first second of the year 10000.
    (2958465.99999999, "yyyy/m/d h:mm:ss", "2958465.99999999"),
    (2958465.99999999, "ggge", "2958465.99999999"),
    (0.5, f"0.{'0' * 3000}", "0.5"),
    (12345, "[DBNum1]General", "一万二千三百四十五"),
    (10000, "[DBNum1]General", "一万"),
    (100000000, "[DBNum1]General", "一億"),
    (300200010, "[DBNum1]General", "三億二十万十"),
    (9.999, "0.0E+0", "1.0E+1"),
    (0.09996, "0.00E+00", "1.00E-01"),
    (999.96, "##0.0E+0", "1.0E+3"),
    (9.94, "0.0E+0", "9.9E+0"),
    (10**30, "#,##0.00", f"1{',000' * 10}.00"),
    (10**27, "0.0%", f"1{'0' * 29}.0%"),
]


@pytest.mark.parametrize(("value", "format", "shown"), SHOWN)
def test_a_number_is_shown_as_its_format_says(value, format, shown):
    assert shown_number(value, format) == shown


@pytest.mark.parametrize("format", sorted({*_BUILT_IN.values(), "yyyy/m/d h:mm:ss", "[s].00"}))
def test_no_number_is_too_large_or_small_to_be_shown(format):
    extremes = (5e-324, 1e-300, 0.99999999999, 59.9999999999, 2958465.99999999, 1e15, 1e25, 1e308)
    for value in extremes:
        assert shown_number(value, format)
        assert shown_number(-value, format)
        assert shown_number(value, format, is_1904=True)


@pytest.mark.parametrize(
    ("serial", "shown"),
    [
        (1, "明治33"), (4594, "明治45"), (4595, "大正1"), (9855, "大正15"), (9856, "昭和1"),
        (32515, "昭和64"), (32516, "平成1"), (43585, "平成31"), (43586, "令和1"),
    ],
)  # fmt: skip
def test_eras_change_on_their_days(serial, shown):
    assert shown_number(serial, "[$-411]ggge") == shown


def test_workbooks_may_count_from_1904():
    assert shown_number(0, "yyyy/m/d", is_1904=True) == "1904/1/1"
    assert shown_number(44286, "yyyy/m/d", is_1904=True) == "2025/4/1"
    assert shown_number(-0.5, "[h]:mm", is_1904=True) == "-12:00"


@pytest.mark.parametrize(
    ("text", "format", "shown"),
    [
        ("山田", '@"様"', "山田様"),
        ("1", '0;-0;0;"第"@"号"', "第1号"),
        ("山田", "General", "山田"),
        ("山田", "#,##0", "山田"),
        ("山田", ";;;", "山田"),
    ],
)
def test_texts_have_formats_too(text, format, shown):
    assert shown_text(text, format) == shown


@pytest.mark.parametrize("format", ["#,##0", "0", "0.00", "000", "¥#,##0.0", "0.0%", '0"円"'])
def test_the_quick_way_writes_what_the_careful_one_does(format):
    section = parse_format(format)[0]
    quick = usual_number(section)
    assert quick is not None
    for value in (0, 0.004, 0.1, 1, 1.25, 7.5, 12, 99.99, 999.999, 1234567.891, 10**9):
        assert quick(value) in ("", _written(value, section))


@pytest.mark.parametrize(
    "value", ["1E400", "-1E400", "NaN", "INF", "²", "2958465.99999999", "1" * 5000]
)
@pytest.mark.parametrize("number", [0, 1, 2, 14, 22, 46, 48])
def test_a_cell_that_has_no_such_number_shows_what_is_written(number, value):
    book = with_format(number, 123456789)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.namelist():
            new.writestr(part, old.read(part).replace(b"123456789", value.encode()))
    (section,) = read_xlsx(changed.getvalue(), "a.xlsx")
    assert section.text.startswith("項目: 改定、値: ")
    is_number = value == "2958465.99999999"
    assert is_number or section.text == f"項目: 改定、値: {value}"


def with_format(number, value):
    """A workbook whose cell names its format by number only, as Japanese Excel does."""
    book = openpyxl.Workbook()
    book.active.append(["項目", "値"])
    book.active.append(["改定", value])
    book.active["B2"].number_format = '"x"0'
    file = io.BytesIO()
    book.save(file)
    changed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.namelist():
            own = f'numFmtId="{number}" fontId'.encode()
            new.writestr(part, old.read(part).replace(b'numFmtId="164" fontId', own))
    return changed.getvalue()


BUILT_IN = {
    14: "2025/4/1", 15: "1-Apr-25", 16: "1-Apr", 17: "Apr-25", 22: "2025/4/1 18:00",
    27: "R7.4.1", 28: "令和7年4月1日", 29: "令和7年4月1日", 30: "4/1/25", 31: "2025年4月1日",
    32: "18時00分", 33: "18時00分00秒", 34: "2025年4月", 35: "4月1日", 36: "R7.4.1",
    50: "R7.4.1", 51: "令和7年4月1日", 52: "2025年4月", 53: "4月1日", 54: "令和7年4月1日",
    55: "2025年4月", 56: "4月1日", 57: "R7.4.1", 58: "令和7年4月1日",
    18: "6:00 PM", 20: "18:00", 21: "18:00:00", 46: "1097970:00:00", 1: "45749", 3: "45,749",
    4: "45,748.75", 9: "4574875%", 11: "4.57E+04", 49: "45748.75",
}  # fmt: skip


@pytest.mark.parametrize(("number", "shown"), BUILT_IN.items())
def test_formats_that_are_named_by_number(number, shown):
    (section,) = read_xlsx(with_format(number, 45748.75), "a.xlsx")
    assert section.text == f"項目: 改定、値: {shown}"
