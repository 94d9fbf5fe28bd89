"""What Office files hold besides paragraphs, cells and shapes: signs, equations, comments."""

import copy
import io
import zipfile

import docx
import openpyxl
import pptx
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from langchain_swallow.documents.readers.registry import read_content

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
    }.items()
)
PNG = bytes.fromhex(
    "89504E470D0A1A0A0000000D49484452000000010000000108060000001F15C4890000000D49444154789C636060"
    "60F80F0001040100A0DB4DD30000000049454E44AE426082"
)


def saved(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def word(body, related="", **parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        document = f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>"
        archive.writestr("word/document.xml", document)
        archive.writestr(
            "word/_rels/document.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f"{related}</Relationships>",
        )
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    (content,) = read_content(file.getvalue(), "a.docx")
    return content


def texts(content):
    return [section.text for section in content.sections]


def run(text):
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def math(inside):
    return f"<m:oMath>{inside}</m:oMath>"


def m(text):
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<w:r><w:t>03</w:t><w:noBreakHyphen/><w:t>1234</w:t></w:r>", "03\u20111234"),
        ("<w:r><w:t>情報</w:t><w:softHyphen/><w:t>処理</w:t></w:r>", "情報処理"),
        ('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/><w:t>はい</w:t></w:r>', "☑はい"),
        ('<w:r><w:sym w:font="Wingdings" w:char="F0A8"/><w:t>いいえ</w:t></w:r>', "☐いいえ"),
        ('<w:r><w:sym w:font="Wingdings 2" w:char="F052"/></w:r>', "☑"),
        ('<w:r><w:sym w:font="Symbol" w:char="F0B3"/><w:t>5</w:t></w:r>', "≥5"),
        ('<w:r><w:sym w:font="Symbol" w:char="F070"/></w:r>', "π"),
        ('<w:r><w:sym w:font="ＭＳ 明朝" w:char="2460"/></w:r>', "①"),
        ("<w:r><w:t>左</w:t><w:ptab/><w:t>右</w:t></w:r>", "左\t右"),
        ("<w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>" + run("文"), "文"),
        (f"<w:customXml>{run('包まれた文')}</w:customXml>", "包まれた文"),
        (f"<w:smartTag>{run('東京')}</w:smartTag>", "東京"),
        (f'<w:fldSimple w:instr="DATE">{run("4月1日")}</w:fldSimple>', "4月1日"),
        (f"<w:r><w:instrText>REF x</w:instrText></w:r>{run('第1条')}", "第1条"),
        (f"<w:ins>{run('足した')}</w:ins><w:del><w:r><w:delText>消した</w:delText><w:tab/></w:r></w:del>",
         "足した"),
        (f"<w:moveTo>{run('移った')}</w:moveTo><w:moveFrom>{run('移った')}</w:moveFrom>", "移った"),
        ("<w:r><w:ruby><w:rt><w:r><w:t>きょう</w:t></w:r></w:rt><w:rubyBase>"
         f"{run('京')}</w:rubyBase></w:ruby></w:r>", "京"),
        (f"<mc:AlternateContent><mc:Choice>{run('新')}</mc:Choice><mc:Fallback>{run('旧')}"
         "</mc:Fallback></mc:AlternateContent>", "新"),
        (f"<mc:AlternateContent><mc:Fallback>{run('旧')}</mc:Fallback></mc:AlternateContent>",
         "旧"),
        ("<w:sdt><w:sdtContent><w:r><w:t>☒</w:t></w:r></w:sdtContent></w:sdt>", "☒"),
        ("<w:r><w:fldChar><w:ffData><w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox>"
         "</w:ffData></w:fldChar></w:r>" + run("同意"), "☑同意"),
        ("<w:r><w:fldChar><w:ffData><w:checkBox><w:default w:val='0'/></w:checkBox></w:ffData>"
         "</w:fldChar></w:r>", "☐"),
        ("<w:r><w:fldChar><w:ffData><w:ddList><w:result w:val='1'/><w:listEntry w:val='甲'/>"
         "<w:listEntry w:val='乙'/></w:ddList></w:ffData></w:fldChar></w:r>", "乙"),
        ("<w:r><w:pict><v:shape><v:textpath string='社外秘'/></v:shape></w:pict></w:r>", "社外秘"),
        ("面積は" and run("面積は") + math(m("S=πr²")) + run("。"), "面積はS=πr²。"),
        (math(f"<m:f><m:num>{m('a+b')}</m:num><m:den>{m('2')}</m:den></m:f>"), "(a+b)/2"),
        (math(f"<m:sSup><m:e>{m('x')}</m:e><m:sup>{m('2')}</m:sup></m:sSup>"), "x²"),
        (math(f"<m:sSub><m:e>{m('a')}</m:e><m:sub>{m('ij')}</m:sub></m:sSub>"), "a_ij"),
        (math(f"<m:rad><m:deg/><m:e>{m('x+1')}</m:e></m:rad>"), "√(x+1)"),
        (math(f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{m("i=1")}</m:sub><m:sup>'
              f"{m('n')}</m:sup><m:e>{m('i')}</m:e></m:nary>"), "∑_(i=1)ⁿ i"),
        (math(f"<m:d><m:e>{m('a')}</m:e><m:e>{m('b')}</m:e></m:d>"), "(a|b)"),
    ],
    ids=lambda value: None if value.startswith("<") else value,
)  # fmt: skip
def test_signs_of_word(inside, text):
    assert texts(word(f"<w:p>{inside}</w:p>")) == [text]


