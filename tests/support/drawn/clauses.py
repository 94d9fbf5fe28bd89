"""Rules, notices, minutes and FAQs that are composed of drawn clauses."""

from collections.abc import Sequence
from random import Random

from tests.support.drawn.document import CITIES, PEOPLE, Asked, Drawn, yen

# A clause is its heading, what it says, and questions with their answers. {a}, {b} … are drawn.
Clause = tuple[str, str, tuple[tuple[str, str], ...]]


def _deadline(rng: Random) -> Clause:
    paper = rng.choice("転居届 休学願 出展申込書 工事届 使用願 報告書 見積依頼書 参加票".split())
    event = rng.choice("開始日 利用日 異動日 着工日 開催日 搬入日 入会日".split())
    whom = rng.choice("事務局長 管理組合 窓口 学生課 施設長 担当課長 支店長 理事会".split())
    term = f"{rng.randint(2, 60)}{rng.choice(('日', '週間', 'か月'))}{rng.choice(('前', '後'))}"
    ending = rng.choice(("提出する。", "提出してください。", "届け出なければならない。"))
    return (
        f"{paper}の提出",
        f"{paper}は、{event}の{term}までに{whom}に{ending}",
        (
            (f"{paper}はいつまでに出しますか。", f"{event}の{term}まで"),
            (f"{paper}は{event}のどれくらい{term[-1]}までに提出しますか。", term),
            (f"{paper}はどこに提出すればよいですか。", whom),
            (f"{paper}は誰に出しますか。", whom),
        ),
    )


def _limit(rng: Random) -> Clause:
    thing, unit, verb = rng.choice(
        (
            ("ロッカー", "個", "使用できる"),
            ("招待券", "枚", "受け取れる"),
            ("弁当", "食", "注文できる"),
            ("面会", "回", "行える"),
            ("コピー用紙", "束", "持ち出せる"),
            ("貸し自転車", "台", "借りられる"),
            ("相談", "回", "申し込める"),
            ("苗", "本", "購入できる"),
        )
    )
    per = rng.choice(("1人", "1日", "1世帯", "1か月", "1団体"))
    most = f"{rng.randint(2, 30)}{unit}"
    return (
        f"{thing}の上限",
        f"{thing}は、{per}{most}まで{verb}。",
        (
            (f"{thing}は{per}何{unit}までですか。", most),
            (f"{per}につき{thing}はいくつまで{verb}のですか。", most),
            (f"{thing}に上限はありますか。", f"{per}{most}まで"),
        ),
    )


def _range(rng: Random) -> Clause:
    thing, unit, low, high = rng.choice(
        (
            ("水温", "℃", 5, 60),
            ("受付時間", "時", 7, 21),
            ("気圧", "kPa", 50, 300),
            ("対象年齢", "歳", 6, 80),
            ("回転数", "rpm", 100, 3000),
            ("荷物の重さ", "kg", 2, 40),
            ("電圧", "V", 80, 250),
            ("募集期間", "日", 1, 30),
            ("点灯時間", "時", 4, 22),
            ("参加人数", "名", 5, 90),
        )
    )
    a, b = sorted(rng.sample(range(low, high), 2))
    first, second = f"{a}{unit}", f"{b}{unit}"
    if unit in ("時", "日") or rng.random() < 0.5:
        said, lower, upper = f"{first}から{second}まで", first, second
        asked = (f"{thing}はいつからですか。", f"{thing}はいつまでですか。")
        if unit not in ("時", "日"):
            asked = (f"{thing}は最低どれくらいですか。", f"{thing}は最高どれくらいですか。")
    else:
        words = rng.choice((("以上", "以下"), ("以上", "未満"), ("を超え", "以下")))
        lower, upper = f"{first}{words[0]}", f"{second}{words[1]}"
        said = f"{lower}{upper}"
        asked = (f"{thing}の下限はどれだけですか。", f"{thing}の上限はどれだけですか。")
        asked = rng.choice(
            (asked, (f"{thing}は何{unit}以上ですか。", f"{thing}は何{unit}までですか。"))
        )
    return (
        f"{thing}の範囲",
        f"{thing}は{said}とする。",
        ((asked[0], lower), (asked[1], upper), (f"{thing}の範囲を教えてください。", said)),
    )


