"""Pages of paper: sentences that go on over them, running headers and footers, PDFs of them."""

import io
import time

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import join_wrapped_pages
from langchain_swallow.documents.layout.running_lines import Place, split_running_lines
from langchain_swallow.documents.readers import pdf
from langchain_swallow.documents.readers.section import LeftOut, Section
from langchain_swallow.errors import DocumentError
from tests.support.paper import PICTURE, print_pdf

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


SHEETS = {
    "a result that differs": ["1号機\n判定：合格", "2号機\n判定：合格", "3号機\n判定：不合格"],
    "results alone": ["1号機\n合格", "2号機\n合格", "3号機\n不合格", "4号機\n合格"],
    "the same result": ["1号機\n合格", "2号機\n合格", "3号機\n合格"],
    "one word of names": ["田中\n適", "佐藤\n適", "鈴木\n否", "山田\n適"],
    "odd and even": [f"{n}田\n{'不' * (i % 2)}合格" for i, n in enumerate("山川岡沢森林")],
    "behind sentences": [f"{n}号機\n測定した。\n判定：{r}" for n, r in enumerate("良良否良", 1)],
    "pay slips": [f"給与明細\n{n} 殿\n支給額 {n}00円\n総務部" for n in ("甲野", "乙川", "丙山")],
    "certificates": [
        f"修了証\n{n}\n修了した\n令和7年3月{len(n)}日\n青葉" for n in ("甲", "乙", "丙野")
    ],
    "numbers of bills": [f"請求書番号 {1001 + i}\n品名 {'机椅棚'[i]}" for i in range(3)],
    "numbers of tests": [f"検査番号 {1 + i}\n{'机椅棚'[i]}" for i in range(3)],
    "minutes": [f"会議 第{i}回\n出席 全員\n話した{i}\n以上" for i in range(1, 4)],
    "forms of two pages": [f"氏名 {n}{p}\n{'印済'[p]}" for n in "山川岡沢" for p in (0, 1)],
    "said on some pages": ["甲\n要再検査", "乙\n要再検査", "丙\n要再検査", "丁", "戊"],
    "figures of a table": ["品目 数\n机 1", "品目 数\n机 2", "品目 数\n机 3"],
}


@pytest.mark.parametrize("pages", SHEETS.values(), ids=SHEETS)
@pytest.mark.parametrize("number", ["", "\n- {} -", "\n{} / 9"])
def test_nothing_of_a_set_of_sheets_goes_but_page_numbers(pages, number):
    printed = [f"{page}{number.format(i)}" for i, page in enumerate(pages, 1)]
    assert split_running_lines(printed) == (pages, [[] for _ in pages])


@pytest.mark.parametrize("last", ["合", "否"])
def test_a_line_must_be_set_apart_at_a_pages_foot(last):
    """Where the places of lines are known, a footer is not the text's last line."""

    def place(index, count, gap):
        above = 100.0 + 20 * index + (gap if index == count - 1 else 0)
        return Place(10.0, above, 600.0 - above)

    def split(gap):
        pages = [f"{body(i)}\n社外秘" for i in range(4)]
        pages[-1] = f"{body(3)}\n{'社外秘' if last == '合' else '公開'}"
        return split_running_lines(pages, [{i: place(i, 3, gap) for i in range(3)}] * 4)[0]

    assert all("社外秘" in page for page in split(0)[:3])
    assert any("社外秘" in page for page in split(80)) == (last == "否")


@pytest.mark.parametrize("is_numbered", [False, True])
def test_what_differs_on_a_sheet_of_a_pdf_is_on_every_page(is_numbered):
    results = ["合格", "合格", "不合格", "合格", "不合格"]
    pages = [
        [f"検査成績書　{n}号機", f"測定値は0.{n}mmであった。", "担当は検査課である。", f"判定：{r}"]
        for n, r in enumerate(results, 1)
    ]
    read = pdf.read_pdf(
        print_pdf([[*p, f"- {i} -"] if is_numbered else p for i, p in enumerate(pages, 1)]), "a.pdf"
    )
    assert [section.text.split("\n") for section in read] == pages
    assert [part.count for part in read.left_out] == [1] * 5 * is_numbered


def test_what_is_left_out_of_a_pdf_on_purpose_is_counted():
    pages = [["社外秘", f"{'甲乙丙丁'[i]}の話をした。", f"- {i + 1} -"] for i in range(4)]
    assert pdf.read_pdf(print_pdf(pages), "a.pdf").left_out == tuple(
        LeftOut("running header, footer or page number", page, 2, is_loss=False)
        for page in range(1, 5)
    )


RULES_OF_A_FRAME = "40 40 m 500 40 l S " * 4
OUTLINES = "40 40 m 50 50 l 60 40 l f " * 40


@pytest.mark.parametrize(
    ("lines", "drawn", "reason"),
    [
        pytest.param([], PICTURE, "no text layer; the page needs OCR", id="scanned"),
        pytest.param([], OUTLINES, "no text layer; the page needs OCR", id="letters drawn"),
        pytest.param(["受付 7.4.1"], PICTURE, "few words", id="a stamp on a scanned page"),
        pytest.param(["\x01" * 60], "", "unreadable characters", id="garbage"),
        pytest.param([], "", "", id="blank"),
        pytest.param([], RULES_OF_A_FRAME, "", id="an empty frame"),
        pytest.param([f"{WRAPPED}。"] * 9, PICTURE, None, id="text on a picture"),
        pytest.param([f"短い文{i}" for i in range(40)], PICTURE, None, id="recognised text"),
        pytest.param(["短い文"], "", None, id="few words"),
    ],
)
def test_pages_that_need_ocr_are_told(lines, drawn, reason):
    pages = [["表紙である。"], lines, ["本文である。"], lines]
    read = pdf.read_pdf(print_pdf(pages, drawn={1: drawn, 3: drawn}), "a.pdf")
    assert {1, 3} <= {section.page for section in read}
    assert [part.page for part in read.left_out] == ([] if reason is None else [2, 4])
    assert all(
        part.is_loss == bool(reason) and (reason or "") in part.reason for part in read.left_out
    )


def test_a_pdf_of_pictures_only_is_not_read():
    with pytest.raises(DocumentError, match=r"no readable text.*needs OCR"):
        pdf.read_pdf(print_pdf([[], []], drawn={0: PICTURE, 1: PICTURE}), "a.pdf")


def test_kana_that_a_font_names_as_rare_kanji_need_ocr():
    shifted = str.maketrans({chr(kana): chr(kana + 0x1690) for kana in range(0x3041, 0x3097)})
    text = "この規程は社員の休暇について定める。".translate(shifted)
    assert "䛾" in text
    read = pdf.read_pdf(print_pdf([["第1条 この規程は休暇を定める。"], [text]]), "a.pdf")
    assert [section.page for section in read] == [1]
    assert read.left_out == (LeftOut("unreadable characters; the page needs OCR", 2),)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-256"])
def test_a_pdf_with_a_password_says_so(algorithm):
    def encrypted(password):
        writer = pypdf.PdfWriter(io.BytesIO(print_pdf([["秘密の文。"]])))
        writer.encrypt(password, "owner", algorithm=algorithm)
        writer.write(written := io.BytesIO())
        return written.getvalue()

    with pytest.raises(DocumentError, match=r"a\.pdf needs a password") as raised:
        pdf.read_pdf(encrypted("user"), "a.pdf")
    assert "OCR" not in str(raised.value)
    assert pdf.read_pdf(encrypted(""), "a.pdf")[0].text == "秘密の文。"


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