def test_blocks_that_only_wrap_are_read_through():
    paragraph = f"<w:p>{run('文')}</w:p>"
    body = (
        f"<w:customXml>{paragraph}</w:customXml><w:sdt><w:sdtContent><w:customXml>{paragraph}"
        f"</w:customXml></w:sdtContent></w:sdt><m:oMathPara>{math(m('E=mc²'))}</m:oMathPara>"
        f"<mc:AlternateContent><mc:Choice>{paragraph}</mc:Choice></mc:AlternateContent>"
    )
    assert texts(word(body)) == ["文\n\n文\n\nE=mc²\n\n文"]


def test_comments_headers_and_footers_of_word():
    made = docx.Document()
    made.add_heading("総則", 1)
    paragraph = made.add_paragraph("本文。")
    made.add_comment(paragraph.runs, text="数字を確かめる。", author="山田")
    made.sections[0].header.paragraphs[0].text = "社外秘"
    made.sections[0].footer.paragraphs[0].text = "株式会社青空"
    (content,) = read_content(saved(made), "a.docx")
    assert [(s.text, s.headings) for s in content.sections] == [
        ("総則\n\n本文。\n\n（コメント: 数字を確かめる。）", ("総則",)),
        ("社外秘\n\n株式会社青空", ()),
    ]


def related(identity, kind, target):
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return f'<Relationship Id="{identity}" Type="{kinds}/{kind}" Target="{target}"/>'


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ('<w:fldSimple w:instr=" PAGE "><w:r><w:t>3</w:t></w:r></w:fldSimple>', None),
        ("<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
         f"<w:r><w:fldChar w:fldCharType='separate'/></w:r>{run('3')}"
         f"<w:r><w:fldChar w:fldCharType='end'/></w:r>{run(' / 全9ページ')}", None),
        (run("文書番号 A-1"), "文書番号 A-1"),
        (run("本文の題"), None),
        (run("- -"), None),
    ],
    ids=["page", "page of pages", "text", "line of the body", "rule"],
)  # fmt: skip
def test_what_of_a_header_is_text(inside, text):
    body = f"<w:p>{run('本文の題')}</w:p><w:sectPr><w:headerReference r:id='h'/></w:sectPr>"
    header = f"<w:hdr {NAMESPACES}><w:p>{inside}</w:p></w:hdr>"
    content = word(body, related("h", "header", "header1.xml"), header1=header)
    assert texts(content) == (["本文の題"] if text is None else ["本文の題", text])


DIAGRAM = f"""<dgm:dataModel {NAMESPACES}><dgm:ptLst>
  <dgm:pt type="doc"><dgm:t><a:p/></dgm:t></dgm:pt>
  <dgm:pt><dgm:t><a:p><a:r><a:t>申請</a:t></a:r></a:p></dgm:t></dgm:pt>
  <dgm:pt type="node"><dgm:t><a:p><a:r><a:t>承認</a:t></a:r></a:p></dgm:t></dgm:pt>
  <dgm:pt type="pres"><dgm:t><a:p><a:r><a:t>x</a:t></a:r></a:p></dgm:t></dgm:pt>
</dgm:ptLst></dgm:dataModel>"""


def drawing(inside, description=""):
    return (
        f'<w:p><w:r><w:drawing><wp:inline><wp:docPr id="1" name="図 1" descr="{description}"/>'
        f"<a:graphic><a:graphicData>{inside}</a:graphicData></a:graphic></wp:inline></w:drawing>"
        "</w:r></w:p>"
    )


def test_smartart_of_word():
    body = drawing('<dgm:relIds r:dm="d"/>')
    data = related("d", "diagramData", "data1.xml")
    assert texts(word(body, data, data1=DIAGRAM)) == ["申請\n\n承認"]


def test_damaged_smartart_does_not_take_the_text_with_it():
    body = f"<w:p>{run('本文')}</w:p>" + drawing('<dgm:relIds r:dm="d"/>')
    content = word(body, related("d", "diagramData", "data1.xml"), data1="<dgm:dataModel")
    assert texts(content) == ["本文"]
    assert [(part.reason, part.is_loss) for part in content.left_out] == [
        ("damaged chart or SmartArt", True)
    ]


