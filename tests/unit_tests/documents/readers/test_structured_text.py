"""JSON, notebooks, LaTeX, reStructuredText, source code and electronic books."""

import io
import json
import zipfile

import pytest

from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError


def sections(data, name):
    data = data.encode() if isinstance(data, str) else data
    (content,) = read_content(data, name)
    return [(section.headings, section.text) for section in content.sections]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            [{"title": "休暇", "text": "年10日です。", "年": 2025}, {"text": "日当は2千円です。"}],
            [(("休暇",), "休暇\n\n年10日です。"), ((), "日当は2千円です。")],
        ),
        ([{"品名": "机", "単価": 900}], [((), "品名: 机、単価: 900")]),
        (
            {"会社": "青空", "支店": [{"名": "東京", "人数": 3}, {"名": "大阪", "人数": 2}]},
            [
                ((), "会社: 青空"),
                (("支店",), "名: 東京、人数: 3"),
                (("支店",), "名: 大阪、人数: 2"),
            ],
        ),
        (
            {"設定": {"網": {"名": "社内", "口": [80, 443]}, "空": {}, "有効": True}},
            [
                (("設定",), "設定\n空: {}\n有効: true"),
                (("設定", "網"), "網\n名: 社内\n口: [80, 443]"),
            ],
        ),
        ({"text": "本文です。", "著者": "山田"}, [((), "本文です。")]),
        ("文字列", [((), "文字列")]),
        ([[{"a": 1}], [2, 3]], [((), "a: 1"), ((), "[2, 3]")]),
        ([], []),
    ],
)
def test_json(data, expected):
    assert sections(json.dumps(data, ensure_ascii=False), "a.json") == expected


def test_other_fields_of_json_records_are_metadata():
    (content,) = read_content('{"本文": "あ", "年": 2025}'.encode(), "a.json")
    assert content.sections[0].fields == (("年", 2025),)


@pytest.mark.parametrize("data", ["{", "[" * 100_000, '{"a": ' * 5000 + "1" + "}" * 5000])
def test_broken_json_is_an_error(data):
    with pytest.raises(DocumentError, match=r"a\.json"):
        read_content(data.encode(), "a.json")


def cell(kind, source, **others):
    return {"cell_type": kind, "source": source.splitlines(keepends=True), **others}


