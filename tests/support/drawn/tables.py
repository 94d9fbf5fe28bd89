"""Price lists, directories, specifications, figures by year and other tables."""

from random import Random

from tests.support.drawn.document import (
    CITIES,
    PEOPLE,
    Asked,
    Drawn,
    ascending,
    csv_table,
    markdown_table,
    yen,
)


def prices(rng: Random) -> Drawn:
    """A price list with several columns of the same unit."""
    goods = rng.sample(
        "電気ケトル 卓上扇風機 延長コード 掃除機 炊飯器 置時計 折りたたみ机 コーヒーミル".split(), 5
    )
    usual = [v * 100 for v in rng.sample(range(20, 200), 5)]
    member = [v - rng.randint(2, 9) * 50 for v in usual]
    stock = rng.sample(range(3, 90), 5)
    rows = [
        [g, yen(u), yen(m), f"{s}個"]
        for g, u, m, s in zip(goods, usual, member, stock, strict=True)
    ]
    i = rng.randrange(5)
    other = (i + 1) % 5
    return Drawn(
        "価格表.csv",
        csv_table(["品名", "通常価格", "会員価格", "在庫数"], rows),
        [
            Asked(
                rng.choice(
                    (
                        f"{goods[i]}の会員価格はいくらですか。",
                        f"会員なら{goods[i]}はいくらで買えますか。",
                    )
                ),
                yen(member[i]),
                f"{goods[i]}の会員価格は{{}}です。",
                {"another row": yen(member[other]), "another column": yen(usual[i])},
                "空気清浄機の会員価格はいくらですか。",
            ),
            Asked(
                f"{goods[i]}の在庫は何個ありますか。",
                f"{stock[i]}個",
                f"{goods[i]}の在庫は{{}}です。",
                {"another row": f"{stock[other]}個", "another column": yen(usual[i])},
            ),
            Asked(
                f"会員価格が{yen(member[i])}の商品は何ですか。",
                goods[i],
                f"会員価格が{yen(member[i])}の商品は{{}}です。",
                {"another row": goods[other]},
            ),
        ],
    )


def sales_by_year(rng: Random) -> Drawn:
    """Figures by year, one column for each."""
    first = rng.randint(2016, 2022)
    years = [first + n for n in range(4)]
    sales = rng.sample(range(80, 400), 4)
    profit = rng.sample(range(5, 70), 4)
    staff = rng.sample(range(120, 900), 4)
    rows = [
        [f"{y}年度", f"{s}億円", f"{p}億円", f"{n}人"]
        for y, s, p, n in zip(years, sales, profit, staff, strict=True)
    ]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "業績の推移.md",
        "# 業績の推移\n\n"
        + markdown_table(["年度", "売上高", "営業利益", "従業員数"], rows)
        + "\n",
        [
            Asked(
                f"{years[i]}年度の売上高はいくらですか。",
                f"{sales[i]}億円",
                f"{years[i]}年度の売上高は{{}}です。",
                {
                    "another year": f"{sales[other]}億円",
                    "another column": f"{profit[i]}億円",
                    "another unit": f"{sales[i]}万円",
                },
                f"{first - 3}年度の売上高はいくらですか。",
            ),
            Asked(
                f"{years[i]}年度の従業員は何人でしたか。",
                f"{staff[i]}人",
                f"{years[i]}年度の従業員数は{{}}でした。",
                {"another year": f"{staff[other]}人", "another column": f"{sales[i]}億円"},
            ),
        ],
    )


def error_codes(rng: Random) -> Drawn:
    """Error codes with their meaning and remedy."""
    meanings = [
        ("タンクの水がなくなっています", "水を補給してください"),
        ("ファンが回転していません", "電源を切り、販売店に連絡してください"),
        ("フィルターが汚れています", "フィルターを水で洗ってください"),
        ("本体が傾いています", "水平な場所に置いてください"),
        ("室温が低すぎます", "部屋を暖めてから運転してください"),
        ("カバーが開いています", "カバーを閉めてください"),
    ]
    codes = [f"{rng.choice('EFHU')}{n}" for n in rng.sample(range(1, 40), 4)]
    chosen = rng.sample(meanings, 4)
    rows = [[c, m, d] for c, (m, d) in zip(codes, chosen, strict=True)]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "取扱説明書.md",
        "# 取扱説明書\n\n## エラー表示\n\n"
        + markdown_table(["表示", "状態", "処置"], rows)
        + "\n\n## 保証\n\n保証期間は、お買い上げの日から1年です。\n",
        [
            Asked(
                rng.choice(
                    (f"{codes[i]}と表示されたら何が起きていますか。", f"エラー{codes[i]}の意味は？")
                ),
                chosen[i][0],
                f"{codes[i]}は、{{}}。",
                {"another row": chosen[other][0]},
                f"{codes[i][0]}{rng.randint(50, 90)}と表示されたら何が起きていますか。",
            ),
            Asked(
                f"{codes[i]}が出たときの処置を教えてください。",
                chosen[i][1],
                f"{codes[i]}が出たら、{{}}。",
                {"another row": chosen[other][1]},
            ),
        ],
    )


