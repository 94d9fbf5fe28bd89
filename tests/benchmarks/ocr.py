"""Character error rate of OCR on 40 pages that Chromium typesets and a simulated scanner blurs.

    python -m tests.benchmarks.ocr --output docs/runs/ocr.json

The texts are sentences of the example documents, drawn at random; tables have random names and
figures. Vertical pages have full-width letters and digits, as is usual: Tesseract does not read
half-width ones, which are turned by 90 degrees. Characters are compared without white space,
full-width and half-width forms alike.
"""

import argparse
import html
import io
import random
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

from langchain_swallow import load_documents
from langchain_swallow.documents.ocr.tesseract import Tesseract
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.text.sentences import sentence_spans
from tests.support.paths import DOCUMENTS

_LAYOUTS = {"横": "horizontal", "縦": "vertical", "表": "ruled table"}
_PAGES_EACH = 5
_CHARACTERS = 800


class Kind(NamedTuple):
    """How pages look: `layout` is 横, 縦 or 表; `turned` is the maximum rotation in degrees."""

    font: str
    layout: str
    dpi: int
    turned: float = 0.0


KINDS = (
    Kind("IPAexMincho", "横", 300),
    Kind("IPAexGothic", "横", 300),
    Kind("IPAexMincho", "横", 300, turned=1.5),
    Kind("IPAexMincho", "横", 150),
    Kind("IPAexGothic", "横", 150),
    Kind("IPAexGothic", "表", 300),
    Kind("IPAexMincho", "縦", 300),
    Kind("IPAexMincho", "縦", 150),
)


def sentences() -> list[str]:
    texts = [d.page_content for d in load_documents(DOCUMENTS) if d.metadata["format"] != "csv"]
    found = [text[a:b].strip() for text in texts for a, b in sentence_spans(text)]
    return sorted({"".join(s.split()) for s in found if 15 < len(s) < 200 and "\n" not in s})


_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def prose(rng: random.Random, known: list[str]) -> list[str]:
    """Paragraphs of about 800 characters in sum."""
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < _CHARACTERS:
        paragraphs.append("".join(rng.sample(known, rng.randint(1, 4))))
    return paragraphs


def table(rng: random.Random, known: list[str]) -> list[list[str]]:
    heads = ["品名", "型番", "数量", "単価", "納期", "備考"]
    words = [
        "会議机",
        "椅子",
        "書棚",
        "加湿器",
        "複合機",
        "延長コード",
        "名刺用紙",
        "電池",
        "温度計",
    ]
    rows = [
        [
            rng.choice(words),
            f"{rng.choice('ABKTS')}{rng.choice('CHMRX')}-{rng.randint(100, 9999)}",
            str(rng.randint(1, 60)),
            f"{rng.randint(3, 980) * 100:,}円",
            f"{rng.randint(1, 12)}月{rng.randint(1, 28)}日",
            rng.choice(known)[:12],
        ]
        for _ in range(16)
    ]
    return [heads, *rows]


def content(kind: Kind, rng: random.Random, known: list[str]) -> list[str] | list[list[str]]:
    """The paragraphs of a page, or the rows of a table."""
    if kind.layout == "表":
        return table(rng, known)
    paragraphs = prose(rng, known)
    is_vertical = kind.layout == "縦"
    return [p.translate(_FULL_WIDTH) for p in paragraphs] if is_vertical else paragraphs


def typeset(pages: list[tuple[Kind, list[str] | list[list[str]]]]) -> bytes:
    """Print the pages as a PDF with Chromium."""
    bodies = []
    for kind, parts in pages:
        if kind.layout == "表":
            cells = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in parts
            )
            inner = f"<table>{cells}</table>"
        else:
            inner = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in parts)
        mode = "writing-mode: vertical-rl;" if kind.layout == "縦" else ""
        bodies.append(f'<section style="font-family: {kind.font}; {mode}">{inner}</section>')
    style = (
        "@page { size: A4; margin: 22mm } body { margin: 0; font-size: 10.5pt; line-height: 1.7 }"
        "section { break-after: page; width: 166mm; height: 250mm }"
        "p { text-indent: 1em; margin: 0 }"
        "table { border-collapse: collapse } td { border: 0.5pt solid; padding: 1mm 2mm }"
    )
    with tempfile.TemporaryDirectory() as folder:
        source, printed = Path(folder) / "pages.html", Path(folder) / "pages.pdf"
        source.write_text(
            f'<meta charset="utf-8"><style>{style}</style>{"".join(bodies)}', encoding="utf-8"
        )
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--no-pdf-header-footer", f"--print-to-pdf={printed}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return printed.read_bytes()


def scan(page: pypdfium2.PdfPage, kind: Kind, rng: random.Random) -> Image.Image:
    """The page as a scanner would give it: turned, blurred, noisy, compressed."""
    image = page.render(scale=kind.dpi / 72, grayscale=True).to_pil()
    if kind.turned:
        angle = rng.choice((-1, 1)) * rng.uniform(0.5, kind.turned)
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    image = image.filter(ImageFilter.GaussianBlur(0.6))
    noise = np.random.default_rng(rng.randrange(2**32)).normal(-4, 6, (image.height, image.width))
    noisy = np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(written := io.BytesIO(), "JPEG", quality=80)
    scanned = Image.open(io.BytesIO(written.getvalue())).convert("L")
    scanned.info["dpi"] = (kind.dpi, kind.dpi)
    return scanned


def edits(one: str, other: str) -> int:
    """Levenshtein distance."""
    codes = np.array(list(map(ord, other)))
    places = np.arange(len(other) + 1)
    row = places.copy()
    for number, char in enumerate(one, 1):
        best = np.empty_like(row)
        best[0] = number
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(char)))
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def drawn(seed: int) -> Iterator[tuple[Kind, str, Image.Image]]:
    """Kind, text and picture of each page."""
    rng, known = random.Random(seed), sentences()
    pages = [(kind, content(kind, rng, known)) for kind in KINDS for _ in range(_PAGES_EACH)]
    document = pypdfium2.PdfDocument(typeset(pages))
    assert len(document) == len(pages), len(document)
    for (kind, parts), page in zip(pages, document, strict=True):
        text = "".join("".join(part) for part in parts)
        yield kind, plain(text), scan(page, kind, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    engine = Tesseract()
    errors: dict[Kind, list[float]] = {}
    confidences: dict[Kind, list[float]] = {}
    for kind, text, image in drawn(arguments.seed):
        read = engine.read(image)
        errors.setdefault(kind, []).append(edits(plain(read.text), text) / len(text))
        confidences.setdefault(kind, []).append(read.confidence)
        print(*kind, f"{errors[kind][-1]:.4f} {read.confidence:.2f}", flush=True)
    table_of_errors = Table(
        "Character error rate of OCR",
        ["pages", "dpi", "rotation", "error rate", "worst page", "confidence"],
        [
            [
                f"{_LAYOUTS[kind.layout]}, {kind.font}",
                str(kind.dpi),
                f"≤ {kind.turned}°" if kind.turned else "0°",
                f"{np.mean(rates):.2%}",
                f"{max(rates):.2%}",
                f"{np.mean(confidences[kind]):.2f}",
            ]
            for kind, rates in errors.items()
        ],
    )
    print(table_of_errors.markdown())
    if arguments.output:
        rates = {" ".join(map(str, kind)): rates for kind, rates in errors.items()}
        write_figures(arguments.output, [table_of_errors], {"error_rates": rates})


if __name__ == "__main__":
    main()
