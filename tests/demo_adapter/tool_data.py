"""Training material for the demo adapter: tools to call, questions that need one, and their answers.

Each entry of `TOOLS` is a tool with ways to ask for it; `draw` fills in invented values. Names,
descriptions and questions come in Japanese and English, because tools in code mostly are English.

Written for this project; no third-party text. Used by `train.py` only.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool in OpenAI's format, questions for it, and what it may answer.

    `draw` makes arguments and a result; questions and the final answer are format strings over both.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    draw: Callable[[random.Random], tuple[Arguments, str]]
    questions: tuple[str, ...]
    answer: str

    @property
    def openai(self) -> dict[str, Any]:
        """As `bind_tools` passes it on."""
        schema = {
            "type": "object",
            "properties": self.parameters,
            "required": list(self.parameters),
        }
        function = {"name": self.name, "description": self.description, "parameters": schema}
        return {"type": "function", "function": function}


TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
_CITIES = "札幌 仙台 新潟 金沢 名古屋 神戸 広島 高松 福岡 那覇 長野 静岡 岡山 熊本".split()
_WORLD = "Paris,London,Berlin,New York,Sydney,Toronto,Rome,Boston,Chicago,Madrid".split(",")
_NAMES = "青木 井上 上田 大野 川村 木下 久保 小松 坂本 島田 高木 中野 西川 平田 三浦 森田".split()
_PEOPLE = "Emma,Liam,Olivia,Noah,Sophia,James,Grace,Henry".split(",")
_WORDS = "りんご 机 猫 図書館 電車 橋 雨 海 音楽 料理 時計 手紙".split()
_ENGLISH = "apple,table,library,bridge,music,clock,letter,river".split(",")
_COMPANIES = "北浜商事 桜丘製作所 みどり食品 港運輸 青葉電機 白浜観光 さくら銀行".split()
_FIRMS = "Blue Harbor Ltd.,Northwind Traders,Acme Tools,Green Valley Foods".split(",")
_CURRENCIES = "USD EUR GBP JPY CNY KRW".split()
_DOCUMENTS = "有給休暇 経費精算 在宅勤務 出張 社員食堂 健康診断 育児休業 防災訓練".split()


def _city(rng: random.Random) -> tuple[Arguments, str]:
    return {
        "city": rng.choice(_CITIES)
    }, f"{rng.choice('晴れ 曇り 雨 雪'.split())} {rng.randint(1, 30)}度"


def _place(rng: random.Random) -> tuple[Arguments, str]:
    return {
        "place": rng.choice(_WORLD)
    }, f"{rng.choice(['Sunny', 'Cloudy', 'Rain'])}, {rng.randint(1, 30)} C"


def _two(rng: random.Random) -> tuple[Arguments, str]:
    a, b = rng.randint(1, 99), rng.randint(1, 99)
    return {"x": a, "y": b}, str(a * b)


def _sum(rng: random.Random) -> tuple[Arguments, str]:
    a, b = rng.randint(1, 99), rng.randint(1, 99)
    return {"first": a, "second": b}, str(a + b)


def _one(rng: random.Random) -> tuple[Arguments, str]:
    n = rng.randint(1, 99)
    return {"n": n}, str(n * n)


def _stock(rng: random.Random) -> tuple[Arguments, str]:
    code = f"{rng.choice('ABCDEFGHK')}-{rng.randint(100, 999)}"
    return {"code": code}, f"{rng.randint(0, 200)}個"


def _money(rng: random.Random) -> tuple[Arguments, str]:
    source, target = rng.sample(_CURRENCIES, 2)
    return {
        "amount": rng.randint(1, 900),
        "source": source,
        "target": target,
    }, f"{rng.randint(10, 9999)} {target}"


TOOLS: tuple[Tool, ...] = (
    Tool(
        "weather_forecast",
        "都市の天気予報を調べる。",
        {"city": {**TEXT, "description": "都市の名前"}},
        _city,
        (
            "{city}の天気は？",
            "明日の{city}の天気を教えてください。",
            "{city}は雨が降りますか。",
            "{city}の天気を調べてください。",
        ),
        "{city}は{result}です。",
    ),
    Tool(
        "current_weather",
        "Look up the weather of a place.",
        {"place": TEXT},
        _place,
        (
            "What's the weather like in {place}?",
            "Is it raining in {place}?",
            "How is the weather in {place} today?",
            "{place}の天気は？",
        ),
        "The weather in {place}: {result}.",
    ),
    Tool(
        "local_time",
        "Get the current time at a place.",
        {"place": TEXT},
        lambda rng: ({"place": rng.choice(_WORLD)}, f"{rng.randint(0, 23)}:{rng.randint(10, 59)}"),
        ("What time is it in {place}?", "Tell me the time in {place}.", "{place}は今何時ですか。"),
        "It is {result} in {place}.",
    ),
    Tool(
        "multiply",
        "二つの数を掛ける。",
        {"x": INTEGER, "y": INTEGER},
        _two,
        (
            "{x}かける{y}を計算してください。",
            "{x}×{y}は？",
            "What is {x} times {y}?",
            "{x}と{y}を掛けるといくつですか。",
        ),
        "{result}です。",
    ),
    Tool(
        "add_numbers",
        "Add two numbers.",
        {"first": INTEGER, "second": INTEGER},
        _sum,
        (
            "What is {first} plus {second}?",
            "Add {first} and {second}.",
            "{first}+{second}を計算して。",
        ),
        "The answer is {result}.",
    ),
    Tool(
        "square",
        "Apply the square function to a number.",
        {"n": INTEGER},
        _one,
        ("What is square({n})?", "Use the tool to square {n}.", "{n}の2乗を求めてください。"),
        "{result}",
    ),
    Tool(
        "check_stock",
        "品番から在庫の数を調べる。",
        {"code": {**TEXT, "description": "品番"}},
        _stock,
        (
            "{code}の在庫はいくつですか。",
            "品番{code}は在庫がありますか。",
            "{code}の残りを確認してください。",
        ),
        "{code}の在庫は{result}です。",
    ),
    Tool(
        "search_documents",
        "社内の文書を検索する。",
        {"query": {**TEXT, "description": "探す言葉"}},
        lambda rng: ({"query": rng.choice(_DOCUMENTS)}, f"第{rng.randint(2, 30)}条に定める。"),
        (
            "{query}の規則を教えてください。",
            "{query}について社内の文書を調べてください。",
            "{query}はどこに書いてありますか。",
        ),
        "{query}は、{result}",
    ),
    Tool(
        "translate",
        "言葉を英語に訳す。",
        {"text": TEXT},
        lambda rng: ({"text": rng.choice(_WORDS)}, rng.choice(_ENGLISH)),
        ("「{text}」を英語に訳してください。", "{text}は英語で何と言いますか。"),
        "「{result}」です。",
    ),
    Tool(
        "dictionary",
        "Look up a word.",
        {"word": TEXT},
        lambda rng: ({"word": rng.choice(_ENGLISH)}, rng.choice(_WORDS)),
        ("Look up the word {word}.", "What does {word} mean?"),
        "{word}: {result}",
    ),
    Tool(
        "find_person",
        "社員の内線番号を調べる。",
        {"name": {**TEXT, "description": "名字"}},
        lambda rng: ({"name": rng.choice(_NAMES)}, str(rng.randint(1000, 9999))),
        ("{name}さんの内線番号は？", "{name}さんに電話したいのですが、番号を教えてください。"),
        "{name}さんの内線は{result}です。",
    ),
    Tool(
        "send_message",
        "Send a message to a person.",
        {"recipient": TEXT, "text": TEXT},
        lambda rng: (
            {"recipient": rng.choice(_PEOPLE), "text": rng.choice(["Hello", "See you", "Thanks"])},
            "sent",
        ),
        ("Send '{text}' to {recipient}.", "Write {recipient} a message: {text}"),
        "The message to {recipient} was {result}.",
    ),
    Tool(
        "register_company",
        "取引先を登録する。",
        {"company": {**TEXT, "description": "会社の名前"}},
        lambda rng: (
            {"company": rng.choice(_COMPANIES + _FIRMS)},
            f"登録番号{rng.randint(100, 999)}",
        ),
        (
            "「{company}」を取引先に登録してください。",
            "{company}を登録して。",
            "Register the company '{company}'.",
        ),
        "{company}を登録しました。{result}です。",
    ),
    Tool(
        "convert_currency",
        "Convert an amount of money.",
        {"amount": NUMBER, "source": TEXT, "target": TEXT},
        _money,
        ("Convert {amount} {source} to {target}.", "{amount} {source}は何{target}ですか。"),
        "{result}",
    ),
    Tool(
        "list_rooms",
        "空いている会議室の一覧を出す。",
        {},
        lambda rng: ({}, f"{rng.choice('ABC')}会議室"),
        ("空いている会議室はありますか。", "今使える会議室を教えてください。"),
        "{result}が空いています。",
    ),
    Tool(
        "roll_dice",
        "Roll a die. Takes no arguments.",
        {},
        lambda rng: ({}, str(rng.randint(1, 6))),
        ("Roll the dice.", "さいころを振ってください。"),
        "{result}",
    ),
)