def _permission(rng: Random) -> Clause:
    place = rng.choice("展示室 作業場 宿泊棟 屋上 中庭 試験室 控室 倉庫 駐輪場".split())
    act, can, cannot = rng.choice(
        (
            ("写真の撮影", "写真の撮影ができる", "写真の撮影はできない"),
            ("喫煙", "喫煙を認める", "喫煙を禁止する"),
            ("飲食", "飲食してもよい", "飲食してはならない"),
            ("携帯電話の使用", "携帯電話を使用できる", "携帯電話は使用できない"),
            ("ペットの同伴", "ペットの同伴を認める", "ペットの同伴は認めない"),
            ("火の使用", "火を使用できる", "火の使用を禁じる"),
            ("私物の保管", "私物を保管できる", "私物を保管してはならない"),
        )
    )
    said = rng.choice((can, cannot))
    return (
        f"{place}での{act}",
        f"{place}では、{said}。",
        (
            (f"{place}で{act}はできますか。", said),
            (f"{place}での{act}は認められていますか。", said),
            (f"{place}では{act}をしてもよいですか。", said),
        ),
    )


def _condition(rng: Random) -> Clause:
    when = rng.choice(
        "停電した ランプが点滅した 異音がした 鍵をなくした 住所が変わった 体調が悪くなった "
        "荷物が届かない 水漏れを見つけた 画面が消えた 定員に達した 大雨警報が出た".split()
    )
    what = rng.choice(
        "主電源を切り、係員を呼ぶ 総務係に連絡する 予備の装置に切り替える 受付を終了する "
        "変更届を出す 運転を止めて点検する 裏面の番号に電話する 作業を中止して避難する "
        "カバーを開けて取り除く 翌営業日に振り替える".split()
    )
    subject = rng.choice(("機械室", "配送", "宿舎", "印刷機", "プール", "端末", "教室"))
    return (
        f"{subject}の異常",
        f"{subject}で{when}ときは、{what}。",
        (
            (f"{subject}で{when}ときはどうしますか。", what),
            (f"{subject}で{when}場合、どうすればよいでしょうか。", what),
            (f"{subject}で{what}のはどんなときですか。", f"{when}とき"),
        ),
    )


def _fee(rng: Random) -> Clause:
    thing = rng.choice("証明書 合鍵 入館証 延長 追加の清掃 時間外の利用 解体 運搬".split())
    fee, free = (
        yen(rng.randint(2, 90) * 50),
        rng.choice("会員 学生 65歳以上の人 未就学児 町民".split()),
    )
    return (
        f"{thing}の費用",
        f"{thing}には{fee}がかかる。ただし、{free}は無料とする。",
        (
            (f"{thing}にはいくらかかりますか。", fee),
            (f"{thing}の費用はおいくらですか。", fee),
            (f"{thing}が無料になるのは誰ですか。", free),
            (f"{thing}が無料なのはどんな人ですか。", free),
        ),
    )


def _decision(rng: Random) -> Clause:
    task = rng.choice(
        "名簿の更新 看板の塗り替え 備蓄品の点検 記念誌の編集 業者の選定 案内状の発送".split()
    )
    name, helper = rng.sample(PEOPLE, 2)
    day = f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日"
    cost = f"{rng.randint(2, 90)}万円"
    return (
        task,
        f"{task}は{name}が{day}までに行い、費用は{cost}以内とする。{helper}が補助する。",
        (
            (f"{task}は誰が行いますか。", name),
            (f"{task}を手伝うのは誰ですか。", helper),
            (f"{task}の期限はいつですか。", day),
            (f"{task}にかけてよい費用はいくらまでですか。", cost),
        ),
    )


