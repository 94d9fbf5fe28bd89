"""Draws sheets as Japanese offices have them, with what a reader must find in each.

Labels, values and looks are drawn at random from a seed: ruled or not, filled or not, merged or
graph paper (方眼紙), anywhere on the sheet.
"""

import datetime
import io
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import openpyxl
from openpyxl.styles import Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

_THIN = Side(style="thin")


@dataclass(frozen=True)
class Fact:
    """A value, the names that must stand right before it, and those elsewhere in its line."""

    value: str
    names: tuple[str, ...]
    row: tuple[str, ...] = ()


@dataclass(frozen=True)
class DrawnSheet:
    kind: str
    data: bytes
    facts: list[Fact]
    # Texts that must be found once.
    texts: list[str]


class Canvas:
    """A sheet on which boxes are drawn; a box is one cell, or many of graph paper."""

    def __init__(self, draw: random.Random, *, graph: bool | None = None) -> None:
        self.draw = draw
        self.book = openpyxl.Workbook()
        self.sheet = self.book.active
        self.sheet.title = "様式"
        self.graph = draw.random() < 0.5 if graph is None else graph
        self.merged = not self.graph or draw.random() < 0.7
        self.ruled = draw.random() < 0.75 or (self.graph and not self.merged)
        self.filled = draw.random() < 0.6
        self.bold = draw.random() < 0.3
        self.top, self.left = draw.randint(0, 3), draw.randint(0, 2)
        self.unit = draw.randint(2, 4) if self.graph else 1
        self.facts: list[Fact] = []
        self.texts: list[str] = []
        if self.graph:
            for column in range(1, 80):
                self.sheet.column_dimensions[get_column_letter(column)].width = 2.5

    def put(
        self, row, column, value, rows=1, columns=1, *, name=False, ruled=None, format=None
    ) -> None:
        """Write a box at a row and a column of the drawing, both from 0."""
        top, left = 1 + self.top + row, 1 + self.left + column * self.unit
        bottom, right = top + rows - 1, left + columns * self.unit - 1
        cell = self.sheet.cell(top, left, value)
        if format:
            cell.number_format = format
        is_large = (bottom, right) != (top, left)
        has_rules = self.ruled if ruled is None else ruled
        for r in range(top, bottom + 1):
            for c in range(left, right + 1):
                one = self.sheet.cell(r, c)
                if has_rules:
                    one.border = Border(
                        left=_THIN if c == left else None,
                        right=_THIN if c == right else None,
                        top=_THIN if r == top else None,
                        bottom=_THIN if r == bottom else None,
                    )
                if name and self.filled:
                    one.fill = PatternFill("solid", fgColor="D9E1F2")
        if name and self.bold:
            cell.font = Font(bold=True)
        if is_large and (self.merged or (rows > 1 and not has_rules)):
            self.sheet.merge_cells(
                start_row=top, end_row=bottom, start_column=left, end_column=right
            )

    def pair(self, row, column, name, value, widths=(1, 2), rows=1, **more) -> None:
        colon = "：" if not self.ruled and not self.filled and not self.bold else ""
        self.put(row, column, name + colon, rows, widths[0], name=True, **more)
        shown = self.put_value(row, column + widths[0], value, rows, widths[1], **more)
        if shown:
            self.facts.append(Fact(shown, (name,)))

    def put_value(self, row, column, value, rows=1, columns=1, **more) -> str:
        value, format, shown = value if isinstance(value, tuple) else (value, None, str(value))
        self.put(row, column, value or None, rows, columns, format=format, **more)
        return shown if value else ""

    def save(self, kind: str) -> DrawnSheet:
        file = io.BytesIO()
        self.book.save(file)
        return DrawnSheet(kind, file.getvalue(), self.facts, self.texts)


# Values: what is stored, its number format, and what Excel shows

_FAMILY = "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 松本 井上 木村 清水".split()
_GIVEN = "一郎 花子 健 由美 翔 美咲 大輔 恵 拓也 直樹 真由 陽子 誠 千尋 葵 蓮".split()
_PLACES = "札幌 仙台 新潟 金沢 名古屋 京都 神戸 広島 高松 福岡 鹿児島 那覇".split()
_GOODS = (
    "A4用紙 ラベルシール 会議机 事務椅子 液晶モニター 延長ケーブル 書庫 防災毛布 拡声器 電池"
    " 作業手袋 養生シート 空気清浄機 保管箱 名札 加湿器"
).split()
_WORKS = (
    "要件整理 画面設計 帳票設計 実装 単体検証 結合検証 移行準備 操作教育 基礎配筋 型枠設置".split()
)
_SENTENCES = (
    "現地での打合せを行うため",
    "老朽化した設備を更新するため",
    "講習会に出席するため",
    "繁忙期の人員を確保するため",
    "取引先の視察に同行するため",
)


