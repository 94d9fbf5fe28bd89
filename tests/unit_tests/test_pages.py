"""Pages of paper: sentences that go on over them, running headers and footers, PDFs of them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_swallow.formats import pdf
from langchain_swallow.formats.section import Section
from langchain_swallow.text.headings import split_at_headings
from langchain_swallow.text.layout import join_wrapped_pages
from langchain_swallow.text.running_lines import split_running_lines
from tests.unit_tests.paper import print_pdf

WRAPPED = "社員は、年次有給休暇を取る日の三日前までに、所定の申請書を所"
PAGE = f"第5条\n{WRAPPED}\n{WRAPPED}"


def body(i):
    return f"ここは{'一二三四五六七八九'[i]}頁目の本文。\n続きの{i}。"


def test_a_sentence_over_pages_is_on_the_page_it_begins_on():
    assert join_wrapped_pages([PAGE, "属長に出す。次の\n条。"]) == [
        f"第5条\n{WRAPPED * 2}属長に出す。",
        "次の\n条。",
    ]


def test_a_sentence_may_fill_a_page():
    assert join_wrapped_pages([PAGE, WRAPPED, "属長に。"]) == [
        f"第5条\n{WRAPPED * 3}属長に。",
        "",
        "",
    ]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("・属長に出す。", id="an item"),
        pytest.param("品名 単価 在庫\n机 900円 3", id="no end of a sentence"),
        pytest.param("い" * 400 + "。", id="too long for a sentence"),
        pytest.param("\n属長に出す。", id="after an empty line"),
    ],
)
def test_what_does_not_end_a_sentence_stays_on_its_page(after):
    assert join_wrapped_pages([PAGE, after])[1] == after


def test_headings_hold_until_the_next_whatever_page_it_is_on():
    contents = "目次\n第1章 総則……… 1\n第2章 休暇 ・・・ 2"
    pages = [
        contents,
        "第1章 総則\n第1条（目的）\n甲。\n第2章 休暇",
        "",
        "乙。\n第2条（年休）",
        "丙。",
        "丁。",
    ]
    first, second, third = "第1章 総則", "第2章 休暇", "第2条（年休）"
    assert list(split_at_headings(pages)) == [
        (0, (), contents),
        (1, (first, "第1条（目的）"), f"{first}\n第1条（目的）\n甲。"),
        (3, (second,), f"{second}\n\n乙。"),
        (4, (second, third), f"{third}\n丙。"),
        (5, (second, third), "丁。"),
    ]


LINES = st.sampled_from(["", "社外秘", "1", "- 2 -", "あ", "い。", WRAPPED, f"{WRAPPED}。", "a b"])
PAGES = st.lists(st.lists(LINES, max_size=6).map("\n".join), max_size=8)


@given(PAGES)
def test_no_character_is_lost_between_pages(pages):
    joined = join_wrapped_pages(pages)
    assert len(joined) == len(pages)
    assert "".join("".join(joined).split()) == "".join("".join(pages).split())


RULES = ["第1章 総則", "第1条（目的）", "（適用）", "第2条 甲に。", "附則", "■甲", "", "乙。"]


@given(st.lists(st.lists(st.sampled_from(RULES), max_size=6).map("\n".join), max_size=6))
def test_headings_lose_no_character(pages):
    parts = list(split_at_headings(pages))
    assert "".join("".join(text for _, _, text in parts).split()) == "".join("".join(pages).split())
    assert [index for index, _, _ in parts] == sorted(index for index, _, _ in parts)


@given(PAGES)
def test_running_lines_lose_no_word(pages):
    bodies, words = split_running_lines(pages)
    left = "\n".join([*bodies, *(line for page in words for line in page)])
    for line in "\n".join(pages).split("\n"):
        assert line in left or not line.strip(" -0123456789")


def test_running_lines_are_taken_out_and_their_words_kept_once():
    # Headers of odd and even pages; numbers that are ten ahead; a page that begins a chapter.
    headers = ["株式会社青葉", "就業規則 第3版"]
    pages = [f"{headers[i % 2]}\n\n{body(i)}\n社外秘\n休暇 {i + 11} / 30" for i in range(9)]
    pages[4] = "賃金\n賃金は月末に払う。"
    bodies, words = split_running_lines(pages)
    assert bodies == [pages[4] if i == 4 else body(i) for i in range(9)]
    assert words[:2] == [["株式会社青葉", "社外秘", "休暇"], ["就業規則 第3版"]]
    assert not any(words[2:])


@pytest.mark.parametrize(
    "number",
    ["{}", "- {} -", "{}頁", "{} / 12", "{}/12ページ", "Page {}", "p.{}", "({})", "— {} —"],
)
def test_numbers_of_pages_are_known(number):
    pages = [f"{body(i)}\n{number.format(i + 1)}" for i in range(3)]
    assert split_running_lines(pages) == ([body(i) for i in range(3)], [[], [], []])


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param(["社外秘\n一", "社外秘\n二"], id="two pages"),
        pytest.param([f"問{i + 1}\n{body(i)}" for i in range(5)], id="a number within a word"),
        pytest.param([f"{n} 安全\n{body(n)}" for n in (1, 4, 2, 8)], id="numbers out of step"),
        pytest.param([f"品名 単価 数\n机{i} 900円 {i * i}" for i in range(5)], id="column names"),
        pytest.param([f"{i}。\n以上{i}。\n同文。\n以上。\n{i}、" for i in range(5)], id="within"),
    ],
)
def test_what_pages_say_is_no_running_line(pages):
    assert split_running_lines(pages) == (pages, [[] for _ in pages])


def test_running_words_that_the_text_has_are_not_added():
    opening = f"{body(7)}\n第2章 休暇\n{body(8)}"
    pages = [opening, *(f"第2章 休暇\n{body(i)}" for i in range(4))]
    assert split_running_lines(pages) == ([opening, *map(body, range(4))], [[]] * 5)


def test_a_heading_with_the_number_of_its_page_stays():
    pages = [f"{body(i)}\n{i + 1}" for i in range(5)]
    pages[2] = f"3 安全\n{pages[2]}"
    assert split_running_lines(pages)[0][2] == f"3 安全\n{body(2)}"


@pytest.mark.parametrize("extractor", ["_pdfium_pages", "_pypdf_pages", "_pdfminer_pages"])
def test_a_sentence_of_a_pdf_goes_on_over_header_and_footer(monkeypatch, extractor):
    article = "第1条（届出）"
    texts = [[article, WRAPPED, WRAPPED], ["属長に出す。", WRAPPED, WRAPPED], ["属長が認める。"]]
    data = print_pdf([["就業規則", *text, f"- {i} -"] for i, text in enumerate(texts, 1)])
    pages = getattr(pdf, extractor)(data)
    for name in ("_pdfium_pages", "_pypdf_pages", "_pdfminer_pages"):
        monkeypatch.setattr(pdf, name, lambda _: pages)
    assert pdf.read_pdf(data, "a.pdf") == [
        Section(f"就業規則\n{article}\n{WRAPPED * 2}属長に出す。", (article,), page=1),
        Section(f"{WRAPPED * 2}属長が認める。", (article,), page=2),
    ]


@pytest.mark.parametrize("line", ["." * 200_000, ". " * 100_000 + "x", "あ" + " " * 200_000 + "い"])
def test_a_line_of_any_length_is_read_in_time(line):
    """Quadratic in its length, each took a minute or more."""
    began = time.perf_counter()
    list(split_at_headings([line]))
    split_running_lines([line] * 3)
    assert time.perf_counter() - began < 5