def _change(rng: Random) -> Clause:
    head, draw = rng.choice(
        (
            ("年会費", lambda: yen(rng.randint(10, 99) * 100)),
            ("受付場所", lambda: f"{rng.choice(CITIES)}ビル{rng.randint(2, 9)}階"),
            ("最終便", lambda: f"{rng.randint(17, 23)}時{rng.randint(10, 59)}分"),
            ("集配の曜日", lambda: f"{rng.choice('月火水木金土')}曜日"),
            ("保守の窓口", lambda: f"{rng.choice(PEOPLE)}電機"),
        )
    )
    old = new = draw()
    while new == old:
        new = draw()
    day = f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日"
    why = rng.choice("建物の改修 法令の改正 人手の不足 材料費の上昇 利用者の増加".split())
    return (
        f"{head}の変更",
        f"{why}のため、{day}から{head}を{old}から{new}に変更します。",
        (
            (f"変更後の{head}を教えてください。", new),
            (f"これまでの{head}は何でしたか。", old),
            (f"{head}はいつから変わりますか。", day),
            (f"{head}が変わるのはなぜですか。", why),
        ),
    )


def _share(rng: Random) -> Clause:
    thing = rng.choice("前金 中途解約金 施設の補修費 送迎の費用 保険料 積立金".split())
    ours, theirs = (
        rng.choice("本部 会社 市 主催者".split()),
        rng.choice("会員 本人 町 出展者".split()),
    )
    share = rng.randrange(10, 95, 5)
    return (
        f"{thing}の負担",
        f"{thing}は、{ours}が{share}%、{theirs}が{100 - share}%を負担する。",
        (
            (f"{thing}の{ours}の負担は何%ですか。", f"{share}%"),
            (f"{thing}のうち{theirs}が負担するのは何パーセントですか。", f"{100 - share}%"),
        ),
    )


def _post(rng: Random) -> Clause:
    body = rng.choice("審査会 運営部会 後援会 同窓会 評議会 選考会".split())
    chief, name = rng.choice(("会長", "代表", "座長")), rng.choice(PEOPLE)
    years, people = f"{rng.randint(1, 6)}年", f"{rng.randint(3, 25)}人"
    city = rng.choice(CITIES)
    return (
        body,
        f"{body}は{city}に置き、委員{people}で構成する。{chief}は{name}とし、任期は{years}とする。",
        (
            (f"{body}はどこに置かれますか。", city),
            (f"{body}の委員は何人ですか。", people),
            (f"{body}の{chief}は誰ですか。", name),
            (f"{body}の{chief}の任期は何年ですか。", years),
        ),
    )


_CLAUSES = (
    _deadline,
    _limit,
    _range,
    _permission,
    _condition,
    _fee,
    _decision,
    _change,
    _share,
    _post,
)
_TITLES = (
    "利用規程 運営細則 施設使用規則 お知らせ 利用の手引き 管理要領 "
    "入居のしおり 作業手順書 参加要項 取扱要領"
).split()
_OWNERS = ("", "", "みなと会館", "若葉学園", "東山組合", "ひかり工房", "緑町")


# What no clause says of its subject.
_UNSAID = (
    "{}の電話番号は何番ですか。",
    "{}の色は何色ですか。",
    "{}は何年に始まりましたか。",
    "{}を考えたのは誰ですか。",
    "{}の面積はどのくらいですか。",
    "{}の予備はいくつありますか。",
    "{}の昨年の件数は何件ですか。",
    "{}を英語で何といいますか。",
    "{}の審査には何か月かかりますか。",
    "{}の保管場所はどこですか。",
)


def _clauses(rng: Random, low: int, high: int) -> tuple[str, list[Clause], list[Asked]]:
    """A title, clauses of different headings, and questions on each; the last is left out."""
    drawn = {clause[0]: clause for clause in (rng.choice(_CLAUSES)(rng) for _ in range(4 * high))}
    *shown, absent = list(drawn.values())[: rng.randint(low, high) + 1]
    asked = []
    for head, _, pairs in shown:
        for question, answer in rng.sample(pairs, min(2, len(pairs))):
            unsaid = rng.choice(_UNSAID).format(head.rpartition("の")[0] or head)
            elsewhere = rng.choice((unsaid, rng.choice(absent[2])[0]))
            asked.append(Asked(question, answer, "{}", {}, elsewhere))
    rng.shuffle(asked)
    return f"{rng.choice(_OWNERS)}{rng.choice(_TITLES)}", shown, asked