def person(draw):
    return f"{draw.choice(_FAMILY)} {draw.choice(_GIVEN)}"


def number(draw):
    value = draw.randint(1, 9999) * draw.choice((1, 10, 100))
    return value, "#,##0", f"{value:,}"


def money(draw):
    value = draw.randint(10, 9999) * 100
    form, shown = draw.choice(
        [("#,##0", "{:,}"), ('#,##0"円"', "{:,}円"), ('"¥"#,##0', "¥{:,}"), ("#,##0", "{:,}")]
    )
    return value, form, shown.format(value)


def date(draw):
    day = datetime.date(2019, 6, 1) + datetime.timedelta(draw.randint(0, 3000))
    era = f"令和{day.year - 2018}年{day.month}月{day.day}日"
    return draw.choice(
        [
            (day, "yyyy/m/d", f"{day.year}/{day.month}/{day.day}"),
            (day, 'yyyy"年"m"月"d"日"', f"{day.year}年{day.month}月{day.day}日"),
            (day, '[$-411]ggge"年"m"月"d"日"', era),
        ]
    )


def percent(draw):
    value = draw.randint(1, 999) / 1000
    return value, "0.0%", f"{value:.1%}"


def code(draw):
    return f"{draw.choice('ABKRX')}-{draw.randint(100, 9999)}"


def phone(draw):
    return f"0{draw.randint(3, 99)}-{draw.randint(1000, 9999)}-{draw.randint(1000, 9999)}"


_FIELDS: dict[str, Callable[[random.Random], object]] = {
    "氏名": person, "所属": lambda d: d.choice(_PLACES) + "支店", "社員番号": code, "電話": phone,
    "申請日": date, "出発日": date, "帰着日": date, "行先": lambda d: d.choice(_PLACES),
    "費用": money, "緊急度": lambda d: d.choice("高中低"), "希望する便": code,
    "起案部門": lambda d: d.choice(_PLACES) + "工場", "同行者": person, "持込機材": lambda d:
    d.choice(_GOODS), "利用回数": number, "承認番号": code, "主査": person, "割増": percent,
    "保管庫": code, "納入場所": lambda d: d.choice(_PLACES) + "倉庫", "窓口": person,
}  # fmt: skip
_COLUMNS: dict[str, Callable[[random.Random], object]] = {
    "金額": money, "数量": number, "単価": money, "納期": date, "担当": person, "型番": code,
    "比率": percent, "在庫": number, "産地": lambda d: d.choice(_PLACES), "責任者": person,
    "容積": number, "更新日": date, "棚": code,
}  # fmt: skip


def _title(canvas: Canvas, row: int, text: str, columns: int) -> None:
    canvas.put(row, 0, text, 1, columns if canvas.merged else 1, ruled=False)


def table(
    canvas: Canvas, row: int, column: int, key: str, keys: Iterable[str], names: Sequence[str],
    *, width=2, blank=0.0,
) -> int:  # fmt: skip
    """Draw a table and return the row after it."""
    draw = canvas.draw
    for i, name in enumerate([key, *names]):
        canvas.put(row, column + i * width, name, 1, width, name=True)
    for label in keys:
        row += 1
        canvas.put(row, column, label, 1, width)
        for i, name in enumerate(names, 1):
            value = "" if draw.random() < blank else _COLUMNS[name](draw)
            shown = canvas.put_value(row, column + i * width, value, 1, width)
            if shown:
                canvas.facts.append(Fact(shown, (name,), (label,)))
    return row + 1


