"""Encodings of Japanese text are told apart by the text, and from those of other languages."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow.documents.encoding import decode
from langchain_swallow.documents.likelihood import bits
from langchain_swallow.errors import DocumentError

TEXTS = {
    "rules": "┌──┬──┐\n│品名│単価│\n└──┴──┘\n",
    "only rules": "━┯━┓\n─┼─┨\n",
    "leaders": "１．総則………………………………１\n２．休暇………………………………５\n",
    "half-width CSV": "商品名,価格\nﾎﾞｰﾙﾍﾟﾝ,100\nｼｬｰﾌﾟﾍﾟﾝｼﾙ,200\n",
    "half-width bank": "ｼﾞﾕｳｼﾖ,ｻﾞﾝﾀﾞｶ 振込\n" * 10,
    "only half-width": "ﾌﾘｺﾐ ﾃﾞｰﾀ 110\nｷｭｳﾖ ｹﾞﾝｷﾝ",
    "arrows": "入力 → 処理 ⇒ 出力",
    "mathematics": "∀x∈A ⊂ B, x≠∞ ∴ √x ≦ ∫f",
    "Greek": "α線とβ線 ΔＴ＝５Ω",
    "Cyrillic": "Россия",
    "full-width": "ＡＢＣ１２３，ｘｙｚ",
    "prices": "机,12800円\n椅子,4500円\n",
    "names": "齋藤　邦彦\n渡邊　彌生\n",
    "comment": "def f(x):\n    return x\n" * 500 + "# 合計を返す",
    "one word": "x = {'session': '休暇'}",
    "kanji": "休暇",
}
CODECS = ["cp932", "euc_jp", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-be"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_encodings_are_told_apart(codec, text):
    if text == "休暇" and codec.startswith("utf-16-"):
        pytest.skip("two kanji without a mark may be anything")
    try:
        data = text.encode(codec)
    except UnicodeEncodeError:
        pytest.skip(f"not in {codec}")
    # CP932 has other characters for some of these than the standards: ～ for 〜.
    assert decode(data).text == data.decode(codec.replace("utf-8-sig", "utf-8")).lstrip("\ufeff")


EXTENDED = {
    "half-width escapes": (b"\x1b$B>&IJ\x1b(I\x4e\x5e\x30\x59\x1b(B 1", "商品ﾎﾞｰﾙ 1"),
    "half-width by shift": (b"\x1b$B>&IJ\x1b(B \x0e\x4e\x5e\x30\x59\x0f 1", "商品 ﾎﾞｰﾙ 1"),
    "NEC in ISO-2022-JP": (b"\x1b$B-!\x1b(B \x1b$B5Y2K\x1b(B", "① 休暇"),
    "NEC in EUC-JP": (b"\xad\xa1\xb5\xd9\xb2\xcb\xa4\xce\xb7\xef", "①休暇の件"),
    "IBM in EUC-JP": (b"\xfc\xe2\xb6\xb6\xa4\xb5\xa4\xf3", "髙橋さん"),
    "Shift_JIS-2004": ("俱に吞む。𠮟る。".encode("shift_jis_2004"), "俱に吞む。𠮟る。"),
    "EUC-JIS-2004": ("俱に吞む。𠮟る。".encode("euc_jis_2004"), "俱に吞む。𠮟る。"),
    "JIS X 0212": ("鷗外は丂と".encode("euc_jp"), "鷗外は丂と"),
}


@pytest.mark.parametrize(("data", "text"), EXTENDED.values(), ids=EXTENDED.keys())
def test_what_was_added_to_the_standards(data, text):
    assert decode(data).text == text


FOREIGN = {
    "Korean": ("안녕하세요. 회의는 내일 오후에 있습니다.", "cp949"),
    "Korean names": ("대한민국 서울특별시", "cp949"),
    "Chinese": ("你好，这是一个关于公司规章制度的文件。", "gb18030"),
    "Chinese names": ("中华人民共和国宪法", "gb18030"),
    "Taiwanese": ("這是一份關於公司規章制度的文件。", "big5"),
    "Russian": ("Привет, это документ о правилах.", "cp1251"),
    "Russian KOI8": ("Привет, это документ о правилах.", "koi8_r"),
    "Ukrainian": ("Це документ про правила внутрішнього розпорядку.", "cp1251"),
    "Thai": ("สวัสดีครับ นี่คือเอกสารเกี่ยวกับกฎระเบียบของบริษัท", "cp874"),
    "French": ("Voilà un document français: l'été dernier, à l'école.", "cp1252"),
    "German": ("Die Straße ist für Fußgänger geöffnet.", "cp1252"),
    "Spanish": ("El niño comió piñas. ¿Cómo está usted?", "cp1252"),
    "English": ("“Hello,” she said — it’s a café… costs €5.", "cp1252"),
    "Polish": ("Zażółć gęślą jaźń. Wartość źródła.", "cp1250"),
    "Greek": ("Αυτό είναι ένα έγγραφο για τους κανόνες.", "cp1253"),
    "Turkish": ("Şirket kuralları hakkında bir belge, ığdır.", "cp1254"),
    "Hebrew": ("זהו מסמך על כללי החברה והעובדים שלה", "cp1255"),
    "Arabic": ("هذه وثيقة حول قواعد الشركة والموظفين", "cp1256"),
}


@pytest.mark.parametrize(("text", "codec"), FOREIGN.values(), ids=FOREIGN.keys())
def test_other_languages_are_recognized(text, codec):
    assert decode(text.encode(codec)).text == text


HIRAGANA = "あいうえおかきくけこさしすせそたちつてとなにのはまもやよらりるれをん"
KANJI = "会社員給与勤務時間休暇規定東京都大阪市山田中村品名単価合計金額数量年月日"
ALPHABETS = {
    "prose": st.sampled_from(HIRAGANA * 2 + KANJI + "、。「」ーカタナ"),
    "kanji": st.sampled_from(KANJI),
    "rules": st.sampled_from("─│┌┐└┘├┤┬┴┼━┃　…‥・"),
    "wide": st.sampled_from("ＡＢＣＤａｂｃｄ０１２３４５，．"),
    "symbols": st.sampled_from("→←↑↓≠≦≧∞∴♂♀※★☆●◎◇αβγДЖя①②㈱№"),
    "half-width": st.sampled_from(
        "ﾎﾞｰﾙ ﾍﾟﾝ ｼｬｰﾌﾟ ﾌﾘｺﾐ ﾃﾞｰﾀ ｷﾝｶﾞｸ ｻﾞﾝﾀﾞｶ ﾄｳｷｮｳ ｵｵｻｶ ｽｽﾞｷ ﾀﾛｳ ｺﾞｳｹｲ ﾃｽｳﾘｮｳ".split()
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["cp932", "euc_jp"])
@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS.keys())
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_texts_of_any_kind_are_read_in_their_encoding(alphabet, codec, data):
    text = "".join(data.draw(st.lists(alphabet, min_size=20, max_size=80, unique=False)))
    # A run of one character says nothing about what it is.
    if len(set(text)) < 6:
        return
    encoded = text.encode(codec, "ignore")
    assert decode(encoded).text == encoded.decode(codec)


SENTENCES = "会社は従業員に対し、就業規則を周知しなければならない。\n第5条の定めによる。\n" * 5


@pytest.mark.parametrize("codec", ["cp932", "euc_jp", "utf-8", "iso2022_jp"])
@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\xa0\xff"], ids=["ff", "80", "two"])
def test_a_bad_byte_is_refused_with_its_place(codec, bad):
    """And the text is not taken for Korean or Greek, in which the bytes may be valid."""
    start = len(SENTENCES[:40].encode(codec))
    data = SENTENCES.encode(codec)
    with pytest.raises(DocumentError, match=r"x\.txt .*(offset \d+) \(line 3\)") as refused:
        decode(data[:start] + bad + data[start:], name="x.txt")
    name = {"iso2022_jp": "ISO-2022-JP"}.get(codec, codec)
    assert name in str(refused.value)


def test_a_character_cut_off_at_the_end_is_refused_with_its_place():
    data = ("会議は月曜日に開く。" * 20).encode("cp932")[:-1]
    with pytest.raises(DocumentError, match=rf"cp932.*offset {len(data) - 1} \(line 1\)"):
        decode(data)


@pytest.mark.parametrize("data", [b"a\x00b", bytes(range(256))])
def test_binary_files_are_refused(data):
    with pytest.raises(DocumentError, match="not a text file"):
        decode(data, name="x.txt")


def test_large_files_are_decoded_in_time_that_grows_with_their_size():
    data = ("商品名,価格\nﾎﾞｰﾙﾍﾟﾝ,100\n" * 300_000).encode("cp932")
    begun = time.process_time()
    assert decode(data).encoding == "cp932"
    assert time.process_time() - begun < 5


@pytest.mark.slow
@given(text=st.text(max_size=50))
def test_every_text_has_a_cost(text):
    assert bits(text) >= 3 * len(text)


@pytest.mark.parametrize("codec", ["cp932", "euc_jp", "utf-8"])
@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\xff\xff"])
@pytest.mark.parametrize(
    "text",
    ["会議は十時から。", "有給休暇は10日とする。", "請求書,山田太郎,1000", "青葉商事御中"],
)
def test_a_damaged_byte_makes_no_other_language_of_a_short_text(text, codec, bad):
    with pytest.raises(DocumentError, match=rf"looks like {codec}.* at offset \d+ \(line 2\)"):
        decode(f"{text}\n".encode(codec) + bad + b"\n")
