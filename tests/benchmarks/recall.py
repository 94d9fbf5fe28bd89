"""Measures how much of the text of files is read, beside other programs.

    python -m tests.benchmarks.recall FOLDER… [--markitdown PROGRAM] [--output FILE]

Each program reads every file. The text of the program that finds most characters is the measure:
the share of its word parts (up to four characters long, each as often as it occurs) that are in the
text of this package. Repeated column names and another order of cells do not change it. The second
share counts only word parts that another program finds, too, or that are on the pages that
LibreOffice prints: what one program alone writes is usually its own. The last share is that of
the lines of the measure, as far as they are once in both texts, that are in the same order in both
(`text_order`). Programs that are not installed are left out.
"""

import argparse
import email.policy
import html
import mailbox
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import NamedTuple

import docx
import openpyxl
import pptx

from langchain_swallow.documents.load import LoadedDocuments, load_documents
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.benchmarks.text_order import in_order, shared_lines

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


def message_text(message: EmailMessage):
    """The subject, the body and attached texts, as Python's own package finds them."""
    body = message.get_body(("plain", "html"))
    attached = [part for part in message.walk() if part.get_content_disposition() == "attachment"]
    texts = [part for part in (body, *attached) if part and part.get_content_maintype() == "text"]
    contents = (
        re.sub(r"<!--.*?-->|<(style|script|title)\b.*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I)
        if part.get_content_subtype() == "html"
        else text
        for part in texts
        for text in [part.get_content()]
    )
    return "\n".join((str(message["subject"] or ""), *contents))


def with_email(path):
    return message_text(email.message_from_bytes(path.read_bytes(), policy=email.policy.default))


def with_mailbox(path):
    def parse(file):
        return email.message_from_binary_file(file, policy=email.policy.default)

    return "\n".join(map(message_text, mailbox.mbox(path, parse, create=False)))


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
        (".eml", "email", with_email, sys.executable),
        (".mbox", "mailbox", with_mailbox, sys.executable),
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


class Result(NamedTuple):
    """How the text of a file compares with the best text of another program.

    `found` has the numbers of word parts that it alone, and that another program, too, found;
    `missing` has those of them that this package lacks. `moved` are the lines out of order, of
    `lines` that were compared. `own` is the number of characters.
    """

    best: str
    found: list[int]
    missing: list[Counter]
    own: int
    moved: list[str]
    lines: int
    loaded: LoadedDocuments


def measure(path, others):
    """Compare the text of a file with the best text of the other programs."""
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
    best_text = texts.pop(best, "")
    wanted = parts(best_text)
    shared = shared_lines("\n".join(one.page_content for one in loaded), best_text)
    placed = in_order([place for place, _ in shared])
    moved = [line for place, line in shared if place not in placed]
    others_have = set().union(*(parts(text) for text in texts.values()))
    found = [wanted, Counter({part: n for part, n in wanted.items() if part in others_have})]
    missing = [Counter({p: n for p, n in one.items() if p not in have}) for one in found]
    totals = [one.total() for one in found]
    return Result(best, totals, missing, characters(own), moved, len(shared), loaded)


def share(lost, wanted):
    return f"{1 - lost / wanted:.2%}" if wanted else "–"


def show_worst(paths, results, number):
    """Print the files that miss most, then those with most lines out of order."""
    files = [*zip(paths, results, strict=True)]
    for path, result in sorted(files, key=lambda one: -one[1].missing[1].total())[:number]:
        examples = (result.missing[1] or result.missing[0]).most_common(12)
        lost = [one.total() for one in result.missing]
        print(
            f"  {path.name}: {lost} of {result.found} ({result.best}), own {result.own}:", end=" "
        )
        print(*(part for part, _ in examples))
        for report in filter(None, (result.loaded.failed, result.loaded.left_out)):
            print(f"    {list(report.values())}"[:400])
    for path, result in sorted(files, key=lambda one: -len(one[1].moved))[:number]:
        if result.moved:
            print(f"  {path.name}: {len(result.moved)} of {result.lines} lines moved:", end=" ")
            print(*(line[:30] for line in result.moved[:5]), sep=" | ")


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
            wanted = sum(result.found[kind] for result in results)
            lost = sum(result.missing[kind].total() for result in results)
            shares.append(share(lost, wanted))
        lines = sum(result.lines for result in results)
        shares += [f"{lines:,}", share(sum(len(result.moved) for result in results), lines)]
        best = Counter(result.best for result in results if result.best)
        named = ", ".join(f"{name} ({number})" for name, number in best.most_common())
        total = sum(result.own for result in results)
        rows.append([suffix[1:], str(len(paths)), f"{total:,}", named, *shares])
        print(*rows[-1], flush=True)
        show_worst(paths, results, arguments.worst)
    columns = ["format", "files", "characters", "best of the others", "share of its text"]
    columns += ["share of what another one finds, too", "lines", "in the same order"]
    table = Table("Text that is read", columns, rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"rows": rows})


if __name__ == "__main__":
    main()