def application(draw: random.Random) -> DrawnSheet:
    """申請書: fields in one or two columns, a group of fields, a reason, and names of approvers."""
    canvas = Canvas(draw)
    columns = draw.choice((1, 2))
    _title(canvas, 0, draw.choice(("出張申請書", "備品借用願", "休日出勤届", "研修受講申込書")), 6)
    fields = draw.sample(sorted(_FIELDS), draw.randint(4, 9) // columns * columns)
    row = 2
    for i in range(0, len(fields), columns):
        for j, name in enumerate(fields[i : i + columns]):
            value = "" if draw.random() < 0.1 else _FIELDS[name](draw)
            canvas.pair(row, 3 * j, name, value, (1, 2 if columns == 2 else 5))
        row += 1
    if canvas.ruled or canvas.merged:
        canvas.put(row, 0, "連絡先", 2, 1, name=True)
        for name, value in (("携帯", phone(draw)), ("緊急時", phone(draw))):
            canvas.put(row, 1, name, 1, 1, name=True)
            canvas.put(row, 2, value, 1, 4)
            canvas.facts.append(Fact(value, ("連絡先", name)))
            row += 1
    reason = draw.choice(_SENTENCES) + "。" + draw.choice(_SENTENCES) + "。"
    canvas.pair(row, 0, "理由", reason, (1, 5), rows=draw.randint(1, 3))
    canvas.texts.append(reason)
    roles = draw.sample(["課長", "部長", "工場長", "総務", "経理"], 3)
    row += 5
    for i, role in enumerate(roles):
        canvas.put(row, 2 * i, role, 1, 2, name=True)
        name = person(draw)
        canvas.put(row + 1, 2 * i, name, 1, 2)
        canvas.facts.append(Fact(name, (role,)))
    return canvas.save("申請書")


def estimate(draw: random.Random) -> DrawnSheet:
    """見積書: the customer, terms, items with blank rows, and totals at the right."""
    canvas = Canvas(draw)
    _title(canvas, 0, "御見積書", 12)
    canvas.put(1, 0, f"株式会社{draw.choice(_PLACES)}商事 御中", 1, 5, ruled=False)
    row = 3
    for name in draw.sample(["件名", "納期", "支払条件", "有効期限", "納入場所"], 3):
        value = draw.choice([date(draw), draw.choice(_GOODS) + "の購入", "別途協議"])
        canvas.pair(row, 0, name, value, (2, 4))
        row += 1
    total = money(draw)
    canvas.pair(row + 1, 0, "合計金額", total, (2, 4))
    row += 3
    names = ["数量", "単価", "金額"]
    if draw.random() < 0.5:
        names.append("納期")
    goods = draw.sample(_GOODS, draw.randint(3, 7))
    row = table(canvas, row, 0, "品名", goods, names, blank=0.05)
    for _ in range(draw.randint(0, 3) if canvas.ruled else 0):
        for i in range(len(names) + 1):
            canvas.put(row, 2 * i, None, 1, 2)
        row += 1
    for name in ("小計", "消費税", "合計"):
        value, format, shown = money(draw)
        canvas.put(row, 4, name, 1, 2, name=True)
        canvas.put(row, 6, value, 1, 2, format=format)
        canvas.facts.append(Fact(shown, (), (name,)))
        row += 1
    note = f"※ {draw.choice(_PLACES)}までの送料を含みます。"
    canvas.put(row + 1, 0, note, 1, 8, ruled=False)
    canvas.texts.append(note)
    return canvas.save("見積書")


def schedule(draw: random.Random) -> DrawnSheet:
    """工程表: works by phase, weeks below months."""
    canvas = Canvas(draw)
    _title(canvas, 0, f"{draw.choice(_PLACES)}事業所 工程表", 8)
    months = draw.sample(range(1, 13), 2)
    canvas.put(2, 0, "区分", 2, 1, name=True)
    canvas.put(2, 1, "作業", 2, 2, name=True)
    canvas.put(2, 3, "担当", 2, 2, name=True)
    weeks = draw.choice((["上旬", "中旬", "下旬"], ["1週", "2週", "3週", "4週"]))
    begin = 5
    for month in months:
        canvas.put(2, begin, f"{month}月", 1, len(weeks), name=True)
        for i, week in enumerate(weeks):
            canvas.put(3, begin + i, week, 1, 1, name=True)
        begin += len(weeks)
    row = 4
    works = draw.sample(_WORKS, draw.randint(4, 8))
    for phase, part in (("準備", works[: len(works) // 2]), ("実施", works[len(works) // 2 :])):
        canvas.put(row, 0, phase, len(part), 1)
        for work in part:
            canvas.put(row, 1, work, 1, 2)
            who = person(draw)
            canvas.put(row, 3, who, 1, 2)
            canvas.facts.append(Fact(who, ("担当",), (phase, work)))
            for k in range(2 * len(weeks)):
                mark = draw.choice(["", "", "●", "▲"])
                canvas.put(row, 5 + k, mark or None)
                if mark:
                    names = (f"{months[k // len(weeks)]}月", weeks[k % len(weeks)])
                    canvas.facts.append(Fact(mark, names, (phase, work)))
            row += 1
    return canvas.save("工程表")


def minutes(draw: random.Random) -> DrawnSheet:
    """議事録 on graph paper: fields, prose that is numbered, and a table of what is to be done."""
    canvas = Canvas(draw, graph=True)
    _title(canvas, 0, "議事録", 8)
    row = 2
    values = {
        "会議名": draw.choice(_PLACES) + "連絡会",
        "日時": date(draw),
        "場所": code(draw) + "会議室",
        "出席者": f"{person(draw)}、{person(draw)}",
        "記録": person(draw),
    }
    for name, value in values.items():
        canvas.pair(row, 0, name, value, (2, 6))
        row += 1
    row += 1
    for i, topic in enumerate(draw.sample(_WORKS, 3), 1):
        line = f"{i}. {topic}について"
        said = f"{draw.choice(_PLACES)}の{topic}は{draw.choice(_SENTENCES)}、来月に行う。"
        canvas.put(row, 0, line, ruled=False)
        canvas.put(row + 1, 1, said, ruled=False)
        canvas.texts += [line, said]
        row += 2 + draw.randint(0, 1)
    row += 1
    canvas.put(row, 0, "決定事項", ruled=False)
    works = [f"{draw.choice(_GOODS)}の{work}" for work in draw.sample(_WORKS, 4)]
    table(canvas, row + 1, 0, "内容", works, ["担当", "納期"], width=3)
    return canvas.save("議事録")


def prices(draw: random.Random) -> DrawnSheet:
    """料金表: two tables with other columns, one above the other or side by side."""
    canvas = Canvas(draw)
    _title(canvas, 0, "料金表", 8)
    is_beside = draw.random() < 0.3
    row, column = 2, 0
    for i in range(2):
        names = draw.sample(sorted(_COLUMNS), draw.randint(2, 4))
        title = f"{i + 1}. {draw.choice(_PLACES)}向け"
        canvas.put(row, column, title, ruled=False)
        canvas.put(row, column + 2 * len(names), "（単位：円）", ruled=False)
        goods = draw.sample(_GOODS, draw.randint(3, 6))
        end = table(canvas, row + 1, column, "区分" if i else "品名", goods, names)
        if is_beside:
            column += 2 * len(names) + 3
        else:
            row = end + draw.choice((1, 2))
    return canvas.save("料金表")


def monthly(draw: random.Random) -> DrawnSheet:
    """月次表: months to the right, with a head of one or two rows, totals and groups."""
    canvas = Canvas(draw, graph=draw.random() < 0.2)
    _title(canvas, 0, f"{draw.choice(_PLACES)}支店 月次実績", 8)
    canvas.put(1, 6, "（単位：千円）", ruled=False)
    months = [f"{1 + (3 + i) % 12}月" for i in range(draw.randint(4, 12))]
    below = draw.choice(([], ["予算", "実績"]))
    groups = draw.random() < 0.5
    first = 2 if groups else 1
    deep = 2 if below else 1
    if groups:
        canvas.put(2, 0, "部門", deep, name=True)
    canvas.put(2, first - 1, "科目", deep, name=True)
    for i, month in enumerate([*months, "計"]):
        width = len(below) or 1
        canvas.put(2, first + i * width, month, 1, width, name=True)
        for j, name in enumerate(below):
            canvas.put(3, first + i * width + j, name, name=True)
    row = 2 + deep
    accounts = draw.sample("売上高 材料費 外注費 人件費 旅費 通信費 賃借料 雑費".split(), 4)
    parts = draw.sample(["第一課", "第二課", "第三課"], 2) if groups else [""]
    for part in parts:
        if groups:
            canvas.put(row, 0, part, len(accounts))
        for account in accounts:
            canvas.put(row, first - 1, account, name=draw.random() < 0 and not groups)
            for k in range((len(months) + 1) * (len(below) or 1)):
                value, format, shown = number(draw)
                canvas.put(row, first + k, value, format=format)
                i, j = divmod(k, len(below) or 1)
                names = ([*months, "計"][i], *below[j : j + 1])
                canvas.facts.append(Fact(shown, names, (part, account) if groups else (account,)))
            row += 1
    return canvas.save("月次表")


KINDS = (application, estimate, schedule, minutes, prices, monthly)


def drawn_sheets(count: int = 30, seed: int = 0) -> list[DrawnSheet]:
    """Draw so many sheets, of all kinds in turn."""
    return [KINDS[i % len(KINDS)](random.Random(f"{seed}/{i}")) for i in range(count)]


# What is right


def right_facts(sheet: DrawnSheet, lines: Sequence[str]) -> list[bool]:
    """Tell for each fact, and each text, whether a line says it rightly.

    In a line `名: 値、名: 値`, a value has the names between the "、" before it and its ": ". Names
    of its row are anywhere in the line.
    """
    found = [_is_said(fact, lines) for fact in sheet.facts]
    flat = [re.sub(r"\s", "", line) for line in lines]
    for text in sheet.texts:
        found.append(sum(line.count(re.sub(r"\s", "", text)) for line in flat) == 1)
    return found


def _is_said(fact: Fact, lines: Sequence[str]) -> bool:
    for line in lines:
        if not all(name in line for name in (*fact.row, fact.value)):
            continue
        if not fact.names:
            if re.search(rf"{re.escape(fact.row[-1])}: {re.escape(fact.value)}(?:、|$)", line):
                return True
            continue
        for match in re.finditer(rf": {re.escape(fact.value)}(?=、|\n|$)", line):
            name = re.split("、|\n", line[: match.start()])[-1]
            if all(part in name.split(" ") or part == name for part in fact.names):
                return True
    return False
