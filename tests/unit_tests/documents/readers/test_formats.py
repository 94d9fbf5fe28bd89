"""Formats beyond text: slides, sheets, records, Aozora Bunko, archives; and hostile files."""

import io
import sys
import time
import zipfile
from datetime import date, datetime
from urllib.parse import quote

import openpyxl
import pptx
import pytest
from pptx.util import Inches

from langchain_swallow._system import isolated
from langchain_swallow.documents.load import lazy_load_documents, load_documents
from langchain_swallow.documents.readers import pdf
from langchain_swallow.documents.readers.aozora import read_aozora
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.jsonl import read_jsonl
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.sandbox import Sandbox
from langchain_swallow.errors import DocumentError
from tests.support.paths import DOCUMENTS


def saved(document):
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


# Slides


def test_pptx_is_a_section_a_slide():
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "営業方針"
    first.placeholders[1].text = "新規開拓\n価格改定"
    first.notes_slide.notes_text_frame.text = "ここで事例を話す。"
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "価格"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for i, text in enumerate(("品名", "価格", "机", "900円")):
        table.cell(i // 2, i % 2).text = text
    third = deck.slides.add_slide(deck.slide_layouts[6])
    box = third.shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "題のないスライド"
    (content,) = read_content(saved(deck), "方針.pptx")
    assert [(s.text, s.headings, s.page) for s in content.sections] == [
        ("営業方針\n\n新規開拓\n価格改定\n\nここで事例を話す。", ("営業方針",), 1),
        ("価格\n\n品名: 机、価格: 900円", ("価格",), 2),
        ("題のないスライド", (), 3),
    ]


# Pages


def test_xhtml_that_says_its_encoding_is_read():
    """As the Debian Reference is written, which lxml refused."""
    page = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>'
        '<html><body><h1>題<a class="headerlink" href="#x">¶</a></h1><p>本文。</p></body></html>'
    )
    (content,) = read_content(page.encode(), "a.html")
    assert [(s.text, s.headings) for s in content.sections] == [("題\n\n本文。", ("題",))]


def test_line_breaks_of_the_source_are_not_of_the_page():
    page = (
        "<html><body><p>恒久的 IP\nアドレスを持つ\nシステム。<br>次の\n行。</p>"
        "<pre>$ ls\n  a.txt\n</pre></body></html>"
    )
    (content,) = read_content(page.encode(), "a.html")
    wanted = "恒久的 IP アドレスを持つシステム。\n次の行。\n\n$ ls\n  a.txt"
    assert [s.text for s in content.sections] == [wanted]


def test_what_only_leads_to_other_pages_is_left_out():
    """Tables of contents of DocBook and Sphinx held half of the passages found for a question."""
    page = (
        "<html><body><h1>題</h1><div class='toc'><ul><li><a href='#a'>一章</a></li></ul></div>"
        "<div role='navigation'><p>前 次</p><div class='toc'>索引</div></div><p>本文。</p>"
        "<ul><li><a href='a.docx'>休暇届</a></li></ul></body></html>"
    )
    (content,) = read_content(page.encode(), "a.html")
    assert [s.text for s in content.sections] == ["題\n\n本文。\n\n休暇届"]


def test_lists_of_links_within_a_page_are_left_out():
    places = ["総則", "休暇 日数", "附則"]
    links = "".join(f"<tr><td>• <a href='#{quote(p)}'>{p}</a></td></tr>" for p in places)
    body = "".join(f"<h2 id='{p}'>{p}</h2><p>本文。</p>" for p in places)
    bare = links.replace("• ", "")

    def read(text):
        (content,) = read_content(f"<body>{text}{body}</body>".encode(), "a.html")
        return [s.text for s in content.sections][:-3]

    assert read(f"<table>{bare}</table>") == []
    assert read(f"<div><ul><li><a href='#総則'>総則</a><table>{bare}</table></ul></div>") == []
    # What has words of its own, leads to other pages or to nothing, or is short, stays.
    assert read(f"<table>{links}</table>")
    assert read(f"<table>{bare.replace('#', 'b.html#')}</table>")
    assert read(f"<table>{bare.replace('#', '#x')}</table>")
    assert read("<ul><li><a href='#総則'>総則</a><li><a href='#附則'>附則</a></ul>")


