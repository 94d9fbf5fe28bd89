"""Tables of contents are taken out of paged documents, and nothing that only looks like one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_swallow.documents.layout.contents import without_contents
from langchain_swallow.documents.readers.pdf import read_pdf
from langchain_swallow.documents.readers.section import LeftOut
from tests.support.paper import print_pdf

CHAPTERS = ["第1章 総則\n本文。", "第2章 休暇\n本文。", "第3章 附則\n本文。"]


def cleaned(contents, chapters=CHAPTERS):
    first, *rest = without_contents([contents, *chapters])
    assert rest == list(chapters)
    return first


@pytest.mark.parametrize(
    "contents",
    [
        "第1章 総則 …… 1\n第2章 休暇 …… 2\n第3章 附則 …… 3",
        "目 次\n第１章　総則・・・・・１\n\n第２章　休暇・・・・・２\n第３章　附則・・・・・３",
        "Contents\n1 総則 . . . . . . 1\n2 休暇 . . . . . . 2\n3 附則 . . . . . . 3\nii",
        "総則 ───── 1\n休暇 ───── 2\n附則 ───── 3",
        "第1章 総則 1\n休暇 ...... 1\n休暇 ...... 2\n附則 ...... 3",
        "総則 ...... i\n休暇 ...... iv\n附則 ...... 3",
    ],
)
def test_entries_go_whatever_their_leaders_are(contents):
    assert not cleaned(contents).strip()


def test_text_beside_a_table_stays():
    entries = "総則 …… 1\n休暇 …… 2\n附則 …… 3"
    assert cleaned(f"就業規則\n目次\n{entries}\n令和5年4月 1\n改定。") == (
        "就業規則\n令和5年4月 1\n改定。"
    )


def test_text_may_follow_a_heading_in_its_line():
    chapters = [
        "第1条（目的）　この規則は、",
        "第2条（休暇）　社員は、",
        "本規程の適用範囲に含む。",
    ]
    contents = "第1条（目的） … 1\n第2条（休暇） … 2\n本規程の適用範囲 …… 3"
    assert not cleaned(contents, chapters)


def test_an_entry_may_take_two_lines():
    title = "社外で働く者の労働時間と休憩と休日に関する特別の定め"
    chapters = [*CHAPTERS, f"第4章 {title[:15]}\n{title[15:]}\n本文。"]
    contents = f"総則 …… 1\n休暇 …… 2\n4 {title[:10]}\n{title[10:]} …… 4"
    assert not cleaned(contents, chapters)


def test_a_caption_has_its_kind_before_its_number():
    chapters = ["Table 1.5: chmod(1) の数字\n表。", "図 2 構成\n図。", "表3-1 料金\n表。"]
    contents = "List of Tables\n1.5 chmod(1) の数字 ... 1\n2 構成 ... 2\n3-1 料金 ... 3"
    assert not cleaned(contents, chapters)


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param("机 …… 1\n椅子 …… 2\n棚 …… 3", id="words that no line begins with"),
        pytest.param("本文 …… 1\n第1 …… 2\n第2 …… 3", id="words that lines only begin with"),
        pytest.param("1 …… 1\n2 …… 2\n3 …… 3", id="numbers"),
        pytest.param("総則 …… 1\n休暇 …… 2", id="two"),
        pytest.param("総則 1\n休暇 2\n附則 3", id="no leaders"),
        pytest.param("総則 …… 3\n休暇 …… 2\n附則 …… 1", id="pages that go back"),
        pytest.param("総則 …… 100\n休暇 …… 200\n附則 …… 300", id="pages that are not there"),
        pytest.param("総則 …… 1\n甲。\n乙。\n休暇 …… 2\n丙。\n丁。\n附則 …… 3", id="text between"),
        pytest.param("…… 1\n…… 2\n…… 3", id="no words"),
    ],
)
def test_what_only_looks_like_one_stays(contents):
    assert cleaned(contents) == contents


PARTS = ["ボルト\nM8", "ナット\nM8", "座金\nM8"]
NUMBERED = [f"{n} {part}" for n, part in enumerate(PARTS, 1)]


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param(["価格表\nボルト …… 2\nナット …… 3\n座金 …… 4", *PARTS], id="prices"),
        pytest.param(["部品表\nボルト …… 1\nナット …… 1\n座金 …… 4", *PARTS], id="pieces"),
        pytest.param(["1 ボルト …… 1\n2 ナット …… 4\n3 座金 …… 4", *NUMBERED], id="other pages"),
        pytest.param(
            ["単価（円）\n1 ボルト …… 2\n2 ナット …… 3\n3 座金 …… 4", *NUMBERED],
            id="numbered, and pages by chance",
        ),
        pytest.param([*CHAPTERS, "索引\n総則 …… 1\n休暇 …… 2\n附則 …… 3"], id="an index"),
        pytest.param(
            ["はい", "いいえ", "NÃO SABE", *["問\nはい … 1\nいいえ … 2\nNÃO SABE … 8"] * 9],
            id="answers",
        ),
        pytest.param(["配点\n問1 …… 2\n問2 …… 3\n問3 …… 4", "問1", "問2", "問3"], id="marks"),
    ],
)
def test_figures_that_lead_to_no_heading_stay(pages):
    assert without_contents(pages) == pages


def test_pages_may_be_counted_from_any_page():
    contents = "目次\n総則 …… 1\n休暇 …… 2\n附則 …… 3"
    pages = [contents, "はじめに", "凡例", *CHAPTERS]
    assert without_contents(pages) == ["", *pages[1:]]


def test_an_entry_that_leads_elsewhere_stays():
    contents = "目次\n総則 …… 1\n休暇 …… 2\n賃金 …… 2\n附則 …… 3"
    chapters = [*CHAPTERS, "甲。", "乙。", "第5章 賃金\n本文。"]
    first, *rest = without_contents([contents, *chapters])
    assert (first, rest) == ("賃金 …… 2", chapters)


def test_an_entry_of_what_is_not_there_stays():
    entries = "総則 …… 1\n休暇 …… 2\n附則 …… 3"
    assert cleaned(f"目次\n{entries}\n別冊 …… 4") == "別冊 …… 4"


def test_a_heading_that_is_the_only_one_stays():
    page = "総則\n総則 …… 1\n総則\n総則 …… 1\n総則 …… 1"
    assert without_contents([page]) == [page]


LINES = st.sampled_from(["", "総則", "総則 …… 1", "休暇 …… 2", "附則 …… 3", "目次", "1", "あ 2"])


@given(st.lists(st.lists(LINES, max_size=6).map("\n".join), max_size=6))
def test_no_words_are_lost(pages):
    kept = without_contents(pages)
    assert len(kept) == len(pages)
    for before, after in zip(pages, kept, strict=True):
        assert set(after.split("\n")) <= {*before.split("\n"), ""}
    words = "\n".join(kept)
    for word in ("総則", "休暇", "附則", "あ 2"):
        assert (word in words) == (word in "\n".join(pages))


def test_a_pdf_without_its_contents():
    chapters = ["総則", "休暇", "附則"]
    contents = ["目次", *(f"第{n}章 {name} ……… {n + 1}" for n, name in enumerate(chapters, 1))]
    pages = [[f"第{n}章 {name}", f"{name}の本文。"] for n, name in enumerate(chapters, 1)]
    sections = read_pdf(print_pdf([contents, *pages]), "a.pdf")
    assert [(section.page, section.headings) for section in sections] == [
        (n + 1, (f"第{n}章 {name}",)) for n, name in enumerate(chapters, 1)
    ]


def test_entries_left_out_of_a_pdf_are_counted():
    entries = [f"第{n}章 {name} ……… {n + 1}" for n, name in enumerate("甲乙丙", 1)]
    pages = [[f"第{n}章 {name}", f"{name}の本文。"] for n, name in enumerate("甲乙丙", 1)]
    read = read_pdf(print_pdf([["表題", "目次", *entries], *pages]), "a.pdf")
    assert read.left_out == (LeftOut("entry of a table of contents", 1, 4, is_loss=False),)


def test_long_lines_of_leaders_take_no_time():
    began = time.perf_counter()
    without_contents(["." * 200_000 + "\n" + ". " * 200_000 + "x", " " * 200_000 + "1"])
    assert time.perf_counter() - began < 5
