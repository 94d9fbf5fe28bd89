"""Numbers that Word writes by itself: as LibreOffice 7.4 shows the same lists."""

import zipfile

import docx
import pytest

from langchain_swallow import load_documents
from langchain_swallow.documents.readers.docx_numbering import _written

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def level(index, format, text, start=1, suffix="tab"):
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="{start}"/><w:numFmt w:val="{format}"/>'
        f'<w:suff w:val="{suffix}"/><w:lvlText w:val="{text}"/></w:lvl>'
    )


def definition(name, *levels):
    return f'<w:abstractNum w:abstractNumId="{name}">{"".join(levels)}</w:abstractNum>'


def a_list(name, of, inside=""):
    return f'<w:num w:numId="{name}"><w:abstractNumId w:val="{of}"/>{inside}</w:num>'


def override(index, inside):
    return f'<w:lvlOverride w:ilvl="{index}">{inside}</w:lvlOverride>'


def style(name, inside):
    return f'<w:style w:styleId="{name}">{inside}</w:style>'


def place(name, index):
    return f'<w:numPr><w:ilvl w:val="{index}"/><w:numId w:val="{name}"/></w:numPr>'


def paragraph(text, properties=""):
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


RULES = definition(
    1,
    level(0, "decimalFullWidth", "第%1章"),
    level(1, "decimalFullWidth", "第%2条"),
    level(2, "decimal", "(%3)"),
    level(3, "aiueoFullWidth", "%4"),
)
LISTS = "".join(
    [
        RULES,
        definition(2, level(0, "upperRoman", "%1."), level(1, "lowerLetter", "%1-%2)")),
        definition(3, level(0, "japaneseCounting", "%1、", suffix="nothing", start=9)),
        definition(4, level(0, "bullet", "\uf0b7")),
        definition(5, '<w:numStyleLink w:val="規程の形"/>'),
        definition(6, level(0, "decimal", "%1.", start=0), level(12, "decimal", "%1")),
        a_list(9, 6),
        a_list(1, 1),
        a_list(2, 2),
        a_list(3, 2),
        a_list(4, 3),
        a_list(5, 4),
        a_list(6, 1, override(2, '<w:startOverride w:val="5"/>')),
        a_list(7, 5),
        a_list(8, 3, override(0, level(0, "decimal", "〈%1〉"))),
    ]
)
STYLES = "".join(
    [
        style("条", f"<w:pPr>{place(1, 1)}</w:pPr>"),
        style("条二", '<w:basedOn w:val="条"/>'),
        style("規程の形", f"<w:pPr>{place(1, 0)}</w:pPr>"),
        style("環", '<w:basedOn w:val="環"/>'),
        style("見出し", f'<w:name w:val="heading 1"/><w:pPr>{place(1, 0)}</w:pPr>'),
        style("社内の章", '<w:name w:val="章"/><w:basedOn w:val="見出し"/>'),
        style("社内の節", '<w:name w:val="節"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr>'),
        style(
            "目次の題",
            f'<w:basedOn w:val="見出し"/><w:pPr>{place(0, 0)}<w:outlineLvl w:val="9"/></w:pPr>',
        ),
        style("21", '<w:name w:val="toc 2"/>'),
        style("社内の目次", '<w:name w:val="もくじ"/><w:basedOn w:val="21"/>'),
        style(
            "af3",
            f'<w:name w:val="TOC Heading"/><w:basedOn w:val="見出し"/><w:pPr>{place(0, 0)}</w:pPr>',
        ),
    ]
)


@pytest.fixture
def read(tmp_path):
    def reading(body, **parts):
        path = tmp_path / "a.docx"
        with zipfile.ZipFile(path, "w") as archive:
            document = f"<w:document {W}><w:body>{body}</w:body></w:document>"
            archive.writestr("word/document.xml", document)
            archive.writestr("word/numbering.xml", f"<w:numbering {W}>{LISTS}</w:numbering>")
            archive.writestr("word/styles.xml", f"<w:styles {W}>{STYLES}</w:styles>")
            for name, content in parts.items():
                archive.writestr(f"word/{name}.xml", f"<w:{name} {W}>{content}</w:{name}>")
        return load_documents(path)

    return reading