def directory(rng: Random) -> Drawn:
    """People with their departments and extensions."""
    names = rng.sample(PEOPLE, 6)
    departments = rng.sample(
        "総務部 経理部 人事部 営業部 開発部 製造部 品質保証部 法務部".split(), 6
    )
    lines = rng.sample(range(1001, 9999), 6)
    rows = [[n, d, f"{e}"] for n, d, e in zip(names, departments, lines, strict=True)]
    i = rng.randrange(6)
    other = (i + 1) % 6
    return Drawn(
        "内線番号一覧.csv",
        csv_table(["担当者", "部署", "内線"], rows),
        [
            Asked(
                f"{departments[i]}の担当者は誰ですか。",
                names[i],
                f"{departments[i]}の担当者は{{}}です。",
                {"another row": names[other]},
                "広報部の担当者は誰ですか。",
            ),
            Asked(
                f"{names[i]}さんの内線番号は何番ですか。",
                f"{lines[i]}",
                f"{names[i]}さんの内線は{{}}です。",
                {"another row": f"{lines[other]}"},
                "渡辺さんの内線番号は何番ですか。",
            ),
            Asked(
                f"内線{lines[i]}はどの部署ですか。",
                departments[i],
                f"内線{lines[i]}は{{}}です。",
                {"another row": departments[other], "another column": names[i]},
            ),
        ],
    )


def specifications(rng: Random) -> Drawn:
    """Model numbers with their properties."""
    models = [
        f"{rng.choice('ABKMST')}{rng.choice('CDRX')}-{n}" for n in rng.sample(range(100, 990), 4)
    ]
    watts, kilos = rng.sample(range(20, 1500, 10), 4), rng.sample(range(2, 40), 4)
    widths = rng.sample(range(180, 900, 5), 4)
    rows = [
        [m, f"{w}W", f"{k}kg", f"{b}mm"]
        for m, w, k, b in zip(models, watts, kilos, widths, strict=True)
    ]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "製品仕様.md",
        "# 製品仕様\n\n" + markdown_table(["型番", "消費電力", "質量", "幅"], rows) + "\n",
        [
            Asked(
                f"{models[i]}の消費電力は何ワットですか。",
                f"{watts[i]}W",
                f"{models[i]}の消費電力は{{}}です。",
                {"another row": f"{watts[other]}W", "another column": f"{kilos[i]}kg"},
                "ZZ-105の消費電力は何ワットですか。",
            ),
            Asked(
                f"{models[i]}の重さはどのくらいですか。",
                f"{kilos[i]}kg",
                f"{models[i]}の質量は{{}}です。",
                {"another row": f"{kilos[other]}kg", "another unit": f"{kilos[i]}g"},
            ),
        ],
    )


def shipping(rng: Random) -> Drawn:
    """Charges by bands of weight or amount."""
    edges = [v * 1000 for v in ascending(rng, range(2, 20), 3)]
    fees = [v * 10 for v in reversed(ascending(rng, range(20, 120), 4))]
    bands = [
        f"{yen(edges[0])}未満",
        f"{yen(edges[0])}以上{yen(edges[1])}未満",
        f"{yen(edges[1])}以上{yen(edges[2])}未満",
        f"{yen(edges[2])}以上",
    ]
    rows = [[b, yen(f)] for b, f in zip(bands, fees, strict=True)]
    i = rng.randrange(3)
    amount = rng.randrange((edges[i - 1] if i else 500) + 100, edges[i], 100)
    other = i + 1
    days = rng.randint(2, 6)
    text = (
        "# ご利用案内\n\n## 送料\n\n"
        + markdown_table(["ご購入金額", "送料"], rows)
        + f"\n\n## お届け\n\nご注文から{days}日以内に発送します。\n"
    )
    return Drawn(
        "ご利用案内.md",
        text,
        [
            Asked(
                f"{yen(amount)}買うと送料はいくらですか。",
                yen(fees[i]),
                "送料は{}です。",
                {"another row": yen(fees[other]), "another column": yen(edges[i])},
            ),
            Asked(
                f"購入金額が{bands[i]}のときの送料はいくらですか。",
                yen(fees[i]),
                f"購入金額が{bands[i]}のときの送料は{{}}です。",
                {"another row": yen(fees[other])},
            ),
            Asked(
                "注文してから何日以内に発送されますか。",
                f"{days}日以内",
                "ご注文から{}に発送されます。",
                {"another unit": f"{days}週間以内", "another section": yen(fees[i])},
                "返品の申し出は何日以内に発送すればよいですか。",
            ),
        ],
    )


def branches(rng: Random) -> Drawn:
    """Branch offices with address, telephone and opening."""
    cities = rng.sample(CITIES, 3)
    phones = [
        f"0{rng.randint(11, 98)}-{rng.randint(200, 999)}-{n}"
        for n in rng.sample(range(1000, 9999), 3)
    ]
    seats = rng.sample(range(10, 90), 3)
    blocks = [
        f"## {c}支店\n\n電話番号は{p}です。駐車場は{s}台分あります。\n"
        for c, p, s in zip(cities, phones, seats, strict=True)
    ]
    i = rng.randrange(3)
    other = (i + 1) % 3
    absent = next(c for c in CITIES if c not in cities)
    return Drawn(
        "支店案内.md",
        "# 支店のご案内\n\n" + "\n".join(blocks),
        [
            Asked(
                f"{cities[i]}支店の電話番号を教えてください。",
                phones[i],
                f"{cities[i]}支店の電話番号は{{}}です。",
                {"another section": phones[other]},
                f"{absent}支店の電話番号を教えてください。",
            ),
            Asked(
                f"{cities[i]}支店の駐車場には何台停められますか。",
                f"{seats[i]}台",
                f"{cities[i]}支店の駐車場は{{}}分です。",
                {"another section": f"{seats[other]}台"},
                f"{absent}支店の駐車場には何台停められますか。",
            ),
        ],
    )


KINDS = (prices, sales_by_year, error_codes, directory, specifications, shipping, branches)
