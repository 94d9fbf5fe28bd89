"""Rules of companies and institutions: tables of years and days, bounds, permissions."""

from random import Random

from tests.support.drawn.document import Asked, Drawn, ascending, markdown_table, yen


def leave_by_years(rng: Random) -> Drawn:
    """Days of leave by years of service."""
    years = ascending(rng, range(1, 12), 5)
    days = ascending(rng, range(10, 26), 5)
    table = markdown_table(
        ["勤続年数", "付与日数"], [[f"{y}年", f"{d}日"] for y, d in zip(years, days, strict=True)]
    )
    limit = rng.randint(3, 9)
    text = (
        "# 就業規則\n\n## 第4章 休暇\n\n### 第18条（年次有給休暇）\n\n"
        "年次有給休暇は、勤続年数に応じて次の表のとおり付与する。\n\n"
        f"{table}\n\n### 第19条（半日休暇）\n\n"
        f"年次有給休暇は、1年に{limit}日まで半日単位で取得できる。\n"
    )
    i = rng.randrange(5)
    other = (i + rng.choice((1, -1))) % 5
    unlisted = next(y for y in range(13, 30) if y not in years)
    asked = f"勤続{years[i]}年の有給休暇は何日ですか。"
    return Drawn(
        "就業規則.md",
        text,
        [
            Asked(
                rng.choice((asked, f"{years[i]}年勤めると、年次有給休暇は何日もらえますか？")),
                f"{days[i]}日",
                f"勤続{years[i]}年の付与日数は{{}}です。",
                {
                    "another row": f"{days[other]}日",
                    "another column": f"{years[i]}年",
                    "another article": f"{limit}日",
                    "another unit": f"{days[i]}時間",
                },
                f"勤続{unlisted}年の有給休暇は何日ですか。",
            ),
            Asked(
                "半日休暇は1年に何日まで取得できますか。",
                f"{limit}日",
                "半日単位の休暇は1年に{}まで取得できます。",
                {"another row": f"{days[i]}日", "another unit": f"{limit}か月"},
            ),
        ],
    )


def entertainment(rng: Random) -> Drawn:
    """Expenses of articles with bounds."""
    meal, gift, slip = ascending(rng, range(20, 120), 3)
    days = rng.randint(5, 20)
    meal, gift, slip = meal * 100, gift * 100, slip * 10
    text = (
        "経費精算規程\n\n第3条（会食費）\n"
        f"取引先との会食は、1人{yen(meal)}以内とする。これを超えるときは部長の承認を受ける。\n\n"
        f"第4条（贈答品）\n贈答品は、1件{yen(gift)}未満とする。\n\n"
        f"第5条（領収書）\n{yen(slip)}以上の支出には領収書を添付する。\n\n"
        f"第6条（期限）\n申請は、支出の日から{days}日以内に行う。\n"
    )
    return Drawn(
        "経費精算規程.txt",
        text,
        [
            Asked(
                "取引先との会食は1人いくらまでですか。",
                yen(meal),
                "取引先との会食は1人{}以内です。",
                {
                    "another article": yen(gift),
                    "another unit": f"{meal:,}ドル",
                    "opposite": f"{yen(meal)}以上",
                },
                "社員同士の懇親会は1人いくらまでですか。",
            ),
            Asked(
                "贈答品の上限はいくらですか。",
                f"{yen(gift)}未満",
                "贈答品は1件{}とされています。",
                {"another article": f"{yen(meal)}以内", "opposite": f"{yen(gift)}以上"},
            ),
            Asked(
                "領収書が必要なのはいくら以上ですか。",
                f"{yen(slip)}以上",
                "{}の支出には領収書の添付が必要です。",
                {"another article": yen(gift), "the other end": f"{yen(slip)}以下"},
            ),
            Asked(
                "経費の申請は支出から何日以内ですか。",
                f"{days}日以内",
                "申請は支出の日から{}に行います。",
                {"another unit": f"{days}営業日以内", "another article": yen(meal)},
            ),
        ],
    )