def test_notebooks():
    picture = {"output_type": "display_data", "data": {"image/png": "", "text/plain": "<Figure>"}}
    video = {"output_type": "display_data", "data": {"video/mp4": ""}}
    printed = {"output_type": "stream", "text": ["売上 100\n", "```"]}
    failed = {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: 値"]}
    cells = [
        cell("markdown", "# 分析\n\n売上を見る。\n\n```\nopen"),
        cell("code", "# 集計\nprint(sum(x))", outputs=[printed, picture, failed, video]),
        cell("markdown", "## 結論\n\n増えた。"),
    ]
    (content,) = read_content(json.dumps({"cells": cells, "nbformat": 4}).encode(), "a.ipynb")
    assert [section.headings for section in content.sections] == [("分析",), ("分析", "結論")]
    for text in ("# 集計\nprint(sum(x))", "売上 100\n```", "ValueError: 値", "<Figure>"):
        assert text in content.sections[0].text
    assert {(part.reason, part.count) for part in content.left_out} == {
        ("output without text (image/png)", 1),
        ("output without text (video/mp4)", 1),
    }


def test_another_file_is_not_a_notebook():
    with pytest.raises(DocumentError, match=r"a\.ipynb.*not a Jupyter notebook"):
        read_content(b'{"a": 1}', "a.ipynb")


TEX = r"""
\title{就業規則の
解説}
はじめに。
\section*{第一部 \emph{休暇}}
\subsection[短]{有給} 年10日です。
\section{賃金}
\begin{tabular}{l} 基本給 \end{tabular}
"""
RST = """\
====
題名
====

はじめに。

休暇
----

年10日です。

細目
~~~~
.. note:: 注意

賃金
----
=====  ====
項目   額
=====  ====
基本給 20万
=====  ====
"""
CODE = """\
import os

class Store(Base):
    def add(self, text: str) -> None:
        pass

async def main():
    run()
"""


@pytest.mark.parametrize(
    ("name", "text", "headings"),
    [
        (
            "a.tex",
            TEX,
            [
                ("就業規則の 解説",),
                ("就業規則の 解説", "第一部 休暇"),
                ("就業規則の 解説", "第一部 休暇", "有給"),
                ("就業規則の 解説", "賃金"),
            ],
        ),
        ("a.rst", RST, [("題名",), ("題名", "休暇"), ("題名", "休暇", "細目"), ("題名", "賃金")]),
        ("a.py", CODE, [(), ("Store",), ("Store", "add"), ("main",)]),
        ("a.go", "package x\nfunc Add(a int) int {\n}\n", [(), ("Add",)]),
        ("a.ts", "export default class Foo<T> extends Bar {\n}\n", [("Foo<T> extends Bar",)]),
    ],
)
def test_marked_text_keeps_every_line(name, text, headings):
    read = sections(text, name)
    assert [path for path, _ in read] == headings
    written = [line for line in text.split("\n") if line.strip()]
    assert [line for _, body in read for line in body.split("\n") if line.strip()] == written


def test_packed_code_is_left_out_by_design():
    (content,) = read_content(b"var a=1;" * 1000, "a.js")
    assert [(part.is_loss, part.count) for part in content.left_out][:1] == [(False, 1)]
    assert content.sections == ()


OPF = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>吾輩は猫</dc:title>
<dc:creator>夏目漱石</dc:creator><dc:description>&lt;p>猫の話。</dc:description></metadata>
<manifest><item id="n" href="nav.xhtml" properties="nav"/><item id="a" href="text/%E4%B8%80.xhtml"/>
<item id="b" href="b.xhtml"/><item id="c" href="c.xhtml"/><item id="m" href="missing.xhtml"/>
<item id="d" href="d.xhtml"/></manifest>
<spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/><itemref idref="c"/>
<itemref idref="m"/><itemref idref="d"/></spine></package>"""
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OPS/a.opf"/></rootfiles></container>"""
ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<x:CipherReference xmlns:x="http://www.w3.org/2001/04/xmlenc#" URI="OPS/d.xhtml"/></encryption>"""


def book(folder="", **others):
    buffer = io.BytesIO()
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {
            "META-INF/container.xml": CONTAINER,
            "META-INF/encryption.xml": ENCRYPTION,
            "OPS/a.opf": OPF,
            "OPS/nav.xhtml": page.format("<nav>目次</nav>"),
            "OPS/b.xhtml": page.format(
                "<h1>一</h1><p><ruby>吾輩<rt>わがはい</rt></ruby>は猫である。</p>"
            ),
            "OPS/text/一.xhtml": page.format("<h1>二</h1><p>名前はまだ無い。</p>"),
            "OPS/c.xhtml": page.format('<img src="1.jpg"/>'),
            "OPS/d.xhtml": "?",
            **others,
        }.items():
            archive.writestr(folder + path, text)
    return buffer.getvalue()


@pytest.mark.parametrize("folder", ["", "epub/", "本/一/"])
def test_books_are_read_in_reading_order(folder):
    """Also those that were packed with their folder, as Debian's are."""
    (content,) = read_content(book(folder), "a.epub")
    assert [(s.headings, s.text) for s in content.sections] == [
        (("吾輩は猫",), "書名: 吾輩は猫\n著者: 夏目漱石\n説明: 猫の話。"),
        (("吾輩は猫", "一"), "一\n\n吾輩は猫である。"),
        (("吾輩は猫", "二"), "二\n\n名前はまだ無い。"),
    ]
    lost = [(part.page, part.reason.partition(";")[0]) for part in content.left_out if part.is_loss]
    assert lost == [
        (3, "page that is a picture"),
        (4, "part that the file does not have"),
        (5, "part encrypted by its seller (DRM)"),
    ]


def test_another_archive_is_not_a_book():
    with pytest.raises(DocumentError, match=r"a\.epub is a damaged EPUB book"):
        read_content(book(**{"META-INF/container.xml": "<container/>"}), "a.epub")
