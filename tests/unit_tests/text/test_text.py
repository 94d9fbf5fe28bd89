"""Encodings, sentences, chunks, search keys, layout, lexical scores."""

import itertools
import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow.documents.encoding import decode
from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import (
    display_width,
    join_wrapped_lines,
    remove_spacing,
)
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.captions import table_captions
from langchain_swallow.text.chunks import chunk_spans, estimate_tokens
from langchain_swallow.text.normalize import _UNIFIED, normalize, normalize_with_offsets
from langchain_swallow.text.sentences import sentence_spans
from langchain_swallow.text.terms import character_ngrams, strip_question_words
from tests.support.bm25 import BM25

TEXTS = {
    "short": "休暇",
    "sentence": "有給休暇は入社から半年後に与える。",
    "long": "会社は従業員に対し、就業規則を周知しなければならない。第5条の定めによる。\n" * 20,
    "kana": "これはひらがなとカタカナだけのぶんしょうです",
    "ascii mixed": "Python 3.11 を使って、PDF を読み込みます。",
}


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_japanese_encodings_are_told_apart(codec, text):
    assert decode(text.encode(codec)).text == text


@pytest.mark.parametrize("codec", ["cp932", "euc_jis_2004", "utf-8"])
def test_nec_special_characters(codec):
    text = "①と㈱と髙橋さん。"
    if codec == "euc_jis_2004":
        text = "①と㈱の一覧です。"
    assert decode(text.encode(codec)).text == text


@pytest.mark.parametrize("broken", [b"", b"\xff", b"\xa0\xa1"], ids=["cut", "byte", "character"])
def test_damaged_iso_2022_jp_is_no_ascii(broken):
    data = TEXTS["long"].encode("iso2022_jp")
    with pytest.raises(DocumentError, match=r"x\.txt is ISO-2022-JP .* and is damaged"):
        decode(data[:100] + broken + data[100:-5], name="x.txt")


def test_half_width_katakana_alone_is_cp932():
    text = "ﾌﾘｺﾐ ﾃﾞｰﾀ 110\nｷｭｳﾖ ｹﾞﾝｷﾝ"
    assert decode(text.encode("cp932")).text == text


def test_bytes_that_are_no_text_are_refused_by_name():
    with pytest.raises(DocumentError, match=r"x\.txt contains NUL"):
        decode(b"\x00\x01\x02\xff\xfe", name="x.txt")
    with pytest.raises(DocumentError, match="damaged"):
        decode(b"\xef\xbb\xbf\xff\xff", name="x.txt")


japanese = st.text(
    st.sampled_from("あいう漢字。、！「」『』（）\n ABC12．カー゛が\u3099"), max_size=120
)


@given(text=japanese)
def test_sentences_cover_the_text_without_gap(text):
    spans = sentence_spans(text)
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(a < b for a, b in spans)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("一。二！三？四", ["一。", "二！", "三？", "四"]),
        ("「はい。そうです。」と言った。次。", ["「はい。そうです。」と言った。", "次。"]),
        ("本当（嘘。）です。次", ["本当（嘘。）です。", "次"]),
        ("円周率は３．１４です。次", ["円周率は３．１４です。", "次"]),
        ("見出し\n\n本文。", ["見出し\n\n", "本文。"]),
        ("開いた「まま。次。", ["開いた「まま。", "次。"]),
        ("驚いた!?次", ["驚いた!?", "次"]),
        ("えっ!そう?はい", ["えっ!", "そう?", "はい"]),
        ("It reads. It splits! Does it? Yes.", ["It reads. ", "It splits! ", "Does it? ", "Yes."]),
        ('He said "Stop!" She left.', ['He said "Stop!" ', "She left."]),
        ('He said "Stop." She left.', ['He said "Stop." ', "She left."]),
        ("Mr. J. Smith met Dr. Jones. He left.", ["Mr. J. Smith met Dr. Jones. ", "He left."]),
        ("See Fig. 1, No. 5, e.g. Tokyo. Go.", ["See Fig. 1, No. 5, e.g. Tokyo. ", "Go."]),
        ("Pi is 3.14. See a.py. Then go.", ["Pi is 3.14. ", "See a.py. ", "Then go."]),
        ("Open https://a.jp/b?c=1!d. Next", ["Open https://a.jp/b?c=1!d. ", "Next"]),
        ("if a != b: c", ["if a != b: c"]),
        ("1. First item\n2. Second", ["1. First item\n2. Second"]),
        ("PDF を読む。It works. 次の文。", ["PDF を読む。", "It works. ", "次の文。"]),
        ("Das ist z.B. gut. Übung macht.", ["Das ist z.B. gut. ", "Übung macht."]),
        ("¿Qué? ¡Sí! «No.» Él va.", ["¿Qué? ", "¡Sí! ", "«No.» ", "Él va."]),
        ("안녕하세요. 회의입니다.", ["안녕하세요. ", "회의입니다."]),
        ("你好。这是文件！好？", ["你好。", "这是文件！", "好？"]),
    ],
)
def test_sentence_ends(text, sentences):
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@settings(max_examples=200, deadline=None)
@given(text=japanese, budget=st.integers(2, 40))
def test_chunks_never_exceed_the_budget_and_lose_nothing(text, budget):
    spans = chunk_spans(text, budget, len)
    assert all(len(text[a:b]) <= budget for a, b in spans)
    covered = {i for a, b in spans for i in range(a, b)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert spans == sorted(spans)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("あ漢字。、」カ"), min_size=30, max_size=120))
