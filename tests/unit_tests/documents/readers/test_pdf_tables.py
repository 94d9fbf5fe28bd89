"""Tables of PDFs are read row by row, each value with the name of its column."""

import pytest

from langchain_swallow.documents.readers.pdf import read_pdf
from tests.support.paper import print_pdf, write

XS, TOP, HEIGHT = (40, 140, 240, 340), 700, 20


def rule(x0, y0, x1, y1):
    return f"{x0} {y0} m {x1} {y1} l S\n"


def thin(x0, y0, x1, y1):
    """A rule as Word and Excel draw it."""
    return f"{x0} {y0} {x1 - x0 or 0.5} {y1 - y0 or 0.5} re f\n"


def grid(rows, draw=rule, without=()):
    """A ruled table; `without` has the borders to leave out: (row, column, "right" or "below")."""
    drawn = ""
    for i, row in enumerate(rows):
        top, bottom = TOP - HEIGHT * i, TOP - HEIGHT * (i + 1)
        for j, text in enumerate(row):
            left, right = XS[j], XS[j + 1]
            if i == 0:
                drawn += draw(left, top, right, top)
            if j == 0:
                drawn += draw(left, bottom, left, top)
            if (i, j, "right") not in without:
                drawn += draw(right, bottom, right, top)
            if (i, j, "below") not in without:
                drawn += draw(left, bottom, right, bottom)
            for at, line in enumerate(text.split("\n")):
                drawn += write(line, left + 3, top - 9 - 9 * at, 8) if line else ""
    return drawn


def read(drawn, lines=("次のとおり定める。",)):
    """What is read; what is drawn comes first, as it does in the file."""
    return "\n".join(s.text for s in read_pdf(print_pdf([list(lines)], drawn={0: drawn}), "a.pdf"))


HEAD = ["品名", "単価", "納期"]
ROWS = [["会議机", "12,800円", "4月1日"], ["椅子", "900円", "5月2日"]]
AS_TEXT = "品名: 会議机、単価: 12,800円、納期: 4月1日\n\n品名: 椅子、単価: 900円、納期: 5月2日"


@pytest.mark.parametrize("draw", [rule, thin])
def test_rows_of_a_ruled_table_have_the_names_of_its_columns(draw):
    assert read(grid([HEAD, *ROWS], draw)) == f"{AS_TEXT}\n\n次のとおり定める。"


def test_the_borders_at_the_sides_may_be_missing():
    sides = {(i, 2, "right") for i in range(3)}
    assert AS_TEXT in read(grid([HEAD, *ROWS], without=sides))


def test_lines_of_a_cell_are_joined():
    rows = [HEAD, ["会議\n机", "12,800\n円", "4月\n1日"], ROWS[1]]
    assert AS_TEXT in read(grid(rows))


def test_heads_and_cells_that_span_are_in_each_row():
    rows = [["拠点", "予算", ""], ["", "4月", "5月"], ["本社", "10", "20"], ["", "30", "40"]]
    without = {(0, 0, "below"), (0, 1, "right"), (2, 0, "below")}
    expected = "拠点: 本社、予算 4月: 10、予算 5月: 20\n\n拠点: 本社、予算 4月: 30、予算 5月: 40"
    assert expected in read(grid(rows, without=without))


def test_a_frame_around_text_is_no_table():
    frame = "30 600 400 150 re S\n" + write("枠の中の文である。", 40, 700)
    assert read(frame) == "枠の中の文である。\n次のとおり定める。"


@pytest.mark.parametrize("count", [12, 5])
def test_rows_of_two_columns_are_read_one_column_after_the_other(count):
    lines = [[f"{side}の行{n:02}はこの規程の目的を定め" for n in range(count)] for side in "左右"]
    drawn = "".join(
        write(text, x, TOP - 16 * n, 10)
        for n, row in enumerate(zip(*lines, strict=True))
        for x, text in zip((40, 310), row, strict=True)
    )
    columns = "".join(map("".join, lines))
    # With few lines it may as well be a table.
    assert (columns in "".join(read(drawn, ()).split())) == (count > 5)


def aligned(rows, xs=XS):
    places = [(xs[j], TOP - 16 * i, c) for i, row in enumerate(rows) for j, c in enumerate(row)]
    return "".join(write(cell, x, y, 10) for x, y, cell in places if cell)


def test_rows_without_rules_have_the_names_of_their_columns():
    assert AS_TEXT in read(aligned([HEAD, *ROWS]))


def test_columns_that_are_written_one_after_the_other_are_rows():
    columns = [
        [[row[n] if m == n else "" for m in range(3)] for row in (HEAD, *ROWS)] for n in range(3)
    ]
    assert AS_TEXT in read("".join(map(aligned, columns)))


@pytest.mark.parametrize(
    "rows",
    [
        [["第1条", "目的", ""], ["第2条", "適用", ""], ["第3条", "定義", ""]],
        [[*ROWS[0]], [*ROWS[1]]],
        [["4", "部品", "5個"], ["2", "部品", "6個"], ["3", "製品", "7個"]],
        [["この規程は会社の備品の取り扱いについて定め"] * 3] * 4,
    ],
    ids=["two columns", "two rows", "no names", "text in three columns"],
)
def test_other_lines_stay_lines(rows):
    xs = (20, 250, 480) if len(rows[0][0]) > 20 else XS
    assert ": " not in read(aligned(rows, xs))


# Tables that continue on the next page