def test_contents_of_markdown_are_left_out():
    contents = "- [総則](#総則)\n  1. [休暇（年休）](#休暇)\n- [附則](#附則)"
    told = (
        "- [様式](様式.docx)\n- [総則](#総則)を見る\n- [休暇](#休暇)または[附則](#附則)"
        "\n\n- [総則](#総則)\n- [附則](#附則)\n\n"
        "- [休暇](#休暇)または[附則](#附則)\n- [総則](#総則)と[休暇](#休暇)\n"
        "- [総則](#総則)や[附則](#附則)"
    )
    rest = "## 1. 休暇（年休）\n\n10日。\n\n## 附則"
    text = f"# 規程\n\n{contents}\n\n## 総則\n\n{told}\n\n{rest}"
    (content,) = read_content(text.encode(), "a.md")
    assert [(s.headings, s.text) for s in content.sections] == [
        (("規程", "総則"), f"総則\n\n{told}"),
        (("規程", "1. 休暇（年休）"), "1. 休暇（年休）\n\n10日。"),
        (("規程", "附則"), "附則"),
    ]


ENTRIES = ["返品は7日以内", "送料は500円", "問い合わせは 03-1234-5678"]


def test_links_of_markdown_that_are_no_headings_stay():
    def read(entries, headings=""):
        text = "\n".join(f"- [{entry}](#a)" for entry in entries)
        (content,) = read_content(f"# 案内\n\n{text}\n\n{headings}".encode(), "a.md")
        return "\n".join(s.text for s in content.sections), content.left_out

    for entries in (ENTRIES, ["2023年", "2024年", "2025年"], ["案", "内", "図"]):
        text, left_out = read(entries, "## 2022年")
        assert all(entry in text for entry in entries)
        assert not left_out
    text, left_out = read([*ENTRIES, "**総則**", "第2章 休暇"], "## 総則\n\n## 休暇")
    assert [entry in text for entry in (*ENTRIES, "[**総則**]", "第2章")] == [1, 1, 1, 0, 0]
    assert [part.is_loss for part in left_out] == [False]


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("<li><a href='#{0}'>{1}</a>", "<p id='{0}'>手続</p>"),
        ("<li><a href='#{0}'>{1}</a>", "<h2 id='{0}'>手続</h2>"),
        ("<li><a href='#{0}'><h3>{1}</h3></a>", "<p id='{0}'>手続</p>"),
        ("<li><h3><a href='#{0}'>{1}</a></h3>", "<p id='{0}'>手続</p>"),
        ("<li><a href='#{0}'><img alt='{1}'></a>", "<h2 id='{0}'>手続</h2>"),
        ("<li id='{0}'><a href='#{0}'>{1}</a>", ""),
    ],
)
def test_links_of_pages_that_are_no_headings_stay(entry, place):
    places = list(enumerate(ENTRIES))
    links = "".join(entry.format(i, text) for i, text in places)
    page = f"<h1>案内</h1><ul>{links}</ul>{''.join(place.format(i, '') for i, _ in places)}"
    (content,) = read_content(page.encode(), "a.html")
    text = "\n".join(s.text for s in content.sections)
    assert all(entry in text for entry in ENTRIES)
    assert not content.left_out


# Sheets


def test_xlsx_rows_carry_their_headers():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "価格表"
    for row in (
        ["2026年度 価格表", None, None],
        ["品名", "価格", "改定日"],
        ["加湿器", 12800, date(2026, 4, 1)],
        [None, None, None],
        ["フィルター", 1500.5, datetime(2026, 4, 1, 9, 30)],
    ):
        sheet.append(row)
    other = book.create_sheet("メモ")
    other["A1"] = "来期は据え置き。"
    book.create_sheet("空")
    (content,) = read_content(saved(book), "価格.xlsx")
    assert [(s.text, s.headings) for s in content.sections] == [
        (
            "品名: 加湿器、価格: 12800、改定日: 2026-04-01\n\n"
            "品名: フィルター、価格: 1500.5、改定日: 2026-04-01 9:30:00",
            ("価格表", "2026年度 価格表"),
        ),
        ("来期は据え置き。", ("メモ",)),
    ]


