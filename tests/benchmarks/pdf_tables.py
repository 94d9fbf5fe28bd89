"""Rows of PDF tables whose values are read with the names of their columns.

    python -m tests.benchmarks.pdf_tables --output docs/runs/pdf-tables.json

Tables with random contents are drawn up as web pages and workbooks; Chromium, LibreOffice Writer
and LibreOffice Calc print them. A row is right if one line of the text has every value of the row
after the name of its column.
"""

import argparse
import html
import random
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import openpyxl
from openpyxl.styles import Alignment, Border, Side
from openpyxl.worksheet.properties import PageSetupProperties

from langchain_swallow.documents.readers.pdf import read_pdf
from langchain_swallow.evaluation.tables import Table, write_figures

NAMES = [
    "会議机",
    "事務椅子",
    "書棚",
    "加湿器",
    "複合機",
    "延長コード",
    "名刺用紙",
    "単三電池",
    "温度計",
    "裁断機",
]
PLACES = ["本社", "札幌支店", "仙台支店", "横浜工場", "名古屋支店", "大阪支店", "福岡営業所"]
REMARKS = [
    "在庫僅少のため早めに手配すること",
    "リース契約を更新する予定",
    "保証期間は購入日から二年間とする",
]


@dataclass(frozen=True)
class Cell:
    text: str
    columns: int = 1
    rows: int = 1
    is_head: bool = False


@dataclass(frozen=True)
class Sample:
    """A table to print, and the pairs of column name and value of each row."""

    kind: str
    cells: Sequence[Sequence[Cell]]
    rows: Sequence[Sequence[tuple[str, str]]]
    style: str = "grid"


def value(rng: random.Random, head: str) -> str:
    if head in ("単価", "予算", "実績", "4月", "5月", "6月", "7月"):
        return f"{rng.randint(3, 9800) * 100:,}"
    if head == "数量":
        return str(rng.randint(1, 60))
    if head == "型番":
        return f"{rng.choice('ABKTS')}{rng.choice('CHMRX')}-{rng.randint(100, 9999)}"
    if head == "納期":
        return f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日"
    return rng.choice({"備考": REMARKS, "拠点": PLACES}.get(head, NAMES))


def simple(
    kind: str, style: str, heads: Sequence[str], count: int
) -> Callable[[random.Random], Sample]:
    def draw(rng: random.Random) -> Sample:
        rows = [[value(rng, head) for head in heads] for _ in range(count)]
        cells = [
            [Cell(head, is_head=True) for head in heads],
            *([Cell(v) for v in r] for r in rows),
        ]
        return Sample(kind, cells, [list(zip(heads, row, strict=True)) for row in rows], style)

    return draw


def merged_heads(rng: random.Random) -> Sample:
    first = [
        Cell("拠点", rows=2, is_head=True),
        *(Cell(f"第{n}四半期", 2, is_head=True) for n in (1, 2)),
    ]
    second = [Cell(name, is_head=True) for name in ("予算", "実績") * 2]
    names = ["拠点", *(f"第{n}四半期 {name}" for n in (1, 2) for name in ("予算", "実績"))]
    rows = [[place, *(value(rng, "予算") for _ in range(4))] for place in rng.sample(PLACES, 6)]
    cells = [first, second, *([Cell(v) for v in row] for row in rows)]
    return Sample("merged heads", cells, [list(zip(names, row, strict=True)) for row in rows])


def merged_rows(rng: random.Random) -> Sample:
    heads = ["拠点", "品名", "数量", "単価"]
    cells = [[Cell(head, is_head=True) for head in heads]]
    rows = []
    for place in rng.sample(PLACES, 3):
        count = rng.randint(2, 4)
        for at in range(count):
            row = [value(rng, head) for head in heads[1:]]
            own = [Cell(place, rows=count)] if at == 0 else []
            cells.append([*own, *(Cell(v) for v in row)])
            rows.append(list(zip(heads, [place, *row], strict=True)))
    return Sample("merged rows", cells, rows)


KINDS: tuple[Callable[[random.Random], Sample], ...] = (
    simple("ruled", "grid", ["品名", "型番", "数量", "単価", "納期"], 12),
    merged_heads,
    merged_rows,
    simple("multi-line cells", "grid", ["品名", "数量", "備考"], 8),
    simple("horizontal rules", "lines", ["品名", "型番", "数量", "単価", "納期"], 12),
    simple("no rules", "bare", ["品名", "型番", "数量", "単価", "納期"], 12),
    simple("over pages", "grid", ["品名", "型番", "数量", "単価", "拠点"], 60),
)