def lines(documents):
    return "\n\n".join(document.page_content for document in documents).split("\n\n")


def items(*places):
    return "".join(paragraph("項", place(*where)) for where in places)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        (
            items((1, 0), (1, 1), (1, 2), (1, 3), (1, 3), (1, 2), (1, 1), (1, 2), (1, 0), (1, 1)),
            "第１章 第１条 (1) ア イ (2) 第２条 (1) 第２章 第１条",
        ),
        (items((2, 0), (2, 1), (2, 1), (3, 0), (3, 1)), "I. I-a) I-b) II. II-a)"),
        (items((2, 1)), "I-a)"),
        (items((1, 2), (1, 2), (6, 2), (6, 2), (1, 2)), "(1) (2) (5) (6) (7)"),
        (items((8, 0), (8, 0)), "〈1〉 〈2〉"),
        (items((7, 0), (1, 0)), "第１章 第２章"),
        (items((9, 0), (9, 12), (9, 0)), "0. 項 1."),
    ],
    ids=[
        "levels",
        "shared",
        "begun within",
        "restarted",
        "overridden",
        "by a style's name",
        "from 0",
    ],
)
def test_lists_count_as_word_does(read, body, numbers):
    assert [line.split()[0] for line in lines(read(body))] == numbers.split()


def test_numbers_of_styles_of_cells_and_none(read):
    body = (
        paragraph("目的", '<w:pStyle w:val="条"/>')
        + paragraph("定義", '<w:pStyle w:val="条二"/>')
        + paragraph("番号なし", '<w:pStyle w:val="条"/>' + place(0, 0))
        + paragraph("環", '<w:pStyle w:val="環"/>')
        + paragraph("点", place(5, 0))
        + paragraph("", place(1, 1))
        + items((4, 0), (4, 0))
        + f"<w:tbl><w:tr><w:tc>{paragraph('番号')}</w:tc><w:tc>{paragraph('名')}</w:tc></w:tr>"
        + f"<w:tr><w:tc>{paragraph('x', place(1, 1))}</w:tc><w:tc>{paragraph('机')}</w:tc></w:tr>"
        + "</w:tbl>"
        + paragraph("知らない一覧", place("九", "十"))
    )
    assert lines(read(body)) == [
        "第１条 目的",
        "第２条 定義",
        "番号なし",
        "環",
        "・点",
        "九、項",
        "十、項",
        # The empty one counts, as in Word.
        "番号: 第４条 x、名: 机",
        "知らない一覧",
    ]


def test_a_heading_has_its_number(read):
    (document,) = read(paragraph("総則", '<w:pStyle w:val="見出し"/>') + paragraph("本文。"))
    assert document.metadata["headings"] == "第１章 総則"


def test_notes_stand_where_they_are_cited_and_moved_text_once(read):
    body = (
        "<w:p><w:r><w:t>年10日</w:t></w:r><w:r><w:footnoteReference w:id='2'/></w:r>"
        "<w:r><w:t>とする。</w:t></w:r></w:p>"
        "<w:p><w:moveFrom><w:r><w:t>移した文。</w:t></w:r></w:moveFrom></w:p>"
        "<w:p><w:moveTo><w:r><w:t>移した文。</w:t></w:r></w:moveTo></w:p>"
    )
    notes = (
        "<w:footnote w:id='0'><w:p/></w:footnote>"
        "<w:footnote w:id='2'><w:p><w:r><w:t>半年後から。</w:t></w:r></w:p></w:footnote>"
    )
    assert lines(read(body, footnotes=notes)) == [
        "年10日（注: 半年後から。）とする。",
        "移した文。",
    ]


def test_python_docx_loses_the_numbers(tmp_path):
    made = docx.Document()
    made.add_paragraph("申請する。", style="List Number")
    made.save(tmp_path / "a.docx")
    assert docx.Document(tmp_path / "a.docx").paragraphs[0].text == "申請する。"
    assert load_documents(tmp_path / "a.docx")[0].page_content == "1. 申請する。"


