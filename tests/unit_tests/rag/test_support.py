"""Whether a quote answers the question, or is only words that the passage has."""

import pytest
from langchain_core.documents import Document
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_swallow.rag import Citation
from langchain_swallow.rag import citation as citation_module
from langchain_swallow.rag.citation_checks import find_citations
from tests.support.drawn import KINDS
from tests.support.drawn.pairs import draw_pairs

LEAVE = "第18条（有給休暇）\n\n勤続年数: 3年、付与日数: 14日\n\n勤続年数: 4年、付与日数: 16日"
PRICES = (
    "品名: 机、通常価格: 9,000円、会員価格: 8,000円\n\n"
    "品名: 椅子、通常価格: 8,000円、会員価格: 7,000円"
)
HOURS = "窓口の受付は9時から17時までとする。倉庫の受付は8時から15時までとする。"
OFFICES = "東京支社\n電話番号は03-1111-2222です。\n\n大阪支社\n電話番号は06-3333-4444です。"
STAFF = "工場は東京が30人、大阪が50人です。"
UNITS = "年次有給休暇は、半日または1時間の単位で取得できる。年次有給休暇は年に10日とする。"
FAQ = (
    "**Q. 社員証をなくしました。どうすればよいですか。**\n\n"
    "A. 届け出てください。手数料は1,500円です。\n\n"
    "**Q. 名札をなくしました。どうすればよいですか。**\n\nA. 届け出てください。手数料は300円です。"
)
LIMITS = (
    "宿泊費の限度額は、役職に応じて次の表のとおりとする。\n\n"
    "役職: 課長、国内: 13,000円、海外: 20,000円"
)
RELEASE = "新製品の発売日を11月1日から12月8日に変更した。日当は3,000円から3,500円に引き上げる。"
FORGOTTEN = "パスワードを忘れたときは、情報システム課（内線4455）に電話してください。"
RAISED = "4月1日から時給が1,200円になります。"
CHAIR = "議長は佐藤さん、書記は田中さんです。"
BANDS = "購入金額: 3,000円未満、送料: 600円\n\n購入金額: 3,000円以上、送料: 無料"


def status(question, answer, *passages, **metadata):
    documents = [Document(passage, metadata=metadata) for passage in passages]
    (citation,) = find_citations(f"{answer} [1]", documents, question)
    return citation.status


@pytest.mark.parametrize(
    ("question", "answer", "passage"),
    [
        ("勤続4年の有給は何日ですか。", "16日", LEAVE),
        ("勤続4年では何日もらえますか。", "勤続4年の付与日数は16日です。", LEAVE),
        ("机の会員価格はいくらですか。", "8,000円", PRICES),
        ("椅子の通常価格はいくらですか。", "8,000円", PRICES),
        ("窓口は何時まで受け付けますか。", "17時", HOURS),
        ("窓口の受付は何時からですか。", "9時です。", HOURS),
        ("大阪支社の電話番号は？", "06-3333-4444", OFFICES),
        ("大阪の工場は何人ですか。", "50人", STAFF),
        ("2,500円買うと送料はいくらですか。", "600円", BANDS),
        ("有給休暇は年に何日ですか。", "10日", UNITS),
        ("社員証をなくしたときの手数料はいくらですか。", "1,500円", FAQ),
        ("課長の国内の宿泊費の限度額はいくらですか。", "13,000円", LIMITS),
        ("新製品の発売日はいつになりましたか。", "12月8日", RELEASE),
        ("日当はいくらですか。", "3,500円です。", RELEASE),
        ("発売日は、いつからいつに変わりましたか。", "11月1日から12月8日に変更した", RELEASE),
        ("変更前の発売日はいつですか。", "11月1日", RELEASE),
        ("パスワードを忘れたらどこに電話しますか。", "情報システム課", FORGOTTEN),
        ("有給休暇は1時間の単位で取得できますか。", "1時間の単位で取得できる", UNITS),
        ("時給が1,200円になるのはいつですか。", "4月1日", RAISED),
        ("机、椅子、棚のどれが在庫切れですか。", "椅子", "椅子は在庫切れです。"),
        ("田中さんと佐藤さんのうち、議長は誰ですか。", "佐藤さん", CHAIR),
    ],
)
def test_an_answer_from_the_place_that_is_asked_for_is_supported(question, answer, passage):
    assert status(question, answer, passage) == "supported"


