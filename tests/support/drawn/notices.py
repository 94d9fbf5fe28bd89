"""Minutes, questions and answers, opening hours, calendars and other prose."""

from random import Random

from tests.support.drawn.document import (
    CITIES,
    PEOPLE,
    Asked,
    Drawn,
    ascending,
    markdown_table,
    yen,
)


def minutes(rng: Random) -> Drawn:
    """Decisions with who does them by when."""
    names = rng.sample(PEOPLE, 3)
    tasks = rng.sample(
        "見積書の作成 展示会の申込み 会場の予約 契約書の確認 顧客への説明".split(), 3
    )
    days = ascending(rng, range(1, 28), 3)
    month = rng.randint(2, 11)
    budget, spent = ascending(rng, range(30, 300), 2)
    items = "\n".join(
        f"- {t}: 担当は{n}、期限は{month + 1}月{d}日"
        for t, n, d in zip(tasks, names, days, strict=True)
    )
    text = (
        f"# 営業会議 議事録\n\n日時: {month}月{rng.randint(1, 28)}日\n\n## 決定事項\n\n"
        f"展示会の予算は{budget}万円とする。前回の支出は{spent}万円であった。\n\n"
        f"## 宿題\n\n{items}\n"
    )
    i = rng.randrange(3)
    other = (i + 1) % 3
    return Drawn(
        "議事録.md",
        text,
        [
            Asked(
                f"{tasks[i]}の担当は誰ですか。",
                names[i],
                f"{tasks[i]}の担当は{{}}です。",
                {"another row": names[other]},
                "議事録の配布の担当は誰ですか。",
            ),
            Asked(
                f"{tasks[i]}はいつまでですか。",
                f"{month + 1}月{days[i]}日",
                f"{tasks[i]}の期限は{{}}です。",
                {"another row": f"{month + 1}月{days[other]}日"},
            ),
            Asked(
                "展示会の予算はいくらに決まりましたか。",
                f"{budget}万円",
                "展示会の予算は{}です。",
                {"another sentence": f"{spent}万円", "another unit": f"{budget}億円"},
            ),
        ],
    )


def questions_and_answers(rng: Random) -> Drawn:
    """A FAQ."""
    fee, years, chars = rng.randint(5, 30) * 100, rng.randint(3, 6), rng.randint(8, 16)
    days = rng.randint(2, 10)
    text = (
        "# よくある質問\n\n## 社員証を紛失しました\n\n"
        f"総務部に届け出てください。再発行の手数料は{yen(fee)}です。発行まで{days}日かかります。\n\n"
        f"## パソコンはいつ交換されますか\n\n使い始めてから{years}年で交換します。\n\n"
        f"## パスワードの条件は何ですか\n\n{chars}文字以上にしてください。"
        "ほかのサービスと同じパスワードは使えません。\n"
    )
    return Drawn(
        "よくある質問.md",
        text,
        [
            Asked(
                "社員証の再発行にはいくらかかりますか。",
                yen(fee),
                "社員証の再発行の手数料は{}です。",
                {"another sentence": f"{days}日", "another unit": f"{fee:,}ドル"},
                "名刺の再発行にはいくらかかりますか。",
            ),
            Asked(
                "パソコンは何年で交換されますか。",
                f"{years}年",
                "パソコンは{}で交換されます。",
                {"another section": f"{days}日", "another unit": f"{years}か月"},
                "社用車は何年で交換されますか。",
            ),
            Asked(
                "パスワードは何文字以上必要ですか。",
                f"{chars}文字以上",
                "パスワードは{}にします。",
                {"opposite": f"{chars}文字以下", "another section": f"{years}年"},
            ),
        ],
    )


def opening_hours(rng: Random) -> Drawn:
    """Times from and until."""
    start, end = rng.randint(7, 10), rng.randint(17, 21)
    lunch, supper = rng.randint(11, 12), rng.randint(13, 15)
    day = rng.choice("月火水木金")
    seats = rng.randint(20, 120)
    text = (
        "食堂のご案内\n\n"
        f"営業時間は{start}時から{end}時までです。昼食は{lunch}時から{supper}時まで提供します。\n"
        f"定休日は毎週{day}曜日です。席は{seats}席あります。\n"
    )
    return Drawn(
        "食堂のご案内.txt",
        text,
        [
            Asked(
                "食堂は何時に開きますか。",
                f"{start}時",
                "食堂の営業は{}からです。",
                {"the other end": f"{end}時", "another sentence": f"{seats}席"},
            ),
            Asked(
                "食堂の営業時間は何時までですか。",
                f"{end}時",
                "営業時間は{}までです。",
                {"the other end": f"{start}時", "another sentence": f"{supper}時"},
                "売店の営業時間は何時までですか。",
            ),
            Asked(
                "昼食は何時から提供されますか。",
                f"{lunch}時",
                "昼食は{}から提供されます。",
                {"the other end": f"{supper}時", "another sentence": f"{start}時"},
            ),
        ],
    )


