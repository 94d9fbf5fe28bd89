"""What is filled into PDFs and written on them is read beside its labels."""

import io

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from langchain_swallow.documents.readers.pdf import read_pdf
from tests.support.paper import print_pdf, write

LINES = ["休暇申請書", "氏名", "期間", "次のとおり申請します。"]


def annotation(kind, left, line, width=100, height=12, **entries):
    """One beside a line of `LINES`, or lower, from this place on."""
    bottom = 798 - 14 * line
    rectangle = map(FloatObject, (left, bottom, left + width, bottom + height))
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Annot"),
            NameObject("/Subtype"): NameObject(kind),
            NameObject("/Rect"): ArrayObject(rectangle),
            **{NameObject(f"/{name}"): value for name, value in entries.items()},
        }
    )


def text(value):
    return TextStringObject(value)


def field(value, left=70, line=1, name="shimei", flags=0, width=100, **entries):
    return annotation(
        "/Widget",
        left,
        line,
        width,
        FT=NameObject("/Tx"),
        T=text(name),
        V=text(value),
        Ff=NumberObject(flags),
        **entries,
    )


def choice(options, chosen, left=70, line=1):
    pairs = [ArrayObject([text(own), text(shown)]) for own, shown in options]
    return annotation(
        "/Widget",
        left,
        line,
        FT=NameObject("/Ch"),
        T=text("c"),
        V=text(chosen),
        Opt=ArrayObject(pairs),
        Ff=NumberObject(1 << 17),
    )


def tick(left, line, name, is_ticked, flags=0):
    states = {NameObject(f"/{state}"): DecodedStreamObject() for state in ("On", "Off")}
    state = NameObject("/On" if is_ticked else "/Off")
    return annotation(
        "/Widget",
        left,
        line,
        10,
        10,
        FT=NameObject("/Btn"),
        T=text(name),
        V=state,
        AS=state,
        Ff=NumberObject(flags),
        AP=DictionaryObject({NameObject("/N"): DictionaryObject(states)}),
    )


def read(*annotations, lines=LINES, drawn=""):
    writer = PdfWriter(io.BytesIO(print_pdf([lines], drawn={0: drawn})))
    for own in annotations:
        for name, state in own.get("/AP", {}).get("/N", {}).items():
            own["/AP"]["/N"][NameObject(name)] = writer._add_object(state)
        writer.add_annotation(0, own)
    fields = [ref for ref in writer.pages[0]["/Annots"] if "/FT" in ref.get_object()]
    form = DictionaryObject({NameObject("/Fields"): ArrayObject(fields)})
    writer._root_object[NameObject("/AcroForm")] = form
    writer.write(written := io.BytesIO())
    return read_pdf(written.getvalue(), "a.pdf")


@pytest.mark.parametrize(
    ("own", "line"),
    [
        pytest.param(field("山田 太郎"), "氏名 山田 太郎", id="text"),
        pytest.param(field("YAMADA, 2025"), "氏名 YAMADA, 2025", id="Latin"),
        pytest.param(
            field("12345", flags=1 << 24, MaxLen=NumberObject(5)), "氏名 12345", id="comb"
        ),
        pytest.param(field("東京\r大阪", flags=1 << 12), "氏名 東京\n大阪", id="two lines"),
        pytest.param(choice([("1", "有給"), ("2", "特別")], "2"), "氏名 特別", id="a choice"),
        pytest.param(choice([("1", "有給")], "慶弔"), "氏名 慶弔", id="another choice"),
        pytest.param(field("秘密", flags=1 << 13), "氏名", id="a password"),
        pytest.param(field("秘密", F=NumberObject(2)), "氏名", id="hidden"),
        pytest.param(field(""), "氏名", id="empty"),
    ],
)
def test_a_value_stands_behind_its_label(own, line):
    [section] = read(own)
    assert section.text == f"休暇申請書\n{line}\n期間\n次のとおり申請します。"


def test_values_of_one_line_are_each_behind_their_own_label():
    drawn = write("年", 130, 758) + write("月", 170, 758)
    fields = [field("7", 110, 3, width=15), field("4", 146, 3, name="m", width=15)]
    [section] = read(*fields, lines=["申請"], drawn=drawn)
    assert "7 年 4 月" in " ".join(section.text.split())


def test_a_label_may_be_above():
    drawn = write("品名", 100, 700) + write("数", 200, 700)
    fields = [field("机", 95, 8, name="a"), field("3", 198, 8, name="b")]
    assert "品名 机 数 3" in read(*fields, drawn=drawn)[0].text


def test_a_value_without_a_label_has_the_fields_name():
    [section] = read(
        field("山田", 300, 30, TU=text("申請者の氏名")), field("森", 300, 40, name="b")
    )
    assert section.text.split("\n")[-2:] == ["申請者の氏名: 山田", "b: 森"]


@pytest.mark.parametrize("flags", [0, 1 << 15], ids=["check boxes", "radio buttons"])
def test_ticks_stand_before_what_they_tick(flags):
    drawn = write("はい", 100, 758) + write("いいえ", 200, 758)
    ticks = [tick(86, 3, "a", True, flags), tick(186, 3, "b", False, flags)]
    assert "☑はい ☐いいえ" in read(*ticks, lines=["同意"], drawn=drawn)[0].text


def test_what_is_printed_too_is_not_told_twice():
    [section] = read(field("山田"), lines=["氏名"], drawn=write("山田", 80, 786))
    assert section.text.count("山田") == 1


def test_text_written_on_a_page_is_a_line_in_its_place():
    [section] = read(annotation("/FreeText", 300, 1.5, Contents=text("差し戻し。")))
    assert section.text.split("\n")[1:4] == ["氏名", "差し戻し。", "期間"]


@pytest.mark.parametrize("kind", ["/Text", "/Highlight", "/StrikeOut"])
def test_comments_are_left_out_and_told(kind):
    read_ = read(annotation(kind, 300, 1, Contents=text("要確認")), annotation("/Link", 40, 1))
    assert "要確認" not in read_[0].text
    assert [(part.reason, part.page, part.is_loss) for part in read_.left_out] == [
        ("comment", 1, True)
    ]


def test_a_form_without_text_is_read():
    assert read(field("山田", name="氏名"), lines=[])[0].text == "氏名: 山田"


def test_a_value_among_columns_that_are_no_table_is_kept():
    rows = [
        ["甲一", "乙一", "丙一", "丁一"],
        ["甲二", "", "丙二", "丁二"],
        ["甲三", "乙三", "丙三", "丁三"],
    ]
    drawn = "".join(
        write(cell, 40 + 100 * column, 700 - 14 * row)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    )
    [section] = read(field("記入", left=140, line=8), drawn=drawn)
    assert "記入" in section.text
