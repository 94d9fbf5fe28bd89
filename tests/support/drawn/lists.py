"""Forms, contracts, timetables, lists of rooms, parts and ingredients, results of a survey."""

from random import Random

from tests.support.drawn.document import Asked, Drawn, ascending, csv_table, markdown_table, yen


def job_posting(rng: Random) -> Drawn:
    """A form of labels and values, one a line."""
    jobs = rng.sample("営業職 経理事務 製造スタッフ 研究開発職 受付".split(), 2)
    pay = [v * 1000 for v in rng.sample(range(185, 320), 2)]
    seats = rng.sample(range(1, 9), 2)
    hours = rng.sample(range(7, 11), 2)
    blocks = [
        f"## {j}\n\n募集人数: {s}名\n\n月給: {yen(p)}\n\n勤務時間: {h}時から{h + 9}時まで\n"
        for j, s, p, h in zip(jobs, seats, pay, hours, strict=True)
    ]
    i = rng.randrange(2)
    return Drawn(
        "採用情報.md",
        "# 採用情報\n\n" + "\n".join(blocks),
        [
            Asked(
                f"{jobs[i]}の月給はいくらですか。",
                yen(pay[i]),
                f"{jobs[i]}の月給は{{}}です。",
                {"another section": yen(pay[1 - i]), "another row": f"{seats[i]}名"},
                "通訳の月給はいくらですか。",
            ),
            Asked(
                f"{jobs[i]}は何名募集していますか。",
                f"{seats[i]}名",
                f"{jobs[i]}の募集人数は{{}}です。",
                {"another section": f"{seats[1 - i]}名"},
            ),
            Asked(
                f"{jobs[i]}の勤務は何時からですか。",
                f"{hours[i]}時",
                f"{jobs[i]}の勤務時間は{{}}からです。",
                {"the other end": f"{hours[i] + 9}時", "another section": f"{hours[1 - i]}時"},
            ),
        ],
    )


def contract(rng: Random) -> Drawn:
    """Articles of a contract between two parties."""
    notice, pay, repair = ascending(rng, range(10, 120, 5), 3)
    fee = rng.randint(20, 300) * 10_000
    years = rng.randint(1, 5)
    text = (
        "業務委託契約書\n\n"
        f"第3条（委託料）\n甲は乙に、委託料として月額{yen(fee)}を支払う。"
        f"支払いは、請求書を受け取った日から{pay}日以内に行う。\n\n"
        f"第7条（期間）\n契約の期間は{years}年間とする。\n\n"
        f"第8条（解約）\n甲または乙は、{notice}日前までに書面で通知して、この契約を解約することができる。\n\n"
        f"第9条（修補）\n乙は、納品から{repair}日以内に見つかった不具合を無償で直す。\n\n"
        "第10条（再委託）\n乙は、業務を第三者に再委託してはならない。\n"
    )
    return Drawn(
        "業務委託契約書.txt",
        text,
        [
            Asked(
                "委託料は月額いくらですか。",
                yen(fee),
                "委託料は月額{}です。",
                {"another unit": f"{fee:,}ドル", "another sentence": f"{pay}日"},
                "違約金は月額いくらですか。",
            ),
            Asked(
                "契約を解約するには何日前までに通知しますか。",
                f"{notice}日前",
                "解約するには{}までに通知します。",
                {"another article": f"{pay}日以内", "opposite": f"{notice}日後"},
            ),
            Asked(
                "納品から何日以内の不具合なら無償で直してもらえますか。",
                f"{repair}日以内",
                "納品から{}の不具合は無償で直します。",
                {"another article": f"{pay}日以内", "another unit": f"{repair}か月以内"},
            ),
            Asked(
                "再委託はできますか。",
                "第三者に再委託してはなりません。",
                "{}",
                {"opposite": "第三者に再委託することができます。"},
            ),
        ],
    )


def bus_times(rng: Random) -> Drawn:
    """Departures and arrivals."""
    start = ascending(rng, range(7 * 60, 20 * 60, 5), 4)
    ride = rng.randint(4, 11) * 5
    rows = [
        [f"第{n}便", f"{t // 60}:{t % 60:02}", f"{(t + ride) // 60}:{(t + ride) % 60:02}"]
        for n, t in enumerate(start, 1)
    ]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "送迎バス.csv",
        csv_table(["便", "駅発", "工場着"], rows),
        [
            Asked(
                f"第{i + 1}便は駅を何時に出ますか。",
                rows[i][1],
                f"第{i + 1}便は駅を{{}}に出ます。",
                {"another row": rows[other][1], "another column": rows[i][2]},
                "第9便は駅を何時に出ますか。",
            ),
            Asked(
                f"第{i + 1}便は工場に何時に着きますか。",
                rows[i][2],
                f"第{i + 1}便の工場着は{{}}です。",
                {"another row": rows[other][2], "another column": rows[i][1]},
            ),
        ],
    )


