"""Whether a cited passage says what the answer says: by value, not by shared words."""

import pytest
from langchain_core.documents import Document

from langchain_swallow.rag.citation_checks import find_citations
from langchain_swallow.text.quantities import quantities


def state(claim, passage, **metadata):
    return state_of(f"{claim}[1]", [Document(passage, metadata=metadata)])


def state_of(answer, documents):
    """Of the claim alone: there is no question."""
    (citation,) = find_citations(answer, documents, "")
    assert bool(citation.quote) == (citation.status != "not_found")
    return "contradicted" if citation.contradicted else citation.status


NOTICE = "有給休暇は10日付与される。"
RIGHT = [
    ("大阪支社の従業員は50人です", "東京支社の従業員は30人、大阪支社の従業員は50人です。"),
    ("定休日は毎週金曜日です", "定休日は毎週金曜とする。定休日は毎週金曜日です。"),
    ("有給休暇は10日付与される", NOTICE),
    ("有給休暇は十日付与される", NOTICE),
    ("有給休暇は１０日付与されます", NOTICE),
    ("10日", NOTICE),
    ("日当は3,000円とする", "日当は３，０００円とする。"),
    ("日当は3千円とする", "日当は3,000円とする。"),
    ("日当は三千円とする", "日当は3,000円とする。"),
    ("予算は1億2,000万円である", "予算は120,000,000円である。"),
    ("試用期間は半年とする", "試用期間は6か月とする。"),
    ("試用期間は6ヶ月間とする", "試用期間は6か月とする。"),
    ("施行日は2025年4月1日である", "施行日は令和7年4月1日である。"),
    ("施行日は2025/4/1である", "施行日は令和七年四月一日である。"),
    ("始業は9:00とする", "始業は午前9時とする。"),
    ("終業は17時半とする", "終業は午後5時30分とする。"),
    ("割引率は5割です", "割引率は50%です。"),
    ("20歳以上が対象です", "20歳以上が対象です。"),
    ("持ち込みはできない", "社内への持ち込みはできない。"),
    ("持ち込みはできません", "社内への持ち込みはできない。"),
    ("社内への持ち込みは禁止です", "社内への持ち込みはできません。"),
    ("申請書を提出しなければなりません", "申請書を提出しなければならない。"),
    ("許可がない場合は入室できません", "許可がない場合は、入室できません。"),
    ("入室できません", "許可がない場合は、入室できません。"),
    ("性別を問わず応募できます", "性別を問わず応募できます。"),
    ("部長の日当は5,000円", "役職: 部長、日当: 5,000円\n\n役職: 一般社員、日当: 2,000円"),
    ("対応機種はX-200です", "対応機種はX-200です。"),
    ("日当は3,000円、宿泊費は12,000円です", "日当は3,000円です。宿泊費は12,000円です。"),
    ("The fee is 1,200 yen", "The fee is 1200円 per month, and the fee is 1,200 yen."),
    ("1. 日当は3,000円とする", "日当は3,000円とする。"),
    ("持ち込みはできるが届け出る", "持ち込みはできるが、社外へは持ち出せない。届け出る。"),
    ("割増率は25%です。", "割増率は2割5分とする。"),
    ("割増率は25％です。", "割増率は百分の二十五とする。"),
    ("手数料は3.5%です。", "手数料は3分5厘とする。"),
    ("議決には3分の2以上の賛成が必要です。", "議決には三分の二以上の賛成が必要です。"),
    ("会議は3時に始まる。", "会議は午後3時に始まる。"),
    ("3時から始まります。", "会議は午後3時から始まります。"),
    ("会議は15:30に始まる。", "会議は3時30分に始まる。"),
    ("会議は15:30に始まる。", "会議は午後三時三十分に始まる。"),
    ("会議は3:30に始まる。", "会議は15時30分に始まる。"),
    ("The meeting starts at 15:30.", "The meeting starts at 3:30 p.m."),
    ("The meeting starts at 0:30.", "The meeting starts at 12:30 a.m."),
    ("The meeting starts at 0:30.", "The meeting starts at 12:30 AM."),
    ("The meeting starts at 12:30.", "The meeting starts at 12:30 p.m."),
    ("受付は24:00まで。", "受付は２４時まで。"),
    ("会議は午前12時に始まる。", "会議は12時に始まる。"),
    ("The exam 3:30 is final.", "The exam 15:30 is final."),
    ("残業は月45時間以内です。", "残業は月45時間を超えてはならない。"),
    ("在宅勤務は週3日までです。", "在宅勤務は週に3日を超えてはならない。"),
    ("長さは150cmです。", "長さは1.5mです。"),
    ("長さは150mmです。", "長さは15cmです。"),
    ("申込期限は3/31です。", "申込期限は3月31日です。"),
    ("利益は500万円の赤字でした。", "利益は△500万円でした。"),
    ("気温はマイナス5℃。", "気温は-5℃であった。"),
    ("日当は3,000円。", "日当は三千円とする。"),
    ("期間は2週間。", "期間は14日間とする。"),
    ("The limit is 3 days.", "The limit is three days."),
    ("Refunds are issued within 14 days.", "Refunds are issued within fourteen days of purchase."),
    ("You may stay up to 3 days.", "You may stay no more than 3 days."),
    ("勤続半年以上の社員に10日付与される。", "勤続6か月以上の社員に10日付与する。"),
]
WRONG = [
    (
        "東京支社の従業員は50人、大阪支社の従業員は30人です",
        "東京支社の従業員は30人、大阪支社の従業員は50人です。",
    ),
    ("日当は部長が3,000円、課長が2,000円です", "日当は部長が2,000円、課長が3,000円です。"),
    ("大阪支社の従業員は30人です", "東京支社の従業員は30人、大阪支社の従業員は50人です。"),
    ("この手当は全従業員に適用する", "この手当は一部の従業員に適用する。"),
    ("定休日は毎週月曜日です", "定休日は毎週金曜日です。"),
    ("会議は4月1日(火)に開く", "会議は4月1日(水)に開く。"),
    ("参加費は税込1,000円です", "参加費は税抜1,000円です。"),
    ("日当は4千円とする", "日当は3,000円とする。"),
    ("始業は10:00とする", "始業は午前9時とする。"),
    ("会議は15:30に始まる。", "会議は午前3時30分に始まる。"),
    ("会議は15:30に始まる。", "会議は3時に始まる。"),
    ("受付は12:00まで。", "受付は24:00まで。"),
    ("受付は12時まで。", "受付は24時まで。"),
    ("受付は0時まで。", "受付は12時まで。"),
    ("The meeting starts at 12:30.", "The meeting starts at 12:30 a.m."),
    ("会議は0:30に始まる。", "会議は12:30に始まる。"),
    ("The meeting starts at 15:30.", "The meeting starts at 3:30 a.m."),
    ("有給休暇は20日付与される", NOTICE),
    ("有給休暇は二十日付与される", NOTICE),
    ("有給休暇は10時間付与される", NOTICE),
    ("有給休暇は10%付与される", NOTICE),
    ("有給休暇は10か月付与される", NOTICE),
    ("有給休暇は付与されない", NOTICE),
    ("有給休暇は10日付与されません", NOTICE),
    ("有給休暇は10日付与される", "有給休暇は110日付与される。"),
    ("有給休暇は10日付与される", "有給休暇は10.5日付与される。"),
    ("日当は3,000円とする", "日当は3,000ドルとする。"),
    ("日当は3万円とする", "日当は3千円とする。"),
    ("日当は30,000円とする", "日当は3,000円とする。"),
    ("施行日は2025年4月10日である", "施行日は令和7年4月1日である。"),
    ("施行日は令和6年4月1日である", "施行日は令和7年4月1日である。"),
    ("会議は午後9時に始まる", "会議は午前9時に始まる。"),
    ("会議は10:30に始まる", "会議は10:00に始まる。"),
    ("20歳未満が対象です", "20歳以上が対象です。"),
    ("20歳以下が対象です", "20歳を超える者が対象です。"),
    ("持ち込みはできる", "社内への持ち込みはできない。"),
    ("社内への持ち込みは可能", "社内への持ち込みは不可能。"),
    ("社内への持ち込みは認められている", "社内への持ち込みは認められていない。"),
    ("社内への持ち込みはできない", "社内への持ち込みはできる。"),
    ("印鑑は必要です", "印鑑は不要です。"),
    ("この保証は有効です", "この保証は無効です。"),
    ("有給休暇は取得できる", "有給休暇は取得できるとは限らない。"),
    ("有給休暇は取得できる", "有給休暇は取得できるわけではない。"),
    ("許可なく持ち込める", "許可なく持ち込んではならない。"),
    ("残業代は支払われる", "残業代は支払われません。"),
    ("この議案は可決された", "この議案は否決された。"),
    ("売上は3%増加した", "売上は3%減少した。"),
    ("駐車場は有料です", "駐車場は無料です。"),
    (
        "課長の出張の日当は3,000円とする",
        "部長の出張の日当は3,000円とする。課長の出張の日当は5,000円とする。",
    ),
    ("対応機種はX-300です", "対応機種はX-200です。"),
    ("You can bring pets into the office", "You cannot bring pets into the office."),
    ("Pets are allowed in the office", "Pets are not allowed in the office."),
    ("日当は3,000円、宿泊費は3,000円です", "日当は3,000円です。宿泊費は12,000円です。"),
    ("申請は10営業日以内に行う。", "申請は10日以内に行う。"),
    ("申請は出発の3日後に行う。", "申請は出発の3日前に行う。"),
    ("返品は購入後3日以内に限ります。", "返品は購入前3日以内に限ります。"),
    ("参加者が5名以上で割引になります。", "参加者が5名を超える場合に割引になります。"),
    ("年収が100万円以下の人は対象です。", "年収が100万円未満の人は対象です。"),
    ("残業は月45時間を超える。", "残業は月45時間を超えてはならない。"),
    ("気温は-5度でした。", "気温は5度でした。"),
    ("利益は△500万円でした。", "利益は500万円でした。"),
    ("売上は前年比10%増。", "売上は前年比10%減となった。"),
    ("売上は10%上昇しました。", "売上は10%低下しました。"),
    ("価格が上がります。", "価格が下がります。"),
    ("上限は10万円です。", "下限は10万円です。"),
    ("開始は10:00です。", "終了は10:00です。"),
    ("営業は平日のみです。", "営業は土日のみです。"),
    ("全社員が対象です。", "一部の社員が対象です。"),
    ("東京本社は休みです。", "大阪本社は休みです。"),
    ("金曜日は定休日です。", "月曜日は定休日です。"),
    ("担当は営業部です。", "担当は営業課です。"),
    ("A棟は3階建てです。", "A棟は4階建てです。B棟は3階建てです。"),
    ("弐万円を支払う。", "10,000円を支払う。"),
    ("The limit is two days.", "The limit is three days."),
    ("The limit is at least 3 days.", "The limit is at most 3 days."),
]