def composed_articles(rng: Random) -> Drawn:
    """Numbered articles."""
    title, clauses, asked = _clauses(rng, 3, 6)
    first = rng.randint(1, 30)
    mark = rng.choice(("", "### ", "## "))
    body = "\n\n".join(
        f"{mark}第{n}条（{head}）{chr(10) * (2 if mark else 1)}{text}"
        for n, (head, text, _) in enumerate(clauses, first)
    )
    ending = "md" if mark else "txt"
    return Drawn(f"{title}.{ending}", f"{'# ' if mark else ''}{title}\n\n{body}\n", asked)


def composed_paragraphs(rng: Random) -> Drawn:
    """An article with numbered paragraphs."""
    title, clauses, asked = _clauses(rng, 2, 4)
    text = "\n".join(f"{n}　{text}" if n > 1 else text for n, (_, text, _) in enumerate(clauses, 1))
    return Drawn(
        f"{title}.md", f"# {title}\n\n## 第{rng.randint(2, 30)}条（雑則）\n\n{text}\n", asked
    )


def composed_notice(rng: Random) -> Drawn:
    """One paragraph of prose."""
    title, clauses, asked = _clauses(rng, 2, 4)
    greeting = rng.choice(
        ("", "ご利用いただきありがとうございます。", "次のとおりお知らせします。")
    )
    text = greeting + "".join(text for _, text, _ in clauses)
    return Drawn(f"{title}.txt", f"{title}\n\n{text}\n", asked)


def composed_manual(rng: Random) -> Drawn:
    """Headed sections."""
    title, clauses, asked = _clauses(rng, 3, 5)
    numbered = rng.random() < 0.5
    body = "\n\n".join(
        f"## {f'{n}. ' if numbered else ''}{head}\n\n{text}"
        for n, (head, text, _) in enumerate(clauses, 1)
    )
    return Drawn(f"{title}.md", f"# {title}\n\n{body}\n", asked)


def composed_faq(rng: Random) -> Drawn:
    """Questions with their answers; what is asked is worded otherwise than there."""
    title, clauses, _ = _clauses(rng, 3, 5)
    blocks, asked = [], []
    marks: Sequence[str] = rng.choice((("## ", "\n\n"), ("Q. ", "\nA. "), ("**Q. ", "**\n\nA. ")))
    for _, text, pairs in clauses:
        (shown, _), *others = rng.sample(pairs, len(pairs))
        blocks.append(f"{marks[0]}{shown}{marks[1]}{text}")
        asked += [Asked(question, answer, "{}", {}) for question, answer in others[:2]]
    body = "\n\n".join(blocks)
    return Drawn(f"{title}のよくある質問.md", f"# よくある質問\n\n{body}\n", asked)


def composed_minutes(rng: Random) -> Drawn:
    """What a meeting decided."""
    _, clauses, asked = _clauses(rng, 2, 5)
    title = f"{rng.choice(('定例会', '役員会', '実行委員会', '総会', '部会'))}議事録"
    day = f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日"
    place, name = f"{rng.choice(CITIES)}会館", rng.choice(PEOPLE)
    items = "\n".join(f"- {text}" for _, text, _ in clauses)
    text = f"# {title}\n\n日時: {day}\n場所: {place}\n司会: {name}\n\n## 決定事項\n\n{items}\n"
    own = [
        Asked(f"{title[:-3]}はいつ開かれましたか。", day, "{}", {}),
        Asked(f"{title[:-3]}の場所はどこでしたか。", place, "{}", {}),
        Asked(f"{title[:-3]}の司会は誰が務めましたか。", name, "{}", {}),
    ]
    return Drawn(f"{title}.md", text, [*asked, *own])


KINDS = (
    composed_articles,
    composed_paragraphs,
    composed_notice,
    composed_manual,
    composed_faq,
    composed_minutes,
)