def test_xlsx_values_and_not_formulas():
    book = openpyxl.Workbook()
    book.active.append(["税抜", "税込"])
    book.active.append([100, "=A2*1.1"])
    (content,) = read_content(saved(book), "式.xlsx")
    # Excel has never computed it, so there is no value.
    assert content.sections[0].text == "税抜: 100、税込: （未計算: =A2*1.1）"
    assert [(part.page, part.count, part.is_loss) for part in content.left_out] == [(1, 1, True)]


# Records


def test_jsonl_records_are_their_text_or_their_fields():
    text = (
        '{"title": "休暇", "text": "10日。", "id": 3}\n\n'
        '{"本文": "本文だけ。"}\n'
        '{"品名": "机", "価格": 900, "色": ["白", "黒"], "備考": null}\n'
        '"文字列"\n'
    )
    assert [(s.text, s.headings) for s in read_jsonl(text)] == [
        ("休暇\n\n10日。", ("休暇",)),
        ("本文だけ。", ()),
        ('品名: 机、価格: 900、色: ["白", "黒"]', ()),
        ("文字列", ()),
    ]
    with pytest.raises(DocumentError, match=r"a\.jsonl: Line 2 is not valid JSON"):
        read_content(b'{"text": "a"}\n{', "a.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"text": "本文", "author": "山田"}', [("本文", {"author": "山田"})]),
        ('{"text": "", "summary": "要約だけ"}', [("summary: 要約だけ", {})]),
        ('{"text": null, "content": "内容", "n": 1}', [("内容", {"n": 1})]),
        ('{"text": "一", "body": "二"}', [("一\n\n二", {})]),
        ('{"text": ["一", "二"], "ok": true}', [("一\n二", {"ok": True})]),
        (
            '{"text": "本文", "tags": ["a", "b"], "by": {"name": "山田"}, "x": NaN}',
            [("本文", {"tags": '["a", "b"]', "by": '{"name": "山田"}', "x": "NaN"})],
        ),
        ('{"text": "本文", "source": "/etc/passwd"}', [("本文", {"record_source": "/etc/passwd"})]),
        ('{"text": "本文", "by": "甲", "by": "乙"}', [("本文", {"by": '["甲", "乙"]'})]),
        ('[\n  {"text": "一"},\n  {"text": "二"}\n]\n', [("一", {}), ("二", {})]),
        ('{\n  "text": "一"\n}\n{\n  "text": "二"\n}', [("一", {}), ("二", {})]),
        ('\ufeff\n{"text": "一"}\n\n42\n', [("一", {}), ("42", {})]),
        ('{"text": "  ", "title": "題"}', [("title: 題", {})]),
    ],
    ids=[
        "other fields", "empty text", "no text", "two texts", "paragraphs", "nested", "reserved",
        "repeated", "array", "over lines", "blank lines", "title alone",
    ],
)  # fmt: skip
def test_no_field_of_a_json_record_is_lost(tmp_path, text, expected):
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    own = {"source", "title", "format", "encoding", "content_hash", "line", "headings"}
    found = [
        (d.page_content, {k: v for k, v in d.metadata.items() if k not in own})
        for d in load_documents(path)
    ]
    assert found == expected
    with Sandbox(1) as sandbox:
        data = text.encode()
        assert sandbox.read(data, "a.jsonl") == read_content(data, "a.jsonl")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": ' + "1" * 5000 + "}", '{"a": "b'])
def test_json_that_cannot_be_read_is_refused(text):
    with pytest.raises(DocumentError, match=r"Line 2 is (not valid JSON|JSON that cannot be read)"):
        read_jsonl(f'{{"text": "a"}}\n{text}')


# Aozora Bunko