@pytest.mark.parametrize(("claim", "passage"), RIGHT)
def test_a_claim_that_says_the_same_is_found(claim, passage):
    assert state(claim, passage) in ("quoted", "supported")


@pytest.mark.parametrize(("claim", "passage"), WRONG)
def test_a_claim_that_says_something_else_is_not_found(claim, passage):
    assert state(claim, passage) in ("contradicted", "not_found")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("有給休暇は10日[1]付与されない。", "contradicted"),
        ("資料[1]によると有給休暇は20日付与される。", "contradicted"),
        ("資料[1]によると有給休暇は10日付与される。", "supported"),
        ("有給休暇は20日付与される。その日数は10日である。[1]", "contradicted"),
        ("お答えします。有給休暇は10日付与される。[1]", "supported"),
        # One right sentence does not support a wrong one of the same number.
        ("有給休暇は10日付与される[1]。有給休暇は20日付与される[1]。", "contradicted"),
        ("有給休暇は20日付与される[1]。有給休暇は10日付与される[1]。", "contradicted"),
        # The sentence after a mark that follows 。 is another one.
        ("有給休暇は10日付与される。[1]慶弔休暇は5日付与される。", "supported"),
    ],
)
def test_all_that_a_mark_covers_is_compared(answer, wanted):
    assert state_of(answer, [Document(NOTICE)]) == wanted