@pytest.mark.parametrize(
    ("format", "numbers"),
    [
        ("decimal", {1: "1", 12: "12"}),
        ("decimalZero", {1: "01", 12: "12"}),
        ("decimalFullWidth", {12: "１２"}),
        ("decimalEnclosedCircle", {1: "①", 20: "⑳", 21: "(21)"}),
        ("japaneseCounting", {1: "一", 10: "十", 21: "二十一", 105: "百五", 1100: "千百"}),
        ("ideographDigital", {10: "一〇", 25: "二五"}),
        ("ideographTraditional", {1: "甲", 3: "丙"}),
        ("aiueoFullWidth", {1: "ア", 6: "カ", 47: "アア"}),
        ("aiueo", {2: "ｲ"}),
        ("irohaFullWidth", {4: "ニ"}),
        ("iroha", {3: "ﾊ"}),
        ("lowerLetter", {1: "a", 26: "z", 27: "aa"}),
        ("upperRoman", {4: "IV", 1999: "MCMXCIX"}),
        ("none", {1: ""}),
        ("hindiVowels", {3: "3"}),
    ],
)
def test_formats(format, numbers):
    assert {number: _written(format, number) for number in numbers} == numbers


def test_headings_are_what_word_lists_as_such(read):
    """Styles of one's own, based on a heading or with a level, and paragraphs with a level."""
    documents = read(
        paragraph("目次", '<w:pStyle w:val="目次の題"/>')
        + paragraph("総則", '<w:pStyle w:val="社内の章"/>')
        + paragraph("目的", '<w:pStyle w:val="社内の節"/>')
        + paragraph("本文。")
        + paragraph("細目", '<w:outlineLvl w:val="2"/>')
        + paragraph("細目の本文。")
        + paragraph("章のような本文。", '<w:pStyle w:val="社内の章"/><w:outlineLvl w:val="9"/>')
    )
    assert [document.metadata.get("headings") for document in documents] == [
        None,
        "第１章 総則 > 目的",
        "第１章 総則 > 目的 > 細目",
    ]
    assert documents[2].page_content.endswith("章のような本文。")


def test_a_table_of_contents_is_not_read(read):
    entry = paragraph("総則\t1", '<w:pStyle w:val="21"/>')
    control = (
        "<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val='{}'/></w:docPartObj></w:sdtPr>"
    )
    control += "<w:sdtContent>{}</w:sdtContent></w:sdt>"
    documents = read(
        paragraph("目次", '<w:pStyle w:val="af3"/>')
        + entry
        + paragraph("休暇\t2", '<w:pStyle w:val="社内の目次"/>')
        + control.format("Table of Contents", paragraph("総則\t1") + paragraph("別表は12頁"))
        + control.format("Cover Pages", paragraph("就業規則"))
        + paragraph("総則", '<w:pStyle w:val="社内の章"/>')
        + paragraph("本文。")
        + paragraph("休暇", '<w:pStyle w:val="社内の章"/>')
    )
    # What Word's control has and nothing else repeats is text.
    assert lines(documents) == ["別表は12頁", "就業規則", "第１章 総則", "本文。", "第２章 休暇"]
    ((part,),) = documents.left_out.values()
    assert (part.count, part.is_loss) == (4, False)


def test_an_entry_of_a_table_of_contents_that_is_nowhere_else_stays(read):
    entries = ["第１章\t総則\t1", "図 1 構成図\t3", "返品は7日以内", "送料は500円\t2"]
    documents = read(
        "".join(paragraph(entry, '<w:pStyle w:val="21"/>') for entry in entries)
        + paragraph("総則", '<w:pStyle w:val="社内の章"/>')
        + paragraph("図 1 構成図")
    )
    assert lines(documents) == ["返品は7日以内", "送料は500円\t2", "第１章 総則", "図 1 構成図"]
