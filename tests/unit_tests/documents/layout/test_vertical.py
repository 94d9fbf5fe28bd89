"""Vertical writing in PDFs is read down its columns, from right to left."""

import pytest

from langchain_swallow.documents.layout.vertical import usual_punctuation
from langchain_swallow.documents.readers.pdf import read_pdf
from tests.support.paper import columns, print_pdf, write

UPPER = ["第一条　この規程は、社員の", "就業に関する事項を定める。", "第二条　社員は、十日の有給"]
LOWER = ["休暇を取ることができる。", "第三条　申請は三日前までに", "所属長に出すものとする。"]


def read(*drawn, lines=()):
    [section] = read_pdf(print_pdf([list(lines)], drawn={0: "".join(drawn)}), "a.pdf")
    return [line for line in section.text.split("\n") if line]


@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "last column first"])
@pytest.mark.parametrize("by_character", [False, True])
def test_columns_are_read_from_right_to_left(is_reversed, by_character):
    drawn = columns([*UPPER, *LOWER])
    assert read(*(drawn[::-1] if is_reversed else drawn)) == [
        f"{UPPER[0]}{UPPER[1]}",
        f"{UPPER[2]}{LOWER[0]}",
        f"{LOWER[1]}{LOWER[2]}",
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["upper first", "lower first"])
def test_blocks_are_read_from_the_top_down(order):
    blocks = ["".join(columns(UPPER)), "".join(columns(LOWER, top=500))]
    assert read(*(blocks[i] for i in order)) == [
        f"{UPPER[0]}{UPPER[1]}",
        f"{UPPER[2]}{LOWER[0]}",
        f"{LOWER[1]}{LOWER[2]}",
    ]


def test_lines_across_a_vertical_page_stay_apart():
    drawn = [write("官報　号外第12号", 60, 800), *columns(UPPER), write("3", 300, 40)]
    assert read(*drawn) == ["官報　号外第12号", f"{UPPER[0]}{UPPER[1]}", UPPER[2], "3"]


def test_figures_side_by_side_are_in_their_column():
    figures = write("12", 500, 712).replace("BT", "BT 50 Tz").replace("ET", "100 Tz ET")
    drawn = [*columns(["令和七年"]), figures, *columns(["月に施行する。"], top=700)]
    assert read(*drawn) == ["令和七年12月に施行する。"]


def test_readings_beside_characters_are_left_out_and_counted():
    ruby = columns(["とうどう"], left=513, size=6)
    data = print_pdf([[]], drawn={0: "".join([*columns(["藤堂は、代表である。"]), *ruby])})
    read = read_pdf(data, "a.pdf")
    assert [section.text for section in read] == ["藤堂は、代表である。"]
    assert [(part.reason, part.count, part.is_loss) for part in read.left_out] == [
        ("reading beside characters (ruby)", 1, False)
    ]


def test_small_notes_are_kept():
    drawn = [*columns(UPPER), *columns(["注一　別表による。"], left=60, size=7)]
    assert read(*drawn)[-1] == "注一　別表による。"


@pytest.mark.parametrize(
    ("lines", "drawn"),
    [
        pytest.param(UPPER, [], id="across"),
        pytest.param(UPPER, columns(["合計"], left=40), id="a word down the page"),
        pytest.param(["一", "二", "三", "四"], [], id="a list"),
        pytest.param(["A", "B", "C"], [], id="Latin letters"),
    ],
)
def test_other_pages_are_read_line_by_line(lines, drawn):
    assert "\n".join(read(*drawn, lines=lines)).replace("\n", "").endswith("".join(lines))


TURNED = {90: "0 1 -1 0 {0} 40", 180: "-1 0 0 -1 550 {0}", 270: "0 -1 1 0 {1} 800"}


@pytest.mark.parametrize("rotation", TURNED)
def test_lines_across_a_page_that_is_turned_are_no_columns(rotation):
    drawn = [
        write(line, 0, 0).replace(
            "0 0 Td", TURNED[rotation].format(40 + 20 * n, 500 - 20 * n) + " Tm"
        )
        for n, line in enumerate(UPPER)
    ]
    data = print_pdf([[]], drawn={0: "".join(drawn)})
    read = read_pdf(data.replace(b"/MediaBox", b"/Rotate %d /MediaBox" % rotation), "a.pdf")
    assert [section.text for section in read] == ["".join(UPPER[:2]) + "\n" + UPPER[2]]


def test_marks_of_vertical_writing_are_the_usual_ones():
    assert usual_punctuation("﹁会社﹂とは︑︵株︶青葉︒") == "「会社」とは、（株）青葉。"
