"""Headings without text of their own: never lost, never said twice."""

import io

import docx
import pptx
import pytest

from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.section import SectionBuilder


def saved(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def sections(data, name):
    (content,) = read_content(data, name)
    return [(section.text, section.headings) for section in content.sections]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(1, "甲"), (1, "乙"), "文"], [("甲", ("甲",)), ("乙\n\n文", ("乙",))]),
        ([(1, "甲"), (2, "乙"), "文"], [("乙\n\n文", ("甲", "乙"))]),
        (
            [(1, "甲"), "文", (1, "乙")],
            [("甲\n\n文", ("甲",)), ("乙", ("乙",))],
        ),
        ([(1, "甲"), (2, "乙")], [("乙", ("甲", "乙"))]),
        (
            [(1, "甲"), (2, "乙"), (1, "丙"), "文"],
            [("乙", ("甲", "乙")), ("丙\n\n文", ("丙",))],
        ),
        (
            [(2, "甲"), (1, "乙"), (2, "丙"), "文"],
            [("甲", ("甲",)), ("丙\n\n文", ("乙", "丙"))],
        ),
        ([(1, "甲")], [("甲", ("甲",))]),
        ([(1, "甲"), "甲"], [("甲", ("甲",))]),
        ([(1, "甲"), (2, "甲"), "文"], [("甲\n\n文", ("甲",))]),
        ([(1, "甲"), (1, "甲"), "文"], [("甲\n\n文", ("甲",))]),
        ([(1, "甲"), "甲", "文"], [("甲\n\n甲\n\n文", ("甲",))]),
        ([(1, "")], []),
        (["文"], [("文", ())]),
        ([], []),
    ],
    ids=[
        "before one of its level", "above another", "last", "last below another",
        "last of its branch", "before one above it", "only", "text is the title",
        "title is heading", "title twice", "title in the text", "empty", "no heading", "nothing",
    ],
)  # fmt: skip
def test_each_heading_stands_in_a_text_or_a_path(steps, expected):
    builder = SectionBuilder()
    for step in steps:
        if isinstance(step, str):
            builder.block(step)
        else:
            builder.heading(*step)
    assert [(s.text, s.headings) for s in builder.sections()] == expected


def test_titles_of_a_word_document():
    made = docx.Document()
    for text, style in (("株式会社サンプル", "Title"), ("就業規則", "Title"), ("本文。", None)):
        made.add_paragraph(text, style=style)
    made.add_heading("付録", 2)
    assert sections(saved(made), "a.docx") == [
        ("株式会社サンプル", ("株式会社サンプル",)),
        ("就業規則\n\n本文。", ("就業規則",)),
        ("付録", ("就業規則", "付録")),
    ]


def test_slides_of_a_title_only():
    deck = pptx.Presentation()
    for title in ("組織図", "沿革"):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
    (content,) = read_content(saved(deck), "a.pptx")
    assert [(s.text, s.page) for s in content.sections] == [("組織図", 1), ("沿革", 2)]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("# 令和7年度\n\n# 事業報告書\n\n本文。\n\n# 付録\n", "a.md",
         ["令和7年度", "事業報告書\n\n本文。", "付録"]),
        ("<title>本日は臨時休業</title><p>本日は臨時休業</p>", "a.html", ["本日は臨時休業"]),
        ("<h1>案内</h1><h2>地図</h2><img src=a.png><h2>電話</h2><p>03-1234-5678</p>", "a.html",
         ["地図", "電話\n\n03-1234-5678"]),
    ],
    ids=["markdown", "page that is its title", "picture below a heading"],
)  # fmt: skip
def test_pages(text, name, expected):
    assert [text for text, _ in sections(text.encode(), name)] == expected