AOZORA = """坊っちゃん
夏目漱石

-------------------------------------------------------
【テキスト中に現れる記号について】

《》：ルビ
（例）坊《ぼ》っちゃん
-------------------------------------------------------

［＃５字下げ］一［＃「一」は中見出し］

　親譲《おやゆず》りの無鉄砲《むてっぽう》で小供の時から損ばかりしている。
　母が｜大《おおき》な眼をした。※［＃「魚＋師のつくり」、第3水準1-94-37、U+2A2B2、130-8］を食った。
　「清［＃「清」に傍点］」と※［＃「口＋愛」、第3水準1-15-23］を云った。
［＃改ページ］
［＃５字下げ］二［＃「二」は中見出し］

　ぶうと云って汽船がとまった。

底本：「夏目漱石全集」
"""


def test_aozora_ruby_and_notes_are_removed_and_headings_kept():
    assert [(s.text, s.headings) for s in read_aozora(AOZORA)] == [
        ("坊っちゃん\n\n夏目漱石", ("坊っちゃん",)),
        (
            "一\n\n親譲りの無鉄砲で小供の時から損ばかりしている。\n\n"
            "母が大な眼をした。\U0002a2b2を食った。\n\n「清」と噯を云った。",
            ("坊っちゃん", "一"),
        ),
        ("二\n\nぶうと云って汽船がとまった。", ("坊っちゃん", "二")),
    ]
    (content,) = read_content(AOZORA.encode("cp932", "ignore"), "坊っちゃん.txt")
    assert content.encoding == "cp932"
    assert content.sections[1].headings == ("坊っちゃん", "一")


@pytest.mark.parametrize(
    ("note", "char"),
    [
        ("※［＃「口＋云」、第3水準1-14-87］", "呍"),
        ("※［＃「口＋愛」、第3水準1-15-23、12-3］", "噯"),
        ("※［＃「てへん＋丑」、第4水準2-12-93］", "扭"),
        ("※［＃二の字点、1-2-22］", "〻"),
        ("※［＃ローマ数字2、1-13-22］", "Ⅱ"),
        ("※［＃「火＋喜」、U+71BA、12-3］", "熺"),
        ("※［＃「魚＋何か」、12-3］", "〔魚＋何か〕"),
        ("※［＃「何か」、第3水準1-99-99］", "〔何か〕"),
    ],
    ids=["level 3", "with a page", "level 4", "mark", "numeral", "code point", "no code", "none"],
)
def test_aozora_characters_outside_jis(note, char):
    (section,) = read_aozora(f"坊っちゃん\n\n《》\nこれは{note}です。")
    assert f"これは{char}です。" in section.text


def test_what_is_left_out_of_aozora_and_empty_files_is_said():
    parts = read_content(AOZORA.encode(), "a.txt")[0].left_out
    assert [(part.count, part.is_loss) for part in parts] == [(3, False), (2, False)]
    for name in ("a.txt", "a.md", "a.html", "a.csv", "a.jsonl"):
        (part,) = read_content(b" \n", name)[0].left_out
        assert (part.reason, part.is_loss) == ("the file has no text", False)


def test_double_angle_brackets_of_other_texts_stay():
    (content,) = read_content("規程《改正案》を定める。".encode(), "規程.txt")
    assert content.sections[0].text == "規程《改正案》を定める。"


# Archives


@pytest.mark.slow
def test_files_in_an_archive_are_read_and_named(tmp_path):
    path = tmp_path / "規程.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("総務/就業.txt", "試用期間は3か月。".encode("cp932"))
        archive.writestr("壊れた.pdf", b"%PDF broken")
        archive.writestr("画像.png", b"png")
        archive.writestr("中.zip", zipped(**{"a.txt": b"a"}))
    loaded = load_documents(path, on_error="skip")
    (document,) = loaded
    assert document.page_content == "試用期間は3か月。"
    assert document.metadata["source"] == str(path)
    assert document.metadata["inside"] == "総務/就業.txt"
    assert document.metadata["title"] == "就業"
    assert document.metadata["encoding"] == "cp932"
    assert {name.rsplit("/", 1)[1]: reason for name, reason in loaded.failed.items()}.keys() == {
        "壊れた.pdf", "中.zip",
    }  # fmt: skip
    assert loaded.ignored == [f"{path}/画像.png"]
    assert "an archive in an archive" in loaded.failed[f"{path}/中.zip"]
    with pytest.raises(DocumentError, match=r"壊れた\.pdf has no readable text"):
        load_documents(path)