def test_chunks_start_with_no_mark_that_belongs_before(text):
    budget = 25
    # A run of marks longer than a chunk must be cut somewhere.
    if re.search(r"[。、」]{8,}", text):
        return
    for start, _ in chunk_spans(text, budget, len)[1:]:
        assert text[start] not in "。、」"


def test_chunks_overlap_by_a_sentence_that_fits():
    text = "一つ目の文。二つ目の文。三つ目の文。四つ目の文。"
    chunks = [text[a:b] for a, b in chunk_spans(text, 13, len, overlap=1)]
    assert chunks == [
        "一つ目の文。二つ目の文。",
        "二つ目の文。三つ目の文。",
        "三つ目の文。四つ目の文。",
    ]


ENGLISH = "This package reads 12,800 documents from https://example.com/a-b?c=1 at sentence ends. "


@pytest.mark.parametrize(
    "text",
    [ENGLISH * 20, ENGLISH.replace(". ", " ") * 20, "Größe über Äpfel naïve " * 60],
    ids=["sentences", "no sentence", "accents"],
)
@pytest.mark.parametrize("budget", [30, 60, 100])
def test_chunks_cut_no_word_number_or_address(text, budget):
    words = set(text.split())
    for start, end in chunk_spans(text, budget, estimate_tokens):
        assert set(text[start:end].split()) <= words