def meeting_rooms(rng: Random) -> Drawn:
    """Rooms with their size, floor and equipment."""
    names = [f"{n}会議室" for n in rng.sample("第一 第二 小 大 役員 特別".split(), 4)]
    seats, floors = rng.sample(range(4, 90), 4), rng.sample(range(1, 12), 4)
    things = rng.sample("プロジェクター 電子黒板 テレビ会議 ホワイトボード マイク".split(), 4)
    rows = [
        [n, f"{s}名", f"{f}階", t] for n, s, f, t in zip(names, seats, floors, things, strict=True)
    ]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "会議室一覧.md",
        "# 会議室一覧\n\n" + markdown_table(["名称", "定員", "階", "設備"], rows) + "\n",
        [
            Asked(
                f"{names[i]}は何階にありますか。",
                f"{floors[i]}階",
                f"{names[i]}は{{}}にあります。",
                {"another row": f"{floors[other]}階", "another column": f"{seats[i]}名"},
                "地下会議室は何階にありますか。",
            ),
            Asked(
                f"{names[i]}には何人入れますか。",
                f"{seats[i]}名",
                f"{names[i]}の定員は{{}}です。",
                {"another row": f"{seats[other]}名", "another unit": f"{seats[i]}台"},
            ),
            Asked(
                f"{things[i]}があるのはどの会議室ですか。",
                names[i],
                f"{things[i]}があるのは{{}}です。",
                {"another row": names[other]},
            ),
        ],
    )


def maintenance(rng: Random) -> Drawn:
    """Parts with their numbers and when to replace them."""
    parts = rng.sample("フィルター ベルト 乾電池 パッキン ブラシ 潤滑油".split(), 4)
    numbers = [f"{rng.choice('PQRZ')}{n}" for n in rng.sample(range(1000, 9999), 4)]
    months = rng.sample(range(2, 40), 4)
    costs = [v * 50 for v in rng.sample(range(6, 120), 4)]
    rows = [
        [p, n, f"{m}か月", yen(c)] for p, n, m, c in zip(parts, numbers, months, costs, strict=True)
    ]
    i = rng.randrange(4)
    other = (i + 1) % 4
    return Drawn(
        "保守部品.md",
        "# 掃除ロボットの保守\n\n## 交換部品\n\n"
        + markdown_table(["部品", "品番", "交換時期", "価格"], rows)
        + "\n",
        [
            Asked(
                f"{parts[i]}は何か月で交換しますか。",
                f"{months[i]}か月",
                f"{parts[i]}の交換時期は{{}}です。",
                {"another row": f"{months[other]}か月", "another unit": f"{months[i]}年"},
                "バッテリーは何か月で交換しますか。",
            ),
            Asked(
                f"{parts[i]}の品番を教えてください。",
                numbers[i],
                f"{parts[i]}の品番は{{}}です。",
                {"another row": numbers[other], "another column": yen(costs[i])},
            ),
            Asked(
                f"品番{numbers[i]}の部品は何ですか。",
                parts[i],
                f"品番{numbers[i]}は{{}}です。",
                {"another row": parts[other]},
            ),
        ],
    )


def survey(rng: Random) -> Drawn:
    """Shares of answers by year, in prose."""
    first, second = rng.sample(range(20, 90), 2)
    year = rng.randint(2015, 2024)
    people, asked = ascending(rng, range(200, 3000), 2)
    text = (
        "# 顧客満足度調査\n\n"
        f"{year}年の調査では、満足と答えた人は{first}%でした。{year + 1}年は{second}%でした。"
        f"{year + 1}年は{asked:,}人に依頼し、{people:,}人から回答がありました。\n"
    )
    return Drawn(
        "顧客満足度調査.md",
        text,
        [
            Asked(
                f"{year}年に満足と答えた人は何%ですか。",
                f"{first}%",
                f"{year}年に満足と答えた人は{{}}です。",
                {"another year": f"{second}%", "another unit": f"{first}人"},
                f"{year - 4}年に満足と答えた人は何%ですか。",
            ),
            Asked(
                f"{year + 1}年の調査では何人が回答しましたか。",
                f"{people:,}人",
                f"{year + 1}年は{{}}から回答がありました。",
                {"another clause": f"{asked:,}人", "another sentence": f"{second}%"},
            ),
        ],
    )


KINDS = (job_posting, contract, bus_times, meeting_rooms, maintenance, survey)