def web_page(sample: Sample) -> str:
    rows = []
    for at, row in enumerate(sample.cells):
        cells = "".join(
            f"<{tag} colspan={c.columns} rowspan={c.rows}>{html.escape(c.text)}</{tag}>"
            for c in row
            for tag in ("th" if c.is_head else "td",)
        )
        rows.append((all(c.is_head for c in row), f"<tr>{cells}</tr>", at))
    head = "".join(text for is_head, text, _ in rows if is_head)
    body = "".join(text for is_head, text, _ in rows if not is_head)
    border = {
        "grid": "th, td { border: 0.75pt solid black }",
        "lines": "th { border-bottom: 1pt solid } table { border: 1pt solid; border-width: 1pt 0 }",
        "bare": "",
    }[sample.style]
    width = "width: 90mm" if sample.kind == "multi-line cells" else "width: 150mm"
    style = (
        f"body {{ font: 10.5pt IPAexGothic }} table {{ border-collapse: collapse; {width} }}"
        f"th, td {{ padding: 1mm 2mm; font-weight: normal; text-align: left }} {border}"
    )
    # LibreOffice does not know the borders of a style sheet.
    attributes = 'border="1" cellspacing="0"' if sample.style == "grid" else ""
    return (
        f'<meta charset="utf-8"><style>{style}</style><p>次のとおり定める。</p>'
        f"<table {attributes}><thead>{head}</thead><tbody>{body}</tbody></table><p>以上</p>"
    )


def workbook(sample: Sample, path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    side = Side(style="thin")
    border = {
        "grid": Border(side, side, side, side),
        "lines": Border(top=side),
        "bare": Border(),
    }[sample.style]
    taken: set[tuple[int, int]] = set()
    for at, row in enumerate(sample.cells, 1):
        column = 1
        for cell in row:
            while (at, column) in taken:
                column += 1
            sheet.cell(at, column, cell.text)
            squares = [(at + i, column + j) for i in range(cell.rows) for j in range(cell.columns)]
            taken.update(squares)
            for square in squares:
                if sample.style == "grid" or at <= 2:
                    sheet.cell(*square).border = border
            if len(squares) > 1:
                sheet.merge_cells(
                    start_row=at,
                    start_column=column,
                    end_row=squares[-1][0],
                    end_column=squares[-1][1],
                )
            column += cell.columns
    for letter in "ABCDE":
        sheet.column_dimensions[letter].width = 16
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    if sample.kind == "multi-line cells":
        for number, row in enumerate(sheet.iter_rows(), 1):
            sheet.row_dimensions[number].height = 45
            for cell in row:
                cell.alignment = Alignment(wrap_text=True)
    sheet.print_title_rows = "1:1"
    book.save(path)


def print_all(samples: Sequence[Sample], folder: Path) -> Iterator[tuple[Sample, str, bytes]]:
    """Print each sample with each program."""
    pages, books = [], []
    for number, sample in enumerate(samples):
        page = folder / f"web-{number}.html"
        page.write_text(web_page(sample), encoding="utf-8")
        pages.append(page)
        books.append(folder / f"calc-{number}.xlsx")
        workbook(sample, books[-1])
    for page in pages:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += [
            "--no-pdf-header-footer",
            f"--print-to-pdf={page.with_suffix('.pdf')}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    office = ["soffice", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless"]
    writer = [
        *office,
        "--writer",
        "--convert-to",
        "pdf:writer_web_pdf_Export",
        "--outdir",
        folder / "writer",
        *pages,
    ]
    calc = [*office, "--convert-to", "pdf", "--outdir", folder / "calc", *books]
    for command in (writer, calc):
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    for number, sample in enumerate(samples):
        yield sample, "Chromium", (folder / f"web-{number}.pdf").read_bytes()
        yield sample, "Writer", (folder / "writer" / f"web-{number}.pdf").read_bytes()
        yield sample, "Calc", (folder / "calc" / f"calc-{number}.pdf").read_bytes()


def right_rows(sample: Sample, data: bytes) -> int:
    text = "\n".join(section.text for section in read_pdf(data, "table.pdf"))
    lines = [plain(line) for line in text.split("\n")]
    found = 0
    for row in sample.rows:
        wanted = [plain(f"{head}:{cell}") for head, cell in row]
        found += any(all(pair in line for pair in wanted) for line in lines)
    return found


def plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the printed tables")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    samples = [draw(rng) for draw in KINDS]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        counts: dict[str, dict[str, str]] = {}
        for sample, program, data in print_all(samples, folder):
            right = right_rows(sample, data)
            counts.setdefault(sample.kind, {})[program] = f"{right}/{len(sample.rows)}"
            print(sample.kind, program, right, len(sample.rows), flush=True)
    programs = ["Chromium", "Writer", "Calc"]
    table = Table(
        "Rows of PDF tables",
        ["rows read with their heads", *programs],
        [[kind, *(row[program] for program in programs)] for kind, row in counts.items()],
    )
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"rows": counts})


if __name__ == "__main__":
    main()
