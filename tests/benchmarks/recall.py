"""Measures how much of the text of files is read, beside other programs.

    python -m tests.benchmarks.recall FOLDER… [--markitdown PROGRAM] [--output FILE]

Each program reads every file. The text of the program that finds most characters is the measure:
the share of its word parts (up to four characters long, each as often as it occurs) that are in the
text of this package. Repeated column names and another order of cells do not change it. The second
share counts only word parts that another program finds, too, or that are on the pages that
LibreOffice prints: what one program alone writes is usually its own. Programs that are not
installed are left out.
"""

import argparse
import html
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import docx
import openpyxl
import pptx

from langchain_swallow.documents.load import load_documents
from langchain_swallow.evaluation.tables import Table, write_figures

_LENGTH = 4
# What markitdown writes of its own: labels, numbers of slides, names of pictures.
_OWN_WORDS = re.compile(
    r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|^#+ (?:Notes:|Chart|Email Message|Content)"
    r"|\[unsupported chart\]|^\*\*\w+:\*\*|\b(?:Unnamed: \d+|NaN)\b",
    re.MULTILINE | re.DOTALL,
)
_TIMEOUT_S = 120


def run(*command):
    """The output of a program."""
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    return done.stdout.decode("utf-8", "replace")


def pdftotext(path):
    return run("pdftotext", "-enc", "UTF-8", path, "-")


def libreoffice(path):
    with tempfile.TemporaryDirectory() as folder:
        profile = f"-env:UserInstallation={Path(folder, 'profile').as_uri()}"
        target = "txt:Text (encoded):UTF8"
        run("soffice", profile, "--headless", "--convert-to", target, "--outdir", folder, path)
        return Path(folder, f"{path.stem}.txt").read_text("utf-8", "replace")


def printed(path):
    """The text of the pages that LibreOffice prints."""
    with tempfile.TemporaryDirectory() as folder:
        profile = f"-env:UserInstallation={Path(folder, 'profile').as_uri()}"
        run("soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", folder, path)
        return pdftotext(Path(folder, f"{path.stem}.pdf"))


def with_openpyxl(path):
    book = openpyxl.load_workbook(path, data_only=True)
    rows = (row for sheet in book.worksheets for row in sheet.iter_rows(values_only=True))
    return "\n".join(str(cell) for row in rows for cell in row if isinstance(cell, str))


def with_python_docx(path):
    document = docx.Document(path)
    cells = (cell for table in document.tables for row in table.rows for cell in row.cells)
    return "\n".join(part.text for part in (*document.paragraphs, *cells))


def with_python_pptx(path):
    shapes = (shape for slide in pptx.Presentation(path).slides for shape in slide.shapes)
    return "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)


def programs(markitdown):
    """The other programs by extension, as far as they are installed."""
    found = defaultdict(dict)
    for suffixes, name, read, program in (
        (".pdf", "pdftotext", pdftotext, "pdftotext"),
        (".doc .docx .odt .rtf", "LibreOffice", libreoffice, "soffice"),
        (".doc .docx .odt .rtf .ppt .pptx .odp .xls .xlsx .ods", "print", printed, "soffice"),
        (".xlsx", "openpyxl", with_openpyxl, sys.executable),
        (".docx", "python-docx", with_python_docx, sys.executable),
        (".pptx", "python-pptx", with_python_pptx, sys.executable),
        (
            ".pdf .docx .pptx .xlsx .html .msg .epub .ipynb .json",
            "markitdown",
            lambda path: run(markitdown, path),
            markitdown or "-",
        ),
    ):
        for suffix in suffixes.split() if shutil.which(program) else ():
            found[suffix][name] = read
    return found


def parts(text):
    """Word parts of a text, with their numbers."""
    text = _OWN_WORDS.sub(" ", text)
    # Tools that write Markdown escape characters and link to pages.
    text = re.sub(r"\]\([^()]*(?:\([^()]*\)[^()]*)*\)|https?://\S+", "]", html.unescape(text))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))
    return Counter(w[i : i + _LENGTH] for w in words for i in range(max(1, len(w) - _LENGTH + 1)))


def characters(text):
    return sum(map(str.isalnum, unicodedata.normalize("NFKC", text)))


def own_text(path):
    loaded = load_documents(path, on_error="skip", max_file_mb=1000)
    # A heading above other headings is only in their paths.
    parts = (f"{d.metadata.get('headings', '')}\n{d.page_content}" for d in loaded)
    return "\n".join(parts), loaded


def measure(path, others):
    """The best program, the sizes of what it alone and with another found, what of both is lost."""
    own, loaded = own_text(path)
    texts = {}
    for name, read in others.items():
        try:
            texts[name] = read(path)
        except Exception as error:  # another program may fail on a file
            print(f"{name}: {path.name}: {type(error).__name__}", file=sys.stderr)
    # Printed pages repeat their heads and have numbers.
    converted = [name for name in texts if name != "print"] or list(texts)
    best = max(converted, key=lambda name: characters(texts[name]), default="")
    have = parts(own)
    wanted = parts(texts.pop(best, ""))
    others_have = set().union(*(parts(text) for text in texts.values()))
    found = [wanted, Counter({part: n for part, n in wanted.items() if part in others_have})]
    missing = [Counter({p: n for p, n in one.items() if p not in have}) for one in found]
    return best, [one.total() for one in found], missing, characters(own), loaded


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--markitdown", help="program of markitdown, in an environment of its own")
    parser.add_argument("--worst", type=int, default=0, help="show this many files of each format")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    others = programs(arguments.markitdown)
    files = defaultdict(list)
    for path in sorted(p for folder in arguments.folders for p in folder.rglob("*") if p.is_file()):
        files[path.suffix.lower()].append(path)
    rows = []
    for suffix, paths in files.items():
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(partial(measure, others=others[suffix]), paths))
        shares = []
        for kind in range(2):
            wanted = sum(totals[kind] for _, totals, *_ in results)
            lost = sum(missing[kind].total() for _, _, missing, *_ in results)
            shares.append(f"{1 - lost / wanted:.2%}" if wanted else "–")
        best = Counter(best for best, *_ in results if best)
        named = ", ".join(f"{name} ({number})" for name, number in best.most_common())
        total = sum(own for *_, own, _ in results)
        rows.append([suffix[1:], str(len(paths)), f"{total:,}", named, *shares])
        print(*rows[-1], flush=True)
        worst = sorted(zip(paths, results, strict=True), key=lambda one: -one[1][2][1].total())
        for path, (name, totals, missing, own, loaded) in worst[: arguments.worst]:
            examples = " ".join(part for part, _ in (missing[1] or missing[0]).most_common(12))
            lost = [one.total() for one in missing]
            print(f"  {path.name}: {lost} of {totals} ({name}), own {own}: {examples}")
            for report in filter(None, (loaded.failed, loaded.left_out)):
                print(f"    {list(report.values())}"[:400])
    columns = ["format", "files", "characters", "best of the others", "share of its text"]
    columns.append("share of what another one finds, too")
    table = Table("Text that is read", columns, rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"rows": rows})


if __name__ == "__main__":
    main()
