"""Tables, records and sentences that are composed of drawn rows and columns.

A kind is a layout; what the rows are and what is said of them is drawn too, so that hardly two
documents have the same words. Nothing in them can be learned by heart but how a layout is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.support.drawn.document import Asked, Drawn, csv_table, markdown_table
from tests.support.drawn.vocabulary import COLUMNS, DOMAINS, Column, Domain

_ANY = (
    "{x}の{h}は？",
    "{x}の{h}を教えてください。",
    "{x}の{h}はどうなっていますか。",
    "{h}は、{x}の場合はどうなりますか。",
    "{x}の{h}を知りたいのですが。",
)
_INTRODUCTIONS = (
    "",
    "次の表のとおりとする。",
    "以下のとおりです。",
    "変更があるときは掲示板でお知らせします。",
    "一覧は次のとおりです。ご確認ください。",
)


@dataclass(frozen=True, slots=True)
class Table:
    """Drawn rows: `cells[i][j]` is what column `j` says of row `i`; `absent` is no row."""

    domain: Domain
    heads: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[str]
    cells: Sequence[Sequence[str]]
    absent: str

    @property
    def lines(self) -> list[list[str]]:
        return [[row, *cells] for row, cells in zip(self.rows, self.cells, strict=True)]

    def joined(self, between: str, after: str) -> list[str]:
        """Of each row what the heads and cells make, as `head between cell after …`."""
        return [
            after.join(f"{h}{between}{c}" for h, c in zip(self.heads, cells, strict=True))
            for cells in self.cells
        ]


def _draw(rng: Random, columns: int, rows: tuple[int, int] = (3, 7)) -> Table:
    domain = rng.choice(DOMAINS)
    keys = rng.sample(domain.columns.split(), min(columns, len(domain.columns.split())))
    chosen = [COLUMNS[key] for key in keys]
    heads = [rng.choice(column.heads.split()) for column in chosen]
    pool = domain.rows.split()
    ordered = sorted(rng.sample(range(len(pool)), min(rng.randint(*rows), len(pool) - 1)))
    names = [pool[i] for i in ordered]
    if rng.random() < 0.5:
        rng.shuffle(names)
    absent = rng.choice([name for name in pool if name not in names])
    cells = [[column.draw(rng) for column in chosen] for _ in names]
    return Table(domain, heads, chosen, names, cells, absent)


def _questions(table: Table, rng: Random, *, together: bool) -> list[Asked]:
    """On every column of a row, back from a value to its row, and of which row has more.

    Rows are compared only where they stand together.
    """
    asked = []
    for j, (head, column) in enumerate(zip(table.heads, table.columns, strict=True)):
        values = [cells[j] for cells in table.cells]
        i, other = rng.sample(range(len(values)), 2)
        form = rng.choice((*column.asked.split(), *_ANY))
        question = form.format(x=table.rows[i], h=head)
        elsewhere = form.format(x=table.absent, h=head)
        if rng.random() < 0.4:
            elsewhere = _of_no_column(table, table.rows[i], rng)
        wrong = {"another row": values[other]} if values[other] != values[i] else {}
        asked.append(Asked(question, values[i], "{}", wrong, elsewhere))
        if values.count(values[i]) == 1 and rng.random() < 0.5:
            noun = table.domain.noun
            back = rng.choice(
                (
                    f"{head}が{values[i]}の{noun}はどれですか。",
                    f"{head}が{values[i]}なのはどの{noun}ですか。",
                    f"{values[i]}の{noun}は何ですか。",
                )
            )
            wrong = {"another row": table.rows[other]}
            asked.append(Asked(back, table.rows[i], "{}", wrong))
        if together:
            asked += _comparison(table, head, column.more, values, (i, other))
    rng.shuffle(asked)
    return asked


def _of_no_column(table: Table, row: str, rng: Random) -> str:
    """A question on a row that is there, and on a column that is not."""
    absent = rng.choice([column for column in COLUMNS.values() if column not in table.columns])
    head = rng.choice(absent.heads.split())
    return rng.choice((*absent.asked.split(), *_ANY)).format(x=row, h=head)


def _comparison(
    table: Table, head: str, more: str, values: Sequence[str], pair: tuple[int, int]
) -> list[Asked]:
    a, b = (int("".join(c for c in values[i] if c.isdigit()) or 0) for i in pair)
    if not more or a == b:
        return []
    first, second = sorted(pair)
    question = f"{table.rows[first]}と{table.rows[second]}では、{head}が{more}のはどちらですか。"
    right, wrong = pair if a > b else pair[::-1]
    return [Asked(question, table.rows[right], "{}", {"another row": table.rows[wrong]})]


def _title(table: Table, rng: Random) -> str:
    before = rng.choice(("", "", "本社 ", "令和8年度 ", "さくら会館 ", "みなと市 ", "北浜商会 "))
    return f"{before}{table.domain.title}"


def _document(
    table: Table, body: str, rng: Random, ending: str = "md", *, together: bool = True
) -> Drawn:
    title = _title(table, rng)
    if ending == "md":
        heading = rng.choice((f"# {title}\n\n", f"# {title}\n\n## {rng.choice(_SECTIONS)}\n\n"))
        introduction = rng.choice(_INTRODUCTIONS)
        body = f"{heading}{introduction and introduction + chr(10) * 2}{body}"
    elif ending == "txt":
        body = f"{title}\n\n{body}"
    return Drawn(f"{title}.{ending}", f"{body}\n", _questions(table, rng, together=together))


_SECTIONS = ("一覧", "内訳", "第3条（区分）", "2. 詳細", "別表", "基準", "ご案内")


def composed_table(rng: Random) -> Drawn:
    """A Markdown table."""
    table = _draw(rng, rng.randint(1, 4))
    head = [rng.choice((table.domain.noun, f"{table.domain.noun}名", "区分")), *table.heads]
    return _document(table, markdown_table(head, table.lines), rng)


def composed_sheet(rng: Random) -> Drawn:
    """A CSV file; some are longer than one passage."""
    table = _draw(rng, rng.randint(2, 5), (4, 9))
    order = list(range(len(table.heads) + 1))
    if rng.random() < 0.3:
        rng.shuffle(order)
    head = [table.domain.noun, *table.heads]
    lines = [[line[i] for i in order] for line in table.lines]
    return _document(table, csv_table([head[i] for i in order], lines), rng, "csv")


def composed_records(rng: Random) -> Drawn:
    """A section for each row with a line for each value."""
    table = _draw(rng, rng.randint(2, 3), (3, 4))
    mark = rng.choice((": ", "：", "は"))
    blocks = [
        f"## {row}\n\n"
        + "\n\n".join(f"{h}{mark}{c}" for h, c in zip(table.heads, cells, strict=True))
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    return _document(table, "\n\n".join(blocks), rng, together=False)


def composed_sections(rng: Random) -> Drawn:
    """A section for each row with its values in a sentence."""
    table = _draw(rng, rng.randint(2, 3), (3, 4))
    said = _said(table, rng)
    blocks = [f"## {row}\n\n{cells}" for row, cells in zip(table.rows, said, strict=True)]
    return _document(table, "\n\n".join(blocks), rng, together=False)


def composed_items(rng: Random) -> Drawn:
    """A list with an item for each row."""
    table = _draw(rng, rng.randint(1, 3))
    mark = rng.choice(("- ", "・", "* "))
    colon, comma = rng.choice(((": ", "、"), ("：", "、"), ("…", "／"), (" ", " ")))
    lines = [
        f"{mark}{row}{colon}"
        + comma.join(f"{h}{c}" for h, c in zip(table.heads, cells, strict=True))
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    return _document(table, "\n".join(lines), rng, rng.choice(("md", "txt")))


def composed_prose(rng: Random) -> Drawn:
    """A sentence for each row."""
    table = _draw(rng, rng.randint(1, 3), (3, 5))
    sentences = [
        f"{row}は、{said}" for row, said in zip(table.rows, _said(table, rng), strict=True)
    ]
    return _document(table, "".join(sentences), rng, rng.choice(("md", "txt")))


def composed_clauses(rng: Random) -> Drawn:
    """A sentence for each column, with all rows."""
    table = _draw(rng, rng.randint(1, 3), (3, 4))
    sentences = [
        f"{head}は、"
        + "、".join(
            f"{row}が{cells[j]}" for row, cells in zip(table.rows, table.cells, strict=True)
        )
        + rng.choice(("です。", "とする。", "である。"))
        for j, head in enumerate(table.heads)
    ]
    return _document(table, "".join(sentences), rng, rng.choice(("md", "txt")))


def composed_crossed(rng: Random) -> Drawn:
    """A table with the rows as columns."""
    table = _draw(rng, rng.randint(2, 4), (3, 4))
    lines = [[h, *(cells[j] for cells in table.cells)] for j, h in enumerate(table.heads)]
    return _document(table, markdown_table(["項目", *table.rows], lines), rng)


def _said(table: Table, rng: Random) -> list[str]:
    """What is said of each row, as the end of a sentence."""
    ends = ("です。", "とする。", "となっています。")
    return [f"{cells}{rng.choice(ends)}" for cells in table.joined("が", "、")]


KINDS = (
    composed_table,
    composed_sheet,
    composed_records,
    composed_sections,
    composed_items,
    composed_prose,
    composed_clauses,
    composed_crossed,
)
