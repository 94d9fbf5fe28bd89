"""How much memory reading a file takes, in the process that takes most.

A file of 50 MB is to take less than 0.5 GiB, the program itself included. Smaller files are read
here, since the memory grows with the size of a file.
"""

import io
import json
import subprocess
import sys
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pytest

PROGRAM_MIB = 45
MAX_RATIO = (512 - PROGRAM_MIB) / 50
BYTES = 4 * 2**20
# Prints by how many bytes this process and its largest child grow from the first file to the next.
MEASURE = """
import resource, sys
from langchain_swallow.documents import load_documents

def peaks():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return [int(status["VmHWM"].split()[0]), child]

assert load_documents(sys.argv[1])
before = peaks()
assert load_documents(sys.argv[2])
print(*(1024 * (after - first) for after, first in zip(peaks(), before)))
"""
WORDS = "年次有給休暇は、入社日から6か月を経過し、全労働日の8割以上を出勤した社員に付与します。"


def sentence(number):
    start = number * 7 % len(WORDS)
    return f"{number}番の{WORDS[start:]}{WORDS[:start]}"


def parts(template, size):
    """The template, with N replaced by numbers and 文 by sentences, up to a size in bytes."""
    count = max(1, size // len(template.replace("文", WORDS + "10000番の").encode()))
    return [template.replace("文", sentence(n)).replace("N", str(n)) for n in range(count)]


def repeated(template, *, before="", after=""):
    return lambda size: f"{before}{''.join(parts(template, size))}{after}".encode()


text = repeated("第N章 規程\n文\n文\n文\n")
page = repeated(
    '<h2 id="sN">規程N</h2>\n<p class="body">文<b>重要</b>文<br>文</p>\n<ul><li><a href="N">文</a>'
    "<li>文</ul><table><tr><th>品名<th>数量<th>備考</tr><tr><td>机N<td>N<td>文</tr></table>\n",
    before="<title>規程</title><h1>規程</h1>",
)


def mail(body, number=1):
    message = EmailMessage()
    message["From"], message["Subject"] = "taro@example.com", f"規程の件 {number}"
    message["Date"], message["Message-ID"] = "Mon, 07 Apr 2025 10:00:00 +0900", f"<{number}@a>"
    message.set_content(body)
    return message


# base64 is a third longer than what it encodes.
def plain_mail(size):
    return bytes(mail(text(size * 3 // 4).decode()))


def web_mail(size):
    message = mail("HTML")
    message.add_alternative(page(size * 3 // 4).decode(), subtype="html", cte="base64")
    return bytes(message)


def mail_with_file(size):
    message = mail("添付します。")
    attached = text(size * 3 // 4)
    message.add_attachment(attached, maintype="text", subtype="plain", filename="規程.txt")
    return bytes(message)


def mailbox(size):
    messages = (bytes(mail(text(3000).decode(), n)) for n in range(max(1, size // 4500)))
    return b"".join(b"From a@a Mon Apr  7 10:00:00 2025\n" + one + b"\n" for one in messages)


def notebook(size):
    cells = [
        {"cell_type": "markdown" if n % 2 else "code", "source": [f"## 手順{n}\n", body]}
        for n, body in enumerate(parts("文文", size))
    ]
    return json.dumps({"cells": cells, "nbformat": 4}, ensure_ascii=False).encode()


def saved(document):
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def word(size):
    document = docx.Document()
    for number, body in enumerate(parts("文文", size * 2 // 3)):
        document.add_paragraph(body, style="Heading 1" if number % 10 == 0 else None)
    return saved(document)


def excel(size):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("台帳")
    for number in range(size // 400):
        sheet.append([number, f"品名{number}", number * 977 % 1009, "東京支店", sentence(number)])
    return saved(book)


def book(size):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        rootfile = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
        file.writestr("META-INF/container.xml", rootfile)
        item = (
            '<manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine>'
        )
        file.writestr("a.opf", f"<package>{item}</package>")
        file.writestr("a.xhtml", page(size))
    return buffer.getvalue()


FILES = {
    "a.txt": text,
    "a.md": repeated("## 規程N\n\n文\n\n- 文\n- 文\n\n| 品名 | 数量 |\n|---|---|\n| 机N | N |\n\n"),
    "a.html": page,
    "a.csv": repeated("N,文,N,東京支店,2025-04-01,\n", before="番号,件名,金額,支店,日付,備考\n"),
    "a.json": repeated('{"id": N, "本文": "文文"},', before="[", after="{}]"),
    "tree.json": repeated('"N": {"a": {"b": "文", "c": [N, 1]}},', before="{", after='"a": 1}'),
    "a.jsonl": repeated('{"id": N, "title": "規程N", "text": "文文", "tags": ["人事"]}\n'),
    "a.ipynb": notebook,
    "a.tex": repeated("\\section{規程N}\n文\n\n文\n"),
    "a.py": repeated(f"def task_N(days):\n{'    # 文' * 5}\n    return days\n"),
    "a.eml": plain_mail,
    "web.eml": web_mail,
    "file.eml": mail_with_file,
    "a.mbox": mailbox,
    "a.docx": word,
    "a.xlsx": excel,
    "a.epub": book,
}


def unpacked(path):
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as file:
        return sum(info.file_size for info in file.infolist())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_50_mb_takes_less_than_half_a_gib(tmp_path, name):
    small, large = tmp_path / f"small{name}", tmp_path / name
    small.write_bytes(FILES[name](2000))
    large.write_bytes(FILES[name](BYTES))
    size = unpacked(large)
    assert size > 0.8 * BYTES
    command = [sys.executable, "-c", MEASURE, str(small), str(large)]
    read = subprocess.run(command, check=True, capture_output=True, text=True)
    assert max(map(int, read.stdout.split())) < MAX_RATIO * size
