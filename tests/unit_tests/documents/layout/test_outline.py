"""Headings of PDFs: by bookmarks, else by size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_swallow.documents.layout.outline import Bookmark, outline_paths, set_apart
from langchain_swallow.documents.readers.pdf import read_pdf
from tests.support.paper import print_pdf

WRAPPED = "この規程は、社員が会社の機器を使って社外で働くときに守ること"
TEXT = [WRAPPED, "を定める。", "機器は持ち帰る。"]


def paths(data):
    return [(section.page, section.headings) for section in read_pdf(data, "a.pdf")]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("2.1 適用範囲", "適用範囲"),
        ("適用範囲", "2.1 適用範囲"),
        ("第２章　適用範囲", "適用範囲"),
        ("付録A 適用範囲", "適用範囲"),
        ("■適用範囲", "適用範囲"),
        ("適用 範囲", "適用範囲 "),
        ("1. “範囲”～別表", '"範囲"〜別表'),
        ("Chapter 3\n適用範囲", "適用範囲"),
        ("第二章\n適用\n範囲", "適用範囲"),
        ("IV. 適用範囲", "適用範囲"),
    ],
)
def test_a_heading_is_its_title_with_a_number_or_without(line, title):
    bookmarks = [Bookmark(0, title, 0)]
    pages = set_apart([f"前の文。\n{line}\n後の文。"], bookmarks)
    [((_, row), (heading,))] = outline_paths(pages, bookmarks).items()
    assert "".join(heading.split()) == "".join(line.split())
    assert pages[0].split("\n")[row - 1 : row + 2] == ["", heading, ""]


@pytest.mark.parametrize(
    "line",
    [
        "適用範囲を定める。",
        "終わりは.適用範囲",
        "well. 適用範囲",
        "この適用範囲",
        "適用",
        "適用\n\n範囲",
        "",
        "2023年度",
    ],
)
def test_what_only_has_the_words_is_no_heading(line):
    bookmarks = [Bookmark(0, "適用範囲", 0), Bookmark(0, "2024年度", 0), Bookmark(0, "", 0)]
    assert set_apart([line], bookmarks) == [line]
    assert outline_paths([line], bookmarks) == {}


def test_a_bookmark_to_nowhere_names_what_is_below_it():
    nameless = Bookmark(1, "", 0)
    bookmarks = [Bookmark(0, "規程", -1), nameless, Bookmark(2, "目的", 0), Bookmark(0, "附表", 7)]
    assert outline_paths(["1 目的"], bookmarks) == {(0, 0): ("規程", "1 目的")}


def test_two_headings_of_one_title_are_two():
    bookmarks = [Bookmark(0, "概要", 0), Bookmark(0, "概要", 0)]
    assert list(outline_paths(["概要\n甲。\n概要\n乙。"], bookmarks)) == [(0, 0), (0, 2)]


LINES = st.sampled_from(["", "1 目", "的", "目的", "目的。", WRAPPED, "a b"])
TITLES = st.sampled_from(["", "目的", "1 目的", "a b", "無い"])


@given(
    st.lists(st.lists(LINES, max_size=6).map("\n".join), max_size=4),
    st.lists(
        st.builds(Bookmark, st.integers(0, 2), TITLES, st.integers(-1, 4), st.floats(0, 1)),
        max_size=6,
    ),
)
def test_no_character_is_lost_and_headings_are_found_again(pages, bookmarks):
    apart = set_apart(pages, bookmarks)
    assert ["".join(page.split()) for page in apart] == ["".join(page.split()) for page in pages]
    found = outline_paths(apart, bookmarks)
    assert len(found) == len(outline_paths(pages, bookmarks))
    for (page, row), path in found.items():
        assert apart[page].split("\n")[row] == path[-1]


def test_a_place_is_the_same_once_headings_stand_apart():
    pages, bookmarks = ["1 目\n的\n\n\n1 目\n的"], [Bookmark(0, "目的", 0, 0.34375)]
    assert list(outline_paths(set_apart(pages, bookmarks), bookmarks).values()) == [("1 目的",)]


def test_bookmarks_of_a_pdf_are_its_headings():
    pages = [["在宅勤務規程", *TEXT, "1 目的", *TEXT], [*TEXT, "2 適用範囲", *TEXT]]
    data = print_pdf(pages, bookmarks=[("目的", 0), ("適用範囲", 1)])
    text = f"{WRAPPED}を定める。\n機器は持ち帰る。"
    assert [(s.page, s.headings, s.text) for s in read_pdf(data, "a.pdf")] == [
        (1, (), f"在宅勤務規程\n{text}"),
        (1, ("1 目的",), f"1 目的\n\n{text}"),
        (2, ("1 目的",), text),
        (2, ("2 適用範囲",), f"2 適用範囲\n\n{text}"),
    ]


def test_a_list_of_a_chapters_sections_is_not_its_headings():
    pages = [["第1章手引", "目的", "適用範囲", *TEXT, "目的", *TEXT, "適用範囲", *TEXT]]
    places = [("第1章手引", 0, 0), ("目的", 0, 6), ("適用範囲", 0, 10)]
    assert [headings for _, headings in paths(print_pdf(pages, bookmarks=places))] == [
        (title,) for title, *_ in places
    ]
    sizes = {"第1章手引": 20}
    assert [headings for _, headings in paths(print_pdf(pages, sizes))] == [("第1章手引",)]


def test_a_page_that_pdfium_cannot_load_costs_the_outline_alone():
    data = print_pdf([["1 目的", *TEXT]], {"1 目的": 20})
    assert paths(data) == [(1, ("1 目的",))]
    damaged = data.replace(b"/Kids [4 0 R] /Count 1", b"/Kids [4 0 R 3 0 R] /Count 2")
    assert paths(damaged) == [(1, ())]


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        (b"/XYZ 0 812 0", b"/XYZ null null null", ("1 目的",)),
        (b"/XYZ 0 812 0", b"/XYZ", ("1 目的",)),
        ("\ufeff目的".encode("utf-16-be").hex().encode(), b"feffd800", ()),
    ],
)
def test_a_damaged_bookmark_costs_no_text(good, bad, found):
    data = print_pdf([["1 目的", *TEXT]], bookmarks=[("目的", 0, 0)])
    assert good in data
    assert paths(data.replace(good, bad)) == [(1, found)]


def test_a_heading_as_wide_as_the_text_is_not_joined_with_it():
    wide = "社員が会社の機器を使って社外で働くときに守ることを定める規程"
    pages = [[*TEXT, wide, *TEXT]]
    assert paths(print_pdf(pages)) == [(1, ())]
    assert paths(print_pdf(pages, bookmarks=[(wide, 0)])) == [(1, ()), (1, (wide,))]


def test_articles_are_below_the_bookmarks():
    pages = [["第1章総則", "第1条（目的）", *TEXT, "第2章機器", "第2条（貸与）", *TEXT]]
    assert paths(print_pdf(pages, bookmarks=[("第1章 総則", 0), ("第2章 機器", 0)])) == [
        (1, ("第1章総則", "第1条（目的）")),
        (1, ("第2章機器", "第2条（貸与）")),
    ]


def test_without_bookmarks_large_lines_are_headings():
    """The date is larger than the text too, and no heading."""
    pages = [
        ["在宅勤務規程", "2026年4月1日", *TEXT, *TEXT],
        ["1 目的", *TEXT, *TEXT, "1.1 機器", *TEXT, *TEXT],
        [*TEXT, "1.2 LAN", *TEXT, *TEXT, "2 附則", *TEXT, *TEXT],
    ]
    sizes = {"在宅勤務規程": 24, "2026年4月1日": 14, "1 目的": 20, "2 附則": 20}
    # Latin letters of the same size may be higher.
    data = print_pdf(pages, {**sizes, "1.1 機器": 16, "1.2 LAN": 17})
    whole = "在宅勤務規程"
    assert paths(data) == [
        (1, (whole,)),
        (2, (whole, "1 目的")),
        (2, (whole, "1 目的", "1.1 機器")),
        (3, (whole, "1 目的", "1.1 機器")),
        (3, (whole, "1 目的", "1.2 LAN")),
        (3, (whole, "2 附則")),
    ]


def test_large_lines_that_are_many_are_the_text():
    pages = [[f"{i}月の目標", "安全第一。"] for i in range(1, 9)]
    sizes = {line: 24 for page in pages for line in page[:1]}
    assert {headings for _, headings in paths(print_pdf(pages, sizes))} == {()}
