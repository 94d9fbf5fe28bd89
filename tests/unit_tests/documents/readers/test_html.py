"""HTML pages: nothing that a reader of the page sees is lost, however deep or long it is."""

import time

import pytest

from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.xml import parse_xml
from langchain_swallow.errors import DocumentError


def text_of(page):
    return "\n".join(section.text for section in read_html(page))


DEEP = {
    "unclosed font": "<font>行。<br>",
    "unclosed font and b": "<font><b>行。<br>",
    "unclosed span": "<span>行。",
    "div": "<div>行。",
    "section with attributes": '<section class="a" title="1 > 0">行。',
    "custom element": "<x-part>行。",
    "blockquote": "<blockquote>行。",
    "list in list": "<ul><li>行。",
    "ordered list": "<ol>\n<li>行。",
    "definition list": "<dl><dd>行。",
    "table in table": "<table><tr><td>行。",
    "fieldset": "<fieldset><legend>行。</legend>",
    "link": "<div><a href='#a'>行。</a>",
}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [300, 1500, 10_000])
@pytest.mark.parametrize("piece", DEEP.values(), ids=DEEP.keys())
def test_text_at_any_depth_is_read(piece, depth):
    page = f"<h1 id=a>題</h1>{piece * depth}<p>最後。"
    begun = time.process_time()
    text = text_of(page)
    assert text.count("行。") == depth
    assert text.endswith("最後。")
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("name", ["div", "font", "ul", "table", "h2"])
def test_text_behind_and_inside_closed_elements_is_read(name):
    page = f"<p>前。{f'<{name}>' * 3000}中。{f'</{name}>' * 3000}<p>後。"
    assert "".join(text_of(page).split()) == "前。中。後。"


def test_what_is_taken_out_side_by_side_leaves_its_neighbors_in_order():
    page = (
        "<p>前<b>甲</b>乙<script>x</script>丙<!-- --><script>x</script>丁<style></style>戊<i>己</i>"
    )
    assert text_of(f"<script>x</script>{page}<script>x</script>庚") == "前甲乙丙丁戊己庚"
    begun = time.process_time()
    pieces = "".join(f"字{i}<script>x</script>" for i in range(40_000))
    assert text_of(f"<p>{pieces}") == "".join(f"字{i}" for i in range(40_000))
    assert time.process_time() - begun < 5


LONG = {
    "pre": "<pre>{}</pre>",
    "paragraph": "<p>{}</p>",
    "cell": "<table><tr><td>{}</table>",
    "no element": "{}",
    "attribute": "<p title='{}'>",
    "comment": "<!--{}-->",
    "script": "<script>{}</script>",
    "data in XHTML": "<p><![CDATA[{}]]></p>",
}


@pytest.mark.slow
@pytest.mark.parametrize("around", LONG.values(), ids=LONG.keys())
def test_text_beside_eleven_megabytes_is_read(around):
    long = "あいう、" * 2_800_000
    text = text_of(f"<p>前。</p>{around.format(long)}<p>後。</p>")
    assert text.startswith("前。")
    assert text.endswith("後。")
    hidden = around.startswith(("<!--", "<script", "<p title"))
    assert text.count("あいう、") == (0 if hidden else 2_800_000)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<html xmlns='http://www.w3.org/1999/xhtml'><p>a<![CDATA[1<2]]>b</p>", "a1<2b"),
        ('<?xml version="1.0"?><html><script src="a.js"/><title/><div/><p>本文</p>', "本文"),
        ("<table><caption>表1 単価</caption><tr><td>机</table>", "表1 単価\n\n机"),
        ("<table><tr>余り<form><td>品名<td>机</form></table>", "余り\n\n品名、机"),
        ("<header>題</header><aside>注</aside>", "題\n\n注"),
        ("<h1>第1章<br>総則</h1>本文", "第1章 総則\n\n本文"),
        ("<head><title>題</title>本文<p>次", "題\n\n本文\n\n次"),
        ("<select><option>東京<option>大阪</select>", "東京\n\n大阪"),
        ("<p>図: <img src=a.png alt='組織図'>", "図: 組織図"),
        ("<p>氏名 <input value='山田太郎'><input type=hidden value='x1'>", "氏名 山田太郎"),
        ("<p><input type=checkbox checked>はい<input type=radio>いいえ", "☑ はい ☐ いいえ"),
        ("<p>メモ<textarea>電話する</textarea>", "メモ 電話する"),
        ("<!-- 何もない -->", ""),
    ],
    ids=[
        "CDATA",
        "closed scripts of XHTML",
        "caption",
        "text between cells",
        "header and aside",
        "heading of two lines",
        "text behind a title",
        "options",
        "text of a picture",
        "value of a field",
        "boxes",
        "text area",
        "only a comment",
    ],
)
def test_what_a_page_shows(page, text):
    assert text_of(page) == text