@pytest.mark.parametrize(
    ("question", "answer", "passage"),
    [
        ("勤続4年の有給は何日ですか。", "14日", LEAVE),
        ("勤続5年の有給は何日ですか。", "16日", LEAVE),
        ("勤続4年の有給は何日ですか。", "勤続3年の付与日数は14日です。", LEAVE),
        ("机の会員価格はいくらですか。", "9,000円", PRICES),
        ("机の在庫は何個ですか。", "8,000円", PRICES),
        ("窓口は何時まで受け付けますか。", "9時", HOURS),
        ("窓口は何時まで受け付けますか。", "15時", HOURS),
        ("大阪支社の電話番号は？", "03-1111-2222", OFFICES),
        ("福岡支社の電話番号は？", "03-1111-2222", OFFICES),
        ("大阪の工場は何人ですか。", "30人", STAFF),
        ("5,000円買うと送料はいくらですか。", "600円", BANDS),
        ("有給休暇は年に何日ですか。", "半日または1時間", UNITS),
        ("社員証をなくしたときの手数料はいくらですか。", "300円", FAQ),
        ("課長の国内の宿泊費の限度額はいくらですか。", "20,000円", LIMITS),
    ],
)
def test_an_answer_from_another_row_column_or_end_is_only_quoted(question, answer, passage):
    assert status(question, answer, passage) == "quoted"


def test_a_row_of_another_passage_is_a_rival():
    rows = [f"品名: {name}、価格: {price}円" for name, price in (("机", 900), ("椅子", 700))]
    assert status("椅子はいくらですか。", "900円", *rows) == "quoted"
    assert status("机はいくらですか。", "900円", *rows) == "supported"


def test_what_the_question_names_may_be_in_a_heading():
    passage = "日当は3,000円とする。"
    assert status("2025年度の日当は？", "3,000円", passage, headings="2025年度 旅費") == "supported"
    assert status("2024年度の日当は？", "3,000円", passage, headings="2025年度 旅費") == "quoted"


def test_each_part_of_a_comparison_is_supported_by_its_own_citation():
    documents = [Document("営業部の定員は30人です。"), Document("開発部の定員は50人です。")]
    answer = "営業部の定員は30人です [1]。開発部の定員は50人です [2]。"
    found = find_citations(answer, documents, "営業部と開発部の定員は何人ですか。")
    assert [citation.status for citation in found] == ["supported", "supported"]


def test_right_answers_are_supported_and_wrong_ones_are_not():
    """On documents of all kinds; docs/benchmarks.md has the kinds that no rule was written for."""
    pairs = list(draw_pairs(list(KINDS), 144, seed=7))
    supported = {right: [] for right in (True, False)}
    for pair in pairs:
        supported[not pair.why].append(pair.status() == "supported")
    assert sum(supported[True]) / len(supported[True]) >= 0.85
    assert sum(supported[False]) / len(supported[False]) <= 0.1


def test_what_was_stored_as_verified_is_a_quote():
    document = Document("有給休暇は10日。")
    known = JsonPlusSerializer(allowed_msgpack_modules=[Citation])
    stored = known.dumps_typed(Citation(1, document, "10日", 5, 8, "supported"))
    assert known.loads_typed(stored) == Citation(1, document, "10日", 5, 8, "supported")
    old = Citation(number=1, document=document, quote="10日", start=5, end=8, verified=True)
    assert old.status == "quoted"
    assert Citation(number=1, document=document, verified=False).status == "not_found"
    with pytest.warns(DeprecationWarning, match="Use Citation.status"):
        assert old.verified


def test_each_status_has_words_of_its_own_in_both_languages(monkeypatch):
    document = Document("有給休暇は10日。")
    citations = [Citation(1, document, status=s) for s in ("supported", "quoted", "not_found")]
    citations.append(Citation(1, document, contradicted=True))
    for language in ("ja", "en"):
        monkeypatch.setenv("SWALLOW_LANG", language)
        assert len({citation_module.note(citation) for citation in citations}) == 4


@pytest.mark.parametrize(
    ("question", "answer", "passage"),
    [
        ("新製品の発売日はいつになりましたか。", "11月1日から12月8日", RELEASE),
        ("新製品の発売日はいつですか。", "11月1日です。", RELEASE),
        ("日当はいくらですか。", "3,000円", RELEASE),
        ("保証は何年ですか。", "2年", "保証期間を2年から3年へ延長することになった。"),
        ("会議は何時ですか。", "10時", "会議の開始は10時から13時に繰り下げる。"),
        ("参加費はいくらですか。", "参加費", "参加費は、前回の500円から800円に値上げした。"),
        ("参加費はいくらですか。", "500円", "参加費は、前回の500円から800円に値上げした。"),
        ("パスワードを忘れたらどこに電話しますか。", "電話", FORGOTTEN),
        ("誰にパスワードを聞きますか。", "パスワードです。", FORGOTTEN),
    ],
)
def test_what_was_replaced_or_only_asked_for_is_no_answer(question, answer, passage):
    assert status(question, answer, passage) == "quoted"
