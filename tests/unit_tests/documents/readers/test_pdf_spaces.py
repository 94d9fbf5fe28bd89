"""Spaces of a PDF: those between columns stay, those of the typesetter go."""

import pytest

from langchain_swallow.documents.readers.pdf import read_pdf
from tests.support.paper import print_pdf, write


def read(*rows):
    """The text of a page on which pieces begin at these places; each letter is 12 points wide."""
    drawn = "".join(
        write(text, x, 700 - 20 * line) for line, row in enumerate(rows) for x, text in row
    )
    return "\n".join(section.text for section in read_pdf(print_pdf([[]], drawn={0: drawn}), "a"))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([(40, "机"), (90, "赤、青"), (150, "十二")], "机 赤、青 十二"),
        ([(40, "東京。"), (120, "大阪、京都。")], "東京。 大阪、京都。"),
        ([(40, "品名"), (90, "色"), (130, "在庫")], "品名 色 在庫"),
        ([(40, "就"), (64, "業"), (88, "規"), (112, "則")], "就業規則"),
        ([(40, "6"), (54.4, "月の在庫は"), (116.8, "12"), (143.2, "個、")], "6月の在庫は12個、"),
        ([(40, "第1条"), (88, "社員は、働く。")], "第1条 社員は、働く。"),
    ],
    ids=str,
)
def test_a_wide_gap_keeps_columns_apart_and_a_narrow_one_is_none(row, text):
    assert read(row) == text


def test_narrow_cells_are_apart_where_they_stand_below_each_other():
    rows = [
        [(40, "椅子"), (91, "白、黒")],
        [(40, "机と台"), (91, "赤、青")],
        [(40, "大きな机"), (91, "白、銀")],
    ]
    assert read(*rows) == "椅子 白、黒\n机と台 赤、青\n大きな机 白、銀"


TABLE = [
    [(40, "品名"), (150, "色"), (260, "在庫")],
    [(40, "A"), (150, "B、C"), (260, "3")],
    [(40, "机"), (150, "赤、青"), (260, "12")],
]
AS_ROWS = "品名: A、色: B、C、在庫: 3\n\n品名: 机、色: 赤、青、在庫: 12"
# From the upper left corner of the page as it is shown: a text's direction and where it begins.
TURNED = {
    0: lambda x, down: f"1 0 0 1 {x} {842 - down}",
    90: lambda x, down: f"0 1 -1 0 {down} {x}",
    180: lambda x, down: f"-1 0 0 -1 {595 - x} {down}",
    270: lambda x, down: f"0 -1 1 0 {595 - down} {842 - x}",
}


@pytest.mark.parametrize("rotation", TURNED)
@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (TABLE, AS_ROWS),
        # A font of small cells, as of one letter each, breaks pdfium's lines.
        (
            [[(40, "品"), (60, "色"), (80, "数")], [(40, "A"), (60, "B"), (80, "3")]],
            "品 色 数\nA B 3",
        ),
        ([[(40, "一")], [(40, "二")], [(40, "三")]], "一\n二\n三"),
        ([[(40, "机")], [(40, "棚")], [(40, "箱")]], "机\n棚\n箱"),
        ([[(40 + 12 * n, c) for n, c in enumerate("本日は晴天です")]], "本日は晴天です"),
    ],
    ids=["table", "narrow table", "list", "list of one letter each", "letter by letter"],
)
def test_rows_are_whole_however_the_page_is_turned(rows, text, rotation):
    drawn = "".join(
        write(piece, 0, 0).replace("0 0 Td", f"{TURNED[rotation](x, 40 + 20 * line)} Tm")
        for line, row in enumerate(rows)
        for x, piece in row
    )
    data = print_pdf([[]], drawn={0: drawn})
    data = data.replace(b"/MediaBox", b"/Rotate %d /MediaBox" % rotation)
    assert "\n".join(section.text for section in read_pdf(data, "a.pdf")) == text