def side_jobs(rng: Random) -> Drawn:
    """What is allowed and what is not."""
    weeks, hours = rng.randint(2, 6), rng.randint(5, 20)
    boss = rng.choice(("人事部長", "総務部長", "所属長"))
    other = rng.choice(("社長", "監査役"))
    text = (
        "# 兼業規程\n\n## 第2条（許可）\n\n"
        f"従業員は、開始の{weeks}週間前までに{boss}に届け出て、兼業をすることができる。\n\n"
        "## 第3条（制限）\n\n競合する会社での兼業は認めない。"
        f"兼業の時間は、1週間に{hours}時間を超えてはならない。\n\n"
        f"## 第4条（報告）\n\n兼業の状況は、半年ごとに{other}に報告する。\n"
    )
    return Drawn(
        "兼業規程.md",
        text,
        [
            Asked(
                "兼業は1週間に何時間までできますか。",
                f"{hours}時間",
                "兼業の時間は1週間に{}までです。",
                {"another article": f"{weeks}週間", "another unit": f"{hours}日"},
            ),
            Asked(
                "兼業の届け出は誰にしますか。",
                boss,
                "兼業は{}に届け出ます。",
                {"another article": other},
            ),
            Asked(
                "競合する会社での兼業は認められますか。",
                "競合する会社での兼業は認められません。",
                "{}",
                {"opposite": "競合する会社での兼業は認められます。"},
            ),
        ],
    )


def travel_by_rank(rng: Random) -> Drawn:
    """Daily allowances and hotels by rank."""
    ranks = ["役員", "部長", "課長", "一般社員"]
    daily = [v * 100 for v in reversed(ascending(rng, range(15, 60), 4))]
    hotel = [v * 500 for v in reversed(ascending(rng, range(16, 50), 4))]
    rows = [[r, yen(d), yen(h)] for r, d, h in zip(ranks, daily, hotel, strict=True)]
    km = rng.randint(15, 40)
    text = (
        "# 出張旅費規程\n\n## 第5条（日当と宿泊費）\n\n"
        "日当と宿泊費の上限は次の表のとおりとする。\n\n"
        f"{markdown_table(['役職', '日当', '宿泊費の上限'], rows)}\n\n"
        f"## 第8条（自家用車）\n\n自家用車を使ったときは、1kmにつき{km}円を支給する。\n"
    )
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "出張旅費規程.md",
        text,
        [
            Asked(
                rng.choice(
                    (f"{ranks[i]}の日当はいくらですか。", f"{ranks[i]}が出張したときの日当は？")
                ),
                yen(daily[i]),
                f"{ranks[i]}の日当は{{}}です。",
                {
                    "another row": yen(daily[other]),
                    "another column": yen(hotel[i]),
                    "another unit": f"{daily[i]:,}ドル",
                },
                "顧問の日当はいくらですか。",
            ),
            Asked(
                f"{ranks[i]}の宿泊費はいくらまで認められますか。",
                yen(hotel[i]),
                f"{ranks[i]}の宿泊費の上限は{{}}です。",
                {"another row": yen(hotel[other]), "another column": yen(daily[i])},
            ),
            Asked(
                "自家用車で出張したら1kmあたりいくら出ますか。",
                f"{km}円",
                "自家用車を使うと1kmにつき{}が支給されます。",
                {"another article": yen(daily[i])},
                "タクシーで出張したら1kmあたりいくら出ますか。",
            ),
        ],
    )


def membership(rng: Random) -> Drawn:
    """Rules of a library: limits that differ by kind."""
    books, magazines = ascending(rng, range(2, 16), 2)
    week, days = rng.randint(2, 4), rng.randint(3, 10)
    age = rng.randint(6, 15)
    text = (
        "市立図書館利用規則\n\n第6条（貸出）\n"
        f"図書の貸出は1人{books}冊まで、期間は{week}週間とする。"
        f"雑誌の貸出は1人{magazines}冊まで、期間は{days}日間とする。\n\n"
        f"第7条（自習室）\n自習室は、{age}歳以上の者が利用できる。自習室での飲食はできない。\n\n"
        "第8条（紛失）\n借りた資料を紛失した者は、同じものを弁償しなければならない。\n"
    )
    return Drawn(
        "図書館利用規則.txt",
        text,
        [
            Asked(
                "図書は何冊まで借りられますか。",
                f"{books}冊",
                "図書は1人{}まで借りられます。",
                {"another sentence": f"{magazines}冊"},
                "視聴覚資料は何冊まで借りられますか。",
            ),
            Asked(
                "雑誌の貸出期間はどのくらいですか。",
                f"{days}日間",
                "雑誌の貸出期間は{}です。",
                {"another sentence": f"{week}週間", "another unit": f"{days}か月"},
            ),
            Asked(
                "自習室は何歳から利用できますか。",
                f"{age}歳",
                "自習室は{}以上の人が利用できます。",
                {"opposite": f"{age}歳未満", "another article": f"{books}冊"},
            ),
            Asked(
                "自習室で飲食はできますか。",
                "自習室での飲食はできません。",
                "{}",
                {"opposite": "自習室での飲食はできます。"},
            ),
        ],
    )


KINDS = (leave_by_years, entertainment, side_jobs, travel_by_rank, membership)