def read_pages(*tables, lines=None):
    """What is read of pages with one table each, without the headings that pages begin with."""
    drawn = {number: grid(rows) for number, rows in enumerate(tables)}
    pages = lines or [[]] * len(tables)
    return [s.text for s in read_pdf(print_pdf(pages, drawn=drawn), "a.pdf")]


MORE = [["棚", "7,000円", "6月3日"], ["机上灯", "2,500円", "未定"]]
MORE_AS_TEXT = "品名: 棚、単価: 7,000円、納期: 6月3日\n\n品名: 机上灯、単価: 2,500円、納期: 未定"


def test_a_table_that_continues_has_the_names_of_its_columns_on_every_page():
    last = [["電話", "3,100円", "7月1日"], ["ルーター", "9,900円", "7月2日"]]
    assert read_pages([HEAD, *ROWS], MORE, last) == [
        AS_TEXT,
        MORE_AS_TEXT,
        "品名: 電話、単価: 3,100円、納期: 7月1日\n\n品名: ルーター、単価: 9,900円、納期: 7月2日",
    ]


def test_running_lines_may_be_between_the_parts_of_a_table():
    lines = [[f"備品一覧 ({number}/3)"] for number in (1, 2, 3)]
    found = read_pages([HEAD, *ROWS], MORE, [*MORE, *MORE], lines=lines)
    assert MORE_AS_TEXT in found[1]
    assert found[2].count(MORE_AS_TEXT) == 2


LONG = [["会議机", "12,800円", "4月1日"], ["椅子", "900円", "5月2日"], ["書棚", "45,000円", "4月"]]
FURTHER = [["棚", "7,000円", "6月3日"], ["折り畳み机", "2,500円", "未定"], ["灯", "80円", "7月"]]


def read_aligned(first, second, lines=([], []), below=""):
    drawn = {0: aligned(first) + below, 1: aligned(second)}
    return [s.text for s in read_pdf(print_pdf(list(lines), drawn=drawn), "a.pdf")]


@pytest.mark.parametrize("lines", [([], []), (["備品一覧 (1/2)"], ["備品一覧 (2/2)"])])
def test_columns_without_rules_continue_too(lines):
    texts = read_aligned([HEAD, *LONG], FURTHER, lines)
    named = [f"品名: {name}、単価: {price}、納期: {date}" for name, price, date in FURTHER]
    assert "\n\n".join(named) in texts[-1]


@pytest.mark.parametrize(
    ("second", "lines", "below"),
    [
        pytest.param(FURTHER, ([], ["次の表は別の表である。"]), "", id="a title above it"),
        pytest.param(FURTHER, ([], []), write("納期は目安である。", 40, 500), id="text below"),
        pytest.param([[*row, "備考"] for row in FURTHER], ([], []), "", id="more columns"),
    ],
)
def test_columns_that_continue_no_table_stay_lines(second, lines, below):
    texts = read_aligned([HEAD, *LONG], second, lines, below)
    assert "品名: 棚" not in texts[-1]
    assert "棚" in texts[-1]


def test_repeated_names_of_columns_are_no_row():
    assert read_pages([HEAD, *ROWS], [HEAD, *MORE]) == [AS_TEXT, MORE_AS_TEXT]


def test_names_that_span_continue_too():
    rows = [["拠点", "予算", ""], ["", "4月", "5月"], ["本社", "10", "20"]]
    first = grid(rows, without={(0, 0, "below"), (0, 1, "right")})
    drawn = {0: first, 1: grid([["支社", "30", "40"], ["工場", "50", "60"]])}
    texts = [s.text for s in read_pdf(print_pdf([[], []], drawn=drawn), "a.pdf")]
    assert (
        texts[1]
        == "拠点: 支社、予算 4月: 30、予算 5月: 40\n\n拠点: 工場、予算 4月: 50、予算 5月: 60"
    )


@pytest.mark.parametrize(
    ("second", "lines"),
    [
        pytest.param(
            [["部署", "定員", "備考"], ["総務", "12", "増員"], ["営業", "30", ""]],
            None,
            id="own names",
        ),
        pytest.param(MORE, [[], ["表2　購入した備品"]], id="a title above it"),
    ],
)
def test_another_table_on_the_next_page_has_not_the_names_of_the_first(second, lines):
    texts = read_pages([HEAD, *ROWS], second, lines=lines)
    assert "品名: " not in texts[-1]


def test_a_table_that_text_follows_does_not_continue():
    drawn = {0: grid([HEAD, *ROWS]) + write("納期は目安である。", 40, 500), 1: grid(MORE)}
    texts = [s.text for s in read_pdf(print_pdf([[], []], drawn=drawn), "a.pdf")]
    assert "品名: " not in texts[-1]


def test_a_table_of_other_widths_is_another_table():
    wide = "".join(
        rule(*line)
        for line in (
            (40, 700, 440, 700),
            (40, 680, 440, 680),
            (40, 660, 440, 660),
            *((x, 660, x, 700) for x in (40, 100, 300, 440)),
        )
    )
    cells = [("棚", 43, 691), ("7,000円", 103, 691), ("6月3日", 303, 691)]
    cells += [("灯", 43, 671), ("2,500円", 103, 671), ("未定", 303, 671)]
    drawn = {0: grid([HEAD, *ROWS]), 1: wide + "".join(write(t, x, y, 8) for t, x, y in cells)}
    texts = [s.text for s in read_pdf(print_pdf([[], []], drawn=drawn), "a.pdf")]
    assert "品名: " not in texts[-1]