def test_the_headings_of_a_passage_belong_to_each_of_its_rows():
    rows = "役職: 部長、日当: 5,000円\n\n役職: 一般社員、日当: 2,000円"
    assert state("2025年度の部長の日当: 5,000円", rows, headings="2025年度 旅費") == "supported"
    assert state("2024年度の部長の日当: 5,000円", rows, headings="2025年度 旅費") == "contradicted"


@pytest.mark.parametrize(
    "mark", ["[1]", "［1］", "[１]", "【1】", "【１】", "[資料1]", "【資料 1】", "[ 1 ]"]
)
def test_marks_are_read_however_a_model_writes_them(mark):
    assert state_of(f"有給休暇は10日付与される{mark}。", [Document(NOTICE)]) == "supported"


def test_a_range_of_marks_is_all_that_it_spans():
    documents = [Document(NOTICE)] * 4
    assert [c.number for c in find_citations("10日[2-4]", documents, "")] == [2, 3, 4]
    assert [c.number for c in find_citations("10日[1〜2、4]", documents, "")] == [1, 2, 4]


@pytest.mark.slow
def test_quantities_of_any_text_are_found_in_linear_time():
    for text in ("1" * 20_000, "一" * 20_000, "1," * 10_000, "千" * 20_000, "a-1" * 7_000):
        quantities(text)