@pytest.mark.parametrize(
    ("description", "lines"),
    [
        ("工場の配置図", ["（図: 工場の配置図）"]),
        ("image1.png", []),
        ("図 1", []),
        ("グラフ 自動的に生成された説明", []),
        ("", []),
    ],
)
def test_pictures_have_what_is_written_about_them(description, lines):
    content = word(drawing("<pic:pic/>", description))
    assert texts(content) == lines
    expected = [] if lines else [("picture without a description", 1, False)]
    assert [(part.reason, part.count, part.is_loss) for part in content.left_out] == expected


def test_embedded_objects_and_imported_documents_are_reported():
    content = word(
        "<w:altChunk r:id='x'/><w:p><w:r><w:object><o:OLEObject/></w:object></w:r></w:p>"
    )
    assert [part.is_loss for part in content.left_out] == [True, True]
    assert "altChunk" in content.left_out[0].reason
    assert "embedded object" in content.left_out[1].reason


def test_charts_of_slides_have_their_data():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "売上"
    data = CategoryChartData(number_format="#,##0")
    data.categories = ["4月", "5月"]
    data.add_series("東京", (1200, 1500))
    data.add_series("大阪", (800, None))
    place = Inches(1), Inches(1), Inches(4), Inches(3)
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "拠点別の売上"
    slide.shapes.add_picture(io.BytesIO(PNG), 0, 0)
    (content,) = read_content(saved(deck), "a.pptx")
    assert texts(content) == [
        "売上\n\n拠点別の売上\n\n4月、東京: 1,200、大阪: 800\n\n5月、東京: 1,500"
    ]
    assert [(part.page, part.is_loss) for part in content.left_out] == [(1, False)]


def test_footers_and_texts_of_layouts_are_read_once():
    deck = pptx.Presentation()
    layout = deck.slide_layouts[5]
    layout.shapes._spTree.append(copy.deepcopy(text_box(deck, "社外秘")))
    deck.slide_master.shapes._spTree.append(text_box(deck, "営業部 山田"))
    for title in ("一", "二"):
        slide = deck.slides.add_slide(layout)
        slide.shapes.title.text = title
        footer = slide.shapes.add_textbox(0, 0, Inches(1), Inches(1))
        footer.text_frame.text = "株式会社青空"
        place = footer._element.nvSpPr.nvPr.get_or_add_ph()
        place.set("type", "ftr")
    (content,) = read_content(saved(deck), "a.pptx")
    assert [(section.text, section.page) for section in content.sections] == [
        ("一", 1),
        ("二", 2),
        ("株式会社青空\n\n社外秘\n\n営業部 山田", None),
    ]


def text_box(deck, text):
    """The element of a text box, which was drawn on a slide that is not kept."""
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    box = slide.shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = text
    slides = deck.slides._sldIdLst
    deck.part.drop_rel(slides[-1].rId)
    slides.remove(slides[-1])
    return box._element


def test_every_slide_has_a_verdict():
    deck = pptx.Presentation()
    for _ in range(3):
        deck.slides.add_slide(deck.slide_layouts[6])
    deck.slides[1].shapes.add_movie(
        io.BytesIO(b"mp4"), 0, 0, Inches(1), Inches(1), poster_frame_image=io.BytesIO(PNG)
    )
    # A damaged file refers to a slide that it does not have.
    deck.slides._sldIdLst[2].rId = "rId99"
    (content,) = read_content(saved(deck), "a.pptx")
    assert [(part.reason, part.page, part.is_loss) for part in content.left_out] == [
        ("slide without text", 1, False),
        ("picture without a description", 2, False),
        ("video or sound", 2, False),
        ("slide that the file does not have", 3, True),
    ]


def test_comments_and_charts_of_sheets():
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["月", "売上"], ["4月", 10], ["5月", 20]):
        sheet.append(row)
    sheet["B2"].comment = Comment("見込みの値。", "山田")
    sheet["D9"].comment = Comment("後で埋める。", "山田")
    chart = BarChart()
    chart.title = "月別の売上"
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "F1")
    book.create_chartsheet("図").add_chart(_titled("図だけのシート", sheet))
    (content,) = read_content(saved(book), "a.xlsx")
    assert [(s.headings, s.text) for s in content.sections] == [
        (("Sheet",), "月: 4月、売上: 10\n\n月: 5月、売上: 20"),
        (
            ("Sheet",),
            "コメント（B2 10）: 見込みの値。\n\nコメント（D9）: 後で埋める。\n\n月別の売上"
            "\n\n（グラフの系列: 売上）",
        ),
        (("図",), "図だけのシート"),
    ]


def _titled(title, sheet):
    chart = BarChart()
    chart.title = title
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3))
    return chart


def test_a_table_of_word_that_marks_its_names():
    made = docx.Document()
    table = made.add_table(2, 4)
    for i, text in enumerate(("甲", "い", "乙", "ろ", "丙", "は", "丁", "に")):
        run_ = table.cell(i // 4, i % 4).paragraphs[0].add_run(text)
        run_.bold = i % 2 == 0
    (content,) = read_content(saved(made), "a.docx")
    assert texts(content) == ["甲: い、乙: ろ\n\n丙: は、丁: に"]
