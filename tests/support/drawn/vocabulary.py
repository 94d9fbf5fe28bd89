"""Words that tables and records are made of: what the rows are, and what is said of each.

Any column of a domain may be left out, so that a question is answered by the row and the head of
its column, not by their place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.support.drawn.document import CITIES, PEOPLE, yen


@dataclass(frozen=True, slots=True)
class Column:
    """A kind of value.

    Args:
        heads: What the column may be called.
        draw: One value.
        asked: How one asks for it: with the row `{x}` and the head `{h}`, or with what it is
            measured in.
        more: Of two values, which word names the greater one (高い); empty if they have no order.
    """

    heads: str
    draw: Callable[[Random], str]
    asked: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Domain:
    """What the rows of a table are: a title, what a row is called, rows, and their columns."""

    title: str
    noun: str
    rows: str
    columns: str


def _counted(unit: str, low: int, high: int, step: int = 1) -> Callable[[Random], str]:
    return lambda rng: f"{rng.randrange(low, high, step):,}{unit}"


def _of(words: str) -> Callable[[Random], str]:
    return lambda rng: rng.choice(words.split())


def _code(rng: Random) -> str:
    letters = "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=rng.randint(1, 3)))
    return f"{letters}{rng.choice(('-', '', ''))}{rng.randint(10, 9999)}"


COLUMNS = {
    "yen": Column(
        "価格 料金 手数料 会費 補助額 支給額 単価 年会費 使用料 保証金",
        lambda rng: yen(rng.randint(3, 400) * rng.choice((10, 50, 100, 1000))),
        "{x}の{h}はいくらですか。 {x}の{h}はおいくらでしょうか。 {x}は{h}いくら？ "
        "{x}はいくらかかりますか。 {x}にはいくら払いますか。",
        "高い",
    ),
    "people": Column(
        "定員 人数 参加者数 登録者数",
        lambda rng: f"{rng.randint(2, 400)}{rng.choice(('人', '名'))}",
        "{x}の{h}は何人ですか。 {x}の{h}は何名ですか。 {x}には何人いますか。 {x}は何人ですか。",
        "多い",
    ),
    "count": Column(
        "数量 在庫 保有数 台数 必要数",
        lambda rng: f"{rng.randint(2, 500)}{rng.choice('個台枚本')}",
        "{x}の{h}はいくつですか。 {x}の{h}はどれだけありますか。 {x}はいくつありますか。",
        "多い",
    ),
    "days": Column(
        "日数 納期 貸出期間 待機期間 付与日数 処理日数",
        _counted("日", 2, 90),
        "{x}の{h}は何日ですか。 {x}は{h}が何日ありますか。 "
        "{x}は何日ですか。 {x}の{h}はどのくらいですか。",
        "長い",
    ),
    "months": Column(
        "有効期間 交換周期 契約期間 使用期限 研修期間",
        _counted("か月", 2, 60),
        "{x}の{h}は何か月ですか。 {x}は何か月ですか。 {x}の{h}はどれくらいですか。",
        "長い",
    ),
    "years": Column(
        "保存年限 耐用年数 保証 保存期間",
        _counted("年", 1, 30),
        "{x}の{h}は何年ですか。 {x}は何年ですか。 {x}の{h}はどれくらいですか。",
        "長い",
    ),
    "length-of-time": Column(
        "所要時間 検査時間 待ち時間 受講時間",
        lambda rng: rng.choice((f"{rng.randint(1, 24) * 5}分", f"{rng.randint(2, 40)}時間")),
        "{x}の{h}はどのくらいですか。 {x}の{h}はどれだけかかりますか。 "
        "{x}はどのくらい時間がかかりますか。",
    ),
    "date": Column(
        "開催日 締切 提出期限 実施日 更新日 発売日",
        lambda rng: f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日",
        "{x}の{h}はいつですか。 {x}の{h}は何月何日ですか。 "
        "{x}は何月何日ですか。 {x}の{h}はいつになりますか。",
    ),
    "time": Column(
        "開始 受付開始 終了 集合時刻 最終受付",
        lambda rng: f"{rng.randint(7, 20)}時{rng.choice(('', '30分', '15分'))}",
        "{x}の{h}は何時ですか。 {x}は何時ですか。 {x}の{h}はいつですか。",
    ),
    "weekday": Column(
        "実施曜日 休業日 当番 収集日",
        lambda rng: f"{rng.choice('月火水木金土日')}曜日",
        "{x}の{h}は何曜日ですか。 {x}は何曜日ですか。 {x}の{h}はいつですか。",
    ),
    "place": Column(
        "会場 窓口 保管場所 集合場所 提出先",
        lambda rng: (
            f"{rng.choice(('本館', '新館', '東棟', '西棟', '別館', '南館', *CITIES))}"
            f"{rng.choice(('1階', '2階', '3階', '受付', 'ホール', '倉庫', '事務室'))}"
        ),
        "{x}の{h}はどこですか。 {x}の{h}はどこになりますか。 {x}はどこですか。",
    ),
    "person": Column(
        "担当 担当者 責任者 講師 連絡先 管理者",
        lambda rng: rng.choice(PEOPLE),
        "{x}の{h}は誰ですか。 {x}の{h}はどなたですか。 {x}の{h}はだれ？ "
        "{x}は誰に聞けばよいですか。 {x}を受け持つのは誰ですか。",
    ),
    "code": Column(
        "番号 管理番号 記号 型番 コード 受付番号",
        _code,
        "{x}の{h}は何ですか。 {x}の{h}は何番ですか。",
    ),
    "phone": Column(
        "電話 内線 電話番号",
        lambda rng: f"0{rng.randint(3, 98)}-{rng.randint(200, 999)}-{rng.randint(1000, 9999)}",
        "{x}の{h}は何番ですか。 {x}に電話するには何番にかけますか。",
    ),
    "share": Column(
        "割引率 利率 負担割合 達成率 割増率",
        _counted("%", 1, 99),
        "{x}の{h}は何%ですか。 {x}の{h}は何パーセントですか。 "
        "{x}は何%ですか。 {x}の{h}はどのくらいですか。",
        "高い",
    ),
    "weight": Column(
        "重さ 質量 積載量 最大荷重",
        _counted("kg", 2, 900),
        "{x}の{h}は何キロですか。 {x}は何キログラムありますか。 {x}の{h}はどのくらいですか。",
        "重い",
    ),
    "size": Column(
        "長さ 幅 高さ 奥行き",
        lambda rng: f"{rng.randint(5, 400)}{rng.choice(('cm', 'mm'))}",
        "{x}の{h}はどのくらいですか。 {x}の{h}はいくつですか。",
    ),
    "power": Column(
        "出力 消費電力",
        _counted("W", 10, 2000, 5),
        "{x}の{h}は何ワットですか。 {x}は何ワットですか。 {x}の{h}はどのくらいですか。",
        "大きい",
    ),
    "temperature": Column(
        "温度 設定温度 適温",
        _counted("℃", 2, 90),
        "{x}の{h}は何度ですか。 {x}は何度ですか。 {x}の{h}はどのくらいですか。",
        "高い",
    ),
    "color": Column(
        "色 札の色",
        _of("赤 青 緑 黄 白 黒 灰色 紫 茶色 橙"),
        "{x}の{h}は何色ですか。 {x}は何色ですか。",
    ),
    "need": Column(
        "予約 届出 押印 承認 持参",
        _of("必要 不要"),
        "{x}に{h}は必要ですか。 {x}は{h}が要りますか。",
    ),
    "times": Column(
        "回数 年間回数 上限回数",
        _counted("回", 2, 50),
        "{x}の{h}は何回ですか。 {x}は{h}が何回ですか。 {x}は何回できますか。",
        "多い",
    ),
}

DOMAINS = (
    Domain(
        "講座案内",
        "講座",
        "書道 陶芸 英会話 水彩画 太極拳 写真 編み物 囲碁 茶道 料理",
        "yen people date time weekday place person times",
    ),
    Domain(
        "備品台帳",
        "備品",
        "台車 脚立 拡声器 扇風機 書庫 金庫 発電機 テント 長机 加湿器",
        "yen count code place person years weight size",
    ),
    Domain(
        "検査項目",
        "検査",
        "血液検査 尿検査 心電図 視力検査 聴力検査 胸部X線 胃カメラ 骨密度測定",
        "yen days place need length-of-time code",
    ),
    Domain(
        "部門別の状況",
        "部門",
        "営業部 経理部 製造部 開発部 人事部 総務部 購買部 品質管理部 物流部",
        "people share person phone place count",
    ),
    Domain(
        "保存文書",
        "文書",
        "契約書 請求書 領収書 議事録 履歴書 出勤簿 設計図 稟議書 見積書",
        "years place code person need",
    ),
    Domain(
        "会員の種別",
        "会員",
        "正会員 準会員 学生会員 家族会員 法人会員 名誉会員 賛助会員",
        "yen share days times need",
    ),
    Domain(
        "社用車一覧",
        "車両",
        "1号車 2号車 3号車 軽トラック ワゴン車 冷凍車 高所作業車 フォークリフト",
        "people weight code person place months",
    ),
    Domain(
        "工程表",
        "工程",
        "切断 研磨 溶接 塗装 乾燥 組立 検品 包装 洗浄 熱処理",
        "length-of-time temperature person code days",
    ),
    Domain(
        "植物の育て方",
        "植物",
        "トマト きゅうり なす 大根 ほうれん草 いちご 枝豆 かぼちゃ 玉ねぎ",
        "days temperature size times yen",
    ),
    Domain(
        "助成制度",
        "助成",
        "出産祝金 住宅手当 資格取得支援 通学費補助 介護支援金 入学祝金 転居補助",
        "yen date share place need person",
    ),
    Domain(
        "資格試験",
        "試験",
        "簿記検定 危険物取扱者 電気工事士 衛生管理者 販売士 漢字検定 情報処理技術者",
        "yen date place people length-of-time share",
    ),
    Domain(
        "大会の種目",
        "種目",
        "百メートル走 走り高跳び 砲丸投げ 綱引き 卓球 バドミントン 弓道 水泳",
        "people time place person date",
    ),
    Domain(
        "工具の貸出",
        "工具",
        "電動ドリル のこぎり 溶接機 トルクレンチ 水準器 コンプレッサー チェーンソー",
        "days yen count code weight power",
    ),
    Domain(
        "施設のご案内",
        "施設",
        "プール 体育館 図書室 音楽室 和室 展望台 温室 工作室 テニスコート",
        "yen people time weekday phone need",
    ),
    Domain(
        "お弁当の注文",
        "弁当",
        "幕の内 唐揚げ 焼き魚 のり弁 すき焼き ハンバーグ 助六 天丼",
        "yen count time code",
    ),
    Domain(
        "路線のご案内",
        "路線",
        "東線 西線 南線 北線 循環線 空港線 湾岸線 山手口線",
        "yen length-of-time times color code",
    ),
    Domain(
        "保険の種類",
        "保険",
        "傷害保険 火災保険 自動車保険 旅行保険 医療保険 がん保険 賠償保険",
        "yen years months share phone",
    ),
    Domain(
        "委員会名簿",
        "委員会",
        "安全委員会 広報委員会 防災委員会 図書委員会 美化委員会 倫理委員会 予算委員会",
        "person people date place weekday",
    ),
    Domain(
        "試料の一覧",
        "試料",
        "試料甲 試料乙 試料丙 試料丁 海水 河川水 土壌 井戸水",
        "temperature weight code color date person",
    ),
    Domain(
        "休暇の種類",
        "休暇",
        "結婚休暇 忌引休暇 配偶者出産休暇 夏季休暇 転勤休暇 介護休暇 永年勤続休暇 災害休暇",
        "days times need place share",
    ),
    Domain(
        "勤続表彰",
        "勤続年数",
        "3年 5年 7年 10年 15年 20年 25年 30年 35年",
        "yen people times",
    ),
    Domain(
        "年度別の実績",
        "年度",
        "2016年度 2017年度 2018年度 2019年度 2020年度 2021年度 2022年度 2023年度 2024年度",
        "count people share yen times",
    ),
    Domain(
        "等級別の支給",
        "等級",
        "1等級 2等級 3等級 4等級 5等級 6等級 特級",
        "yen days share times",
    ),
    Domain(
        "警報の種類",
        "表示",
        "A01 A07 B12 C03 C20 D15 E09 F31",
        "color length-of-time person place times",
    ),
)