FAMILIES = {
    "short lines": lambda n: "○\n\n" * n,
    "brackets open": lambda n: "「（" * n,
    "brackets close": lambda n: "』」" * n,
    "brackets of two kinds": lambda n: "（" * n + "」" * n,
    "brackets in turn": lambda n: "（" + "」（" * n,
    "brackets nested": lambda n: "（" * n + "）" * n,
    "full stops": lambda n: "。" * n,
    "no punctuation": lambda n: "あ" * 4 * n,
    "one word": lambda n: "x" * 4 * n,
    "spaces": lambda n: " " * 4 * n,
    "line breaks": lambda n: "\n \n" * n,
    "marks": lambda n: "\u3099" * n,
    "joined emoji": lambda n: "👩\u200d👩\u200d👧" * n,
    "commas": lambda n: "、" * 2 * n,
    "abbreviations": lambda n: "e.g. A" * n,
    "points": lambda n: ". " * n,
    "dot leaders": lambda n: "." * n + "1",
    "points and brackets": lambda n: ".)" * n + "a",
    "exclamations": lambda n: "!?" * n + "a",
    "numbers": lambda n: "1,234," * n,
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_time_grows_with_the_length_of_the_text(family):
    def seconds(n):
        text = family(n)
        begun = time.process_time()
        sentence_spans(text)
        chunk_spans(text, 300, estimate_tokens)
        return time.process_time() - begun

    seconds(10)
    # Four times the text; what grew with the square took sixteen times as long, and more.
    assert min(seconds(16_000), seconds(16_000)) < 10 * max(seconds(4000), 0.02)


@pytest.mark.slow
def test_a_megabyte_without_punctuation_is_split():
    text = "あ" * 1_000_000
    spans = chunk_spans(text, 300, estimate_tokens)
    assert (spans[0][0], spans[-1][1]) == (0, len(text))
    assert all(a == b for (_, a), (b, _) in itertools.pairwise(spans))


def test_joined_emoji_and_their_tones_are_not_cut():
    family = "👩\u200d👩\u200d👧🏽"
    for start, end in chunk_spans(family * 50, 12, len):
        assert (end - start) % len(family) == 0


def test_chunk_budget_is_checked():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        chunk_spans("あ", 0, len)


@given(text=st.text(max_size=40))
def test_search_key_offsets_point_into_the_original(text):
    key = normalize_with_offsets(text)
    assert len(key.text) == len(key.origin)
    assert all(0 <= i < len(text) for i in key.origin)
    if key.text:
        start, end = key.span(0, len(key.text))
        assert 0 <= start < end <= len(text)


def test_search_key_unifies_what_nfkc_leaves_apart():
    assert normalize("１０〜２０−３０㈱ＡＢＣ") == "10~20-30(株)abc"
    # Radicals of both blocks; the old forms 戶 and 黑 are no one's in Japanese texts.
    assert normalize("葛\U000e0100城の辻\U000e0101さん") == "葛城の辻さん"
    assert normalize("外字\ue000") == "外字\ue000"
    assert normalize("⻑⺠⻄⻘⻩⻭⻯⻲⼾⿊⾭⿈⾼⽊") == "長民西青黄歯竜亀戸黒青黄高木"
    for char in map(chr, _UNIFIED):
        assert normalize(char) == unicodedata.normalize("NFKC", char.translate(_UNIFIED)).casefold()
    key = normalize_with_offsets("第⻑は⺠の⼾")
    assert (key.text, key.origin) == ("第長は民の戸", (0, 1, 2, 3, 4, 5))
    original = "価格は㈱甲で１，０００円"
    key = normalize_with_offsets(original)
    start = key.text.index("1,000円")
    assert original[slice(*key.span(start, start + 6))] == "１，０００円"


def test_wrapped_lines_are_joined_without_a_space():
    text = (
        "この文章は紙の幅に合わせて折り返されて\nいるので、一つの行に戻します。\n"
        "・箇条書き\n・二つ目"
    )
    assert join_wrapped_lines(text) == (
        "この文章は紙の幅に合わせて折り返されているので、一つの行に戻します。\n・箇条書き\n・二つ目"
    )


def test_rows_whose_last_cell_is_behind_a_leader_stay_apart():
    rows = [
        "ボルト（六角）……………１２０円",
        "Nut ..................... 80",
        "座金（平）・・・・・・３０円",
    ]
    assert join_wrapped_lines("\n".join(rows)).split("\n") == rows


def test_a_long_line_does_not_hide_where_the_others_are_wrapped():
    """As in the Debian FAQ: indented, wrapped at 72 columns, with an address that is longer."""
    line = "あ" * 36
    text = "\n".join(["    " + line] * 12 + ["    終わる。", "    http://" + "x" * 90])
    assert join_wrapped_lines(text).split("\n")[0] == "    " + line * 12 + "終わる。"


@pytest.mark.parametrize(
    ("spaced", "text"),
    [
        ("東 京 工 業 大 学 は Tokyo Tech です ⼯", "東京工業大学は Tokyo Tech です工"),
        ("就　業　規　則", "就業規則"),
        ("第５条　会社は、従業員　人を", "第５条　会社は、従業員　人を"),
        ("附　則", "附　則"),
        ("目 次", "目次"),
        ("社員は、会社の 機器を使う", "社員は、会社の機器を使う"),
        ("品名 単価 在庫\n机 九百円 三\n就 業 規 則", "品名 単価 在庫\n机 九百円 三\n就業規則"),
    ],
)
def test_spacing_between_japanese_characters_is_removed(spaced, text):
    assert remove_spacing(spaced) == text


def test_display_width_counts_columns():
    assert display_width("aあ｡") == 4


def test_plain_text_is_split_at_its_headings():
    text = "規程\n\n第1章　総則\n第1条（目的）\n甲。\n第2条（適用）\n乙。\n■付則\n丙。"
    assert list(split_at_headings([text])) == [
        (0, ("第1章　総則", "第1条（目的）"), "規程\n\n第1章　総則\n第1条（目的）\n甲。"),
        (0, ("第1章　総則", "第2条（適用）"), "第2条（適用）\n乙。"),
        (0, ("第1章　総則", "■付則"), "■付則\n丙。"),
    ]


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("（年次有給休暇）\n第１２条　社員は休む。", "第１２条（年次有給休暇）"),
        ("(届出)\n第十二条の二 社員は休む。", "第十二条の二(届出)"),
        ("第１２条（届出）　社員は休む。", "第１２条（届出）"),
        ("第12条（届出）はじめに書面で届け出る。", None),
        ("第12条（届出）この規則による。", "第12条（届出）"),
        ("第12条（届出）に定める書面による。", None),
        ("第12条（届出）に定める（別紙）書面による。", None),
        ("第12条（休暇（有給））　社員は休む。", "第12条（休暇（有給））"),
        ("（別表を除く。）\n第12条　社員は休む。", None),
        ("第12条（届出）……… 3", None),
        ("附　則", "附　則"),
    ],
)
def test_articles_of_rules_are_headings(rule, title):
    before = "前の条文。\n次の文。"
    sections = [(path, text) for _, path, text in split_at_headings([f"{before}\n{rule}\n二項。"])]
    if title is None:
        assert sections == [((), f"{before}\n{rule}\n二項。")]
    else:
        assert sections == [((), before), ((title,), f"{rule}\n二項。")]