def test_a_title_beside_another_first_heading_is_read():
    title, heading = "出張旅費規程（2025年版）", "規程"
    (section,) = read_html(f"<title>{title}</title><h1>{heading}</h1><p>日当。")
    assert section.text == f"{title}\n\n{heading}\n\n日当。"
    assert section.headings == (heading,)
    assert text_of(f"<title>{heading}</title><h1>{heading}</h1><p>日当。") == "規程\n\n日当。"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ("試用期間は\n三か月", "試用期間は三か月"),
        ("続く…\n終わり", "続く…終わり"),
        ("ﾎﾞｰﾙﾍﾟﾝ\nｶﾞ有る", "ﾎﾞｰﾙﾍﾟﾝｶﾞ有る"),
        ("価格は\nUSB", "価格は USB"),
        ("وأعرب\nالاتحاد", "وأعرب الاتحاد"),
        ("другой\nязык", "другой язык"),
        ("allé\nété", "allé été"),
    ],
)
def test_lines_of_a_paragraph_are_joined_as_their_script_has_it(lines, joined):
    assert text_of(f"<p>{lines}") == joined


def test_what_is_left_out_of_a_page_is_counted():
    page = (
        "<style>p {}</style><script>f()</script><nav><p>索引</nav>"
        "<div class=toc>目次</div><p><ruby>漢<rt>かん</rt>字<rt>じ</rt></ruby>"
        "<img src=a.png><img src=b.png alt=''><img alt='図'><iframe src=b.html></iframe><video>"
    )
    (content,) = read_content(page.encode(), "a.html")
    assert content.sections[0].text == "漢字 図"
    assert {(part.reason, part.count, part.is_loss) for part in content.left_out} == {
        ("scripts, styles and templates", 2, False),
        ("navigation and tables of contents", 2, False),
        ("readings (ruby)", 2, False),
        ("picture without a description", 1, False),
        ("page, video or drawing inside the page", 2, False),
    }


def test_xml_parts_of_office_files_may_be_long_and_deep():
    long = "あ" * 11_000_000
    assert parse_xml(f"<a>{long}</a>".encode(), "a.xml").text == long
    assert len(list(parse_xml(b"<a>" * 1000 + b"</a>" * 1000, "a.xml").iter())) == 1000
    with pytest.raises(DocumentError, match="Excessive depth"):
        parse_xml(b"<a>" * 5000 + b"</a>" * 5000, "a.xml")


@pytest.mark.parametrize(
    ("text", "codec", "declared", "read_as"),
    [
        (
            "وأعرب الاتحاد الجزائري وقتها عن أسفه لهذا الموقف",
            "iso-8859-6",
            "iso-8859-6",
            "iso-8859-6",
        ),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy", "iso-8859-2", "ISO-8859-2", "iso-8859-2"),
        ("試用期間は三か月です。", "cp932", "iso-8859-2", "cp932"),
        ("試用期間は三か月です。", "utf-8", "Shift_JIS", "utf-8"),
        ("試用期間は三か月です。", "euc_jp", "Shift_JIS", "euc_jp"),
    ],
)
def test_the_declared_encoding_decides_among_other_languages(text, codec, declared, read_as):
    page = f'<meta http-equiv=Content-Type content="text/html; charset={declared}"><p>{text}'
    (content,) = read_content(page.encode(codec), "a.html")
    assert (content.encoding, content.sections[0].text) == (read_as, text)