def calendar(rng: Random) -> Drawn:
    """Events of a year with dates and places."""
    events = rng.sample("入社式 防災訓練 健康診断 創立記念式典 社員総会 清掃活動".split(), 4)
    months = ascending(rng, range(1, 13), 4)
    dates = [f"{m}月{rng.randint(1, 28)}日" for m in months]
    places = rng.sample("本館ホール 第2会議室 体育館 正面広場 研修センター 食堂".split(), 4)
    rows = [[d, e, p] for d, e, p in zip(dates, events, places, strict=True)]
    year = rng.randint(2023, 2029)
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "年間行事.md",
        f"# {year}年の行事予定\n\n" + markdown_table(["日付", "行事", "場所"], rows) + "\n",
        [
            Asked(
                f"{events[i]}はいつですか。",
                dates[i],
                f"{events[i]}は{{}}に行われます。",
                {"another row": dates[other], "another column": places[i]},
                "忘年会はいつですか。",
            ),
            Asked(
                f"{year}年の{events[i]}はどこで開かれますか。",
                places[i],
                f"{events[i]}は{{}}で開かれます。",
                {"another row": places[other]},
                f"{year - 2}年の{events[i]}はどこで開かれますか。",
            ),
        ],
    )


def storage(rng: Random) -> Drawn:
    """Ranges of temperature and humidity, with a lower and an upper end."""
    low, high = rng.randint(1, 12), rng.randint(25, 40)
    dry, wet = rng.randint(20, 40), rng.randint(60, 85)
    months = rng.randint(6, 36)
    text = (
        "# 試薬の取扱い\n\n## 保管\n\n"
        f"保管温度は{low}℃以上{high}℃以下とする。湿度は{dry}%から{wet}%までとする。\n\n"
        f"## 使用期限\n\n開封前の使用期限は製造から{months}か月とする。\n"
    )
    return Drawn(
        "試薬の取扱い.md",
        text,
        [
            Asked(
                "試薬の保管温度の上限は何度ですか。",
                f"{high}℃",
                "保管温度の上限は{}です。",
                {"the other end": f"{low}℃", "another sentence": f"{wet}%"},
            ),
            Asked(
                "保管するときの湿度は最低何%ですか。",
                f"{dry}%",
                "保管するときの湿度は{}からです。",
                {"the other end": f"{wet}%", "another sentence": f"{low}℃"},
            ),
            Asked(
                "試薬の使用期限は製造から何か月ですか。",
                f"{months}か月",
                "使用期限は製造から{}です。",
                {"another unit": f"{months}年", "another section": f"{high}℃"},
                "溶媒の使用期限は製造から何か月ですか。",
            ),
        ],
    )


def two_places(rng: Random) -> Drawn:
    """One sentence with the values of several places."""
    first, second, third = rng.sample(CITIES, 3)
    people = rng.sample(range(12, 200), 3)
    year, later = ascending(rng, range(1975, 2020), 2)
    text = (
        "会社概要\n\n"
        f"当社は{year}年に{first}で創業し、{later}年に本社を{second}へ移しました。\n"
        f"社員は、{first}工場が{people[0]}人、{second}本社が{people[1]}人、{third}営業所が{people[2]}人です。\n"
    )
    return Drawn(
        "会社概要.txt",
        text,
        [
            Asked(
                f"{first}工場の社員は何人ですか。",
                f"{people[0]}人",
                f"{first}工場の社員は{{}}です。",
                {"another clause": f"{people[1]}人"},
                "台湾工場の社員は何人ですか。",
            ),
            Asked(
                f"{third}営業所には何人いますか。",
                f"{people[2]}人",
                f"{third}営業所の社員は{{}}です。",
                {"another clause": f"{people[0]}人"},
            ),
            Asked(
                "創業したのは何年ですか。",
                f"{year}年",
                "創業は{}です。",
                {"another clause": f"{later}年"},
            ),
        ],
    )


KINDS = (minutes, questions_and_answers, opening_hours, calendar, storage, two_places)