def test_names_in_archives_of_japanese_windows():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("x" * 10)
        archive.writestr(info, b"text")
    # As Explorer writes it: CP932 bytes, and no flag for UTF-8.
    data = buffer.getvalue().replace(b"x" * 10, "規程表.txt".encode("cp932"))
    assert Archive(data, "a.zip").names() == ["規程表.txt"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../../etc/passwd.txt": b"x"}, "path that leads out of it"),
        ({"/abs.txt": b"x"}, "path that leads out of it"),
        ({"C:\\x.txt": b"x"}, "path that leads out of it"),
        ({"bomb.txt": bytes(200 * 1024**2)}, "times its size; refused as too large"),
        ({f"{i}.txt": b"" for i in range(10_001)}, "has 10001 files"),
    ],
    ids=["parent", "absolute", "drive", "bomb", "count"],
)
def test_archives_made_to_do_harm_are_refused(files, message):
    with pytest.raises(DocumentError, match=message):
        read_content(zipped(**files), "a.zip")


def test_an_archive_that_lies_about_its_sizes_is_refused():
    data = bytearray(zipped(**{"a.txt": bytes(10**6)}))
    # The central directory says ten bytes.
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (10).to_bytes(4, "little")
    (content,) = read_content(bytes(data), "a.zip")
    assert content.error
    assert not content.sections


def test_encrypted_and_damaged_archives_are_refused():
    data = bytearray(zipped(**{"a.txt": b"text"}))
    for mark in (b"PK\x01\x02", b"PK\x03\x04"):
        data[data.index(mark) + (8 if mark == b"PK\x01\x02" else 6)] |= 1
    with pytest.raises(DocumentError, match="is encrypted"):
        read_content(bytes(data), "a.zip")
    with pytest.raises(DocumentError, match="is not a readable archive"):
        read_content(b"PK\x03\x04 broken", "a.zip")
    for suffix in ("docx", "pptx", "xlsx"):
        with pytest.raises(DocumentError, match=f"a.{suffix}"):
            read_content(zipped(**{"a.txt": b"x"}), f"a.{suffix}")


def test_entities_are_not_expanded():
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    xml = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x>&l9;</x>'.encode()
    began = time.perf_counter()
    for name in ("a.docx", "a.pptx"):
        part = "word/document.xml" if name == "a.docx" else "ppt/presentation.xml"
        with pytest.raises(DocumentError, match=f"{name} is damaged"):
            read_content(zipped(**{part: xml}), name)
    # One of the machine's own files is not read either.
    xml = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><x>&f;</x>'
    (content,) = read_content(zipped(**{"ppt/presentation.xml": xml}), "a.pptx")
    assert content.sections == ()
    assert time.perf_counter() - began < 5


# Processes


def test_the_sandbox_reads_as_this_process_does():
    data = "<h1>題</h1><p>本文。</p>".encode("euc_jp")
    with Sandbox(1) as sandbox:
        assert sandbox.read(data, "a.html") == read_content(data, "a.html")
        with pytest.raises(DocumentError, match="has no readable text"):
            sandbox.read(b"%PDF-1.4", "a.pdf")
        # The process is still there for the next file.
        assert sandbox.read(b"text", "a.txt")[0].sections[0].text == "text"