def test_bm25_finds_without_a_dictionary():
    texts = ["有給休暇は10日とする。", "会議室は3階にある。", "休憩は1時間とする。"]
    scores = BM25(texts).scores("会議室はどこですか")
    assert scores.argmax() == 1
    assert scores[2] < scores[1]
    assert BM25(texts).scores("xyz").max() == 0
    assert BM25([]).scores("x").shape == (0,)


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("試用期間はどのくらいですか。", "試用期間は  "),
        ("取引先との飲食は１人いくらまでですか？", "取引先との飲食は1人 まで "),
        ("創立は何年ですか", "創立は 年 "),
        ("幾何学は必修ですか。", "幾何学は必修 "),
        ("ぶどうはいつもある。", "ぶどうはいつもある。"),
        ("印鑑などの保管を教えてください。", "印鑑などの保管を "),
        ("期間は何日か。", "期間は 日 "),
        ("すいか", "すいか"),
        ("どこですか。", "どこですか。"),
        ("", ""),
    ],
)
def test_words_that_only_ask_are_left_out(question, key):
    assert strip_question_words(question) == key


def test_character_ngrams_do_not_cross_punctuation():
    assert character_ngrams("ＡＢ、か") == ["a", "ab", "b", "か"]


def test_token_estimate_is_from_above():
    from tests.support.tokenizers import mistral_tokenizer

    # A vocabulary without Japanese pieces falls back to bytes; Swallow's takes half of this.
    text = "The quick brown fox jumps over the lazy dog. " * 5
    assert estimate_tokens(text) >= len(mistral_tokenizer().encode(text))


@pytest.mark.parametrize(
    ("rows", "captions"),
    [
        (["単位: 円", "品名: 机、価格: 9", "品名: 棚、価格: 8"], ["", "単位: 円", "単位: 円"]),
        # Cells may be empty.
        (["表2", "品名: 机、価格: 9", "品名: 棚", "価格: 8、色: 白"], ["", "表2", "表2", "表2"]),
        # The next table has a caption of its own, or none.
        (["表3", "品名: 机、価格: 9", "表4", "職: 部長、日当: 3"], ["", "表3", "", "表4"]),
        (["表5", "品名: 机、価格: 9", "職: 部長、日当: 3"], ["", "表5", ""]),
        # What is no row has no caption.
        (["お知らせ", "注意: 手を切らないこと。", "電話: 03"], ["", "", ""]),
        (["長い段落" * 30, "品名: 机、価格: 9"], ["", ""]),
    ],
)  # fmt: skip
def test_rows_of_a_table_know_its_caption(rows, captions):
    text = "\n\n".join(rows)
    caption = table_captions(text)
    starts = [len("\n\n".join([*rows[:i], ""])) for i in range(len(rows))]
    assert [caption(start) for start in starts] == captions
    assert [caption(start + 1) for start in starts] == captions