HANG = "import time; time.sleep(60)"
DIE = "import os; os._exit(9)"
FILL = "x = bytearray(8 * 2**30)"
# Writes an answer of its own into the pipe for answers.
LIE = (
    "import os, stat; [os.write(fd, {!r}) for fd in range(3, 64) if "
    "os.path.exists(f'/proc/self/fd/{{fd}}') and stat.S_ISFIFO(os.fstat(fd).st_mode)]"
)
LIES = [LIE.format(line) for line in (b"[1]\n", b'{"size": {}}\n', b'{"section": 1, "size": 0}\n')]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (HANG, "it took over 1 s"),
        (DIE, "its reader died"),
        (FILL, "needs more than 1 GiB"),
        *((lie, "its reader died") for lie in LIES),
    ],
    ids=["hangs", "dies", "fills memory", "a list", "no size", "no section"],
)
def test_a_file_that_harms_its_reader_is_an_error_and_the_next_one_is_read(
    tmp_path, monkeypatch, code, message
):
    """A parser of that kind, put before the package's in the reader's path.

    The path of this process does not get there: it may name a folder of documents.
    """
    if code == FILL:
        pytest.importorskip("resource", reason="this system cannot limit a process's memory")
    if code in LIES and sys.platform != "linux":
        pytest.skip("the parser finds the pipe by /proc")
    parser = tmp_path / "pypdfium2"
    parser.mkdir()
    (parser / "__init__.py").write_text(f"def PdfDocument(data):\n    {code}\n", "utf-8")
    no_fonts = "def FPDF_GetDefaultSystemFontInfo():\n    return None\n"
    (parser / "raw.py").write_text(no_fonts, "utf-8")
    (tmp_path / "pypdf.py").write_text("", "utf-8")
    installed = isolated.trusted_path()
    monkeypatch.setattr(isolated, "trusted_path", lambda: [str(tmp_path), *installed])
    with Sandbox(1, timeout_s=1 if code == HANG else 30, memory_gib=1) as sandbox:
        with pytest.raises(DocumentError, match=message):
            sandbox.read(b"%PDF", "a.pdf")
        with Sandbox(1) as patient:
            assert patient.read(b"text", "a.txt")[0].sections[0].text == "text"
        if code != HANG:
            assert sandbox.read(b"text", "a.txt")[0].sections[0].text == "text"


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
def test_another_extractor_reads_a_pdf_that_one_cannot(monkeypatch, failing):
    data = (DOCUMENTS / "会社案内.pdf").read_bytes()
    wanted = pdf.read_pdf(data, "a.pdf")
    assert "1958年6月8日" in wanted[0].text

    def no_text(_):
        return [chr(0xFFFD) * 9]

    names = ("_pdfium_pages", "_pypdf_pages", "_pdfminer_pages")
    for name in names[:failing]:
        monkeypatch.setattr(pdf, name, no_text)
    if failing < len(names):
        assert pdf.read_pdf(data, "a.pdf") == wanted
    else:
        with pytest.raises(DocumentError, match=r"unreadable characters.*needs OCR"):
            pdf.read_pdf(data, "a.pdf")


# Folders


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "文書"
    for name in ("a.txt", "規程/b.md", "規程/c.txt", "d.png", ".隠し.txt", "~$e.docx"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("本文。", encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["a", "b", "c"]),
        ({"recursive": False}, ["a"]),
        ({"include": ["*.txt"]}, ["a", "c"]),
        ({"include": ["規程/*"], "exclude": ["*.md"]}, ["c"]),
        ({"exclude": ["規程/*"]}, ["a"]),
    ],
    ids=str,
)
def test_which_files_of_a_folder_are_read(folder, options, names):
    loaded = load_documents(folder, **options)
    assert [d.metadata["title"] for d in loaded] == names
    assert [d.metadata["title"] for d in lazy_load_documents(folder, **options)] == names
    if not options:
        assert loaded.ignored == [str(folder / "d.png")]


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    (tmp_path / "秘密.txt").write_text("秘密。", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "秘密.txt")
    loaded = load_documents(folder)
    assert "秘密。" not in [d.page_content for d in loaded]
    assert str(folder / "link.txt") in loaded.ignored


@pytest.mark.slow
def test_many_files_are_read_in_order_and_lazily(tmp_path):
    for i in range(60):
        (tmp_path / f"{i:02}.txt").write_text(f"文書{i}。", encoding="utf-8")
    loaded = load_documents(tmp_path)
    assert [d.page_content for d in loaded] == [f"文書{i}。" for i in range(60)]
    lazily = lazy_load_documents(tmp_path, processes=1)
    assert next(lazily).page_content == "文書0。"
    # What is not asked for need not be there any more.
    (tmp_path / "59.txt").unlink()
    assert next(lazily).page_content == "文書1。"
    lazily.close()
