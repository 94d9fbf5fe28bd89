"""Scans are read by Tesseract: from a picture to an answer with the page cited."""

import json
import shutil
import subprocess
import sys
from importlib.resources import files

import pytest
from PIL import Image, ImageDraw, ImageFont

from langchain_swallow import load_documents
from langchain_swallow.documents.ocr.tesseract import Tesseract

pytestmark = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="Tesseract is not installed: no OCR"
)
PAGES = [
    ["第1章 総則", "この規程は、会社の備品の取り扱いについて定めるものとする。"],
    ["第2章 貸出", "デジタルカメラの貸出期間は、申請した日から十四日間とする。"],
    ["第3章 返却", "備品を壊したときは、直ちに総務課に届け出なければならない。"],
]


def page(lines, size=44, angle=0.0, is_vertical=False):
    """A page of A4 at 300 dpi."""
    image = Image.new("L", (2480, 3508), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(files("matplotlib_fontja") / "fonts" / "ipaexg.ttf"), size)
    for number, line in enumerate(lines):
        for at, char in enumerate(line):
            place = (
                (2100 - number * 2 * size, 300 + at * size)
                if is_vertical
                else (250 + at * size, 300 + number * 2 * size)
            )
            draw.text(place, char, fill=20, font=font)
    turned = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    turned.info["dpi"] = (300, 300)
    return turned


def without_spaces(text):
    return "".join(text.split())


@pytest.mark.parametrize("angle", [0.0, -1.3, 2.0])
def test_an_upright_page_is_read(angle):
    lines = [line for pages in PAGES for line in pages]
    read = Tesseract().read(page(lines, angle=angle))
    assert without_spaces(read.text) == without_spaces("".join(lines))
    assert read.confidence > 0.8


def test_a_vertical_page_is_read_from_right_to_left():
    columns = [
        "備品の貸出期間は申請した日から十四日間とする",
        "備品を壊したときは直ちに総務課に届け出る",
    ]
    read = Tesseract().read(page(columns * 4, is_vertical=True))
    assert without_spaces(read.text) == "".join(columns * 4)


def test_a_question_is_answered_from_a_scan_with_its_page(tmp_path, demo_folder):
    scans = [page(lines) for lines in PAGES]
    folder = tmp_path / "規程"
    folder.mkdir()
    scans[0].save(folder / "備品.pdf", save_all=True, append_images=scans[1:], resolution=300)

    def run(*arguments):
        command = [sys.executable, "-m", "langchain_swallow.cli", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("index", folder, "-o", tmp_path / "索引", "--embeddings", "demo", "--ocr")
    question = "デジタルカメラの貸出期間は何日間ですか。"
    answer = json.loads(run("ask", "-i", tmp_path / "索引", question, "--model", "demo", "--json"))
    assert "十四日" in answer["text"]
    cited = [answer["documents"][citation["number"] - 1] for citation in answer["citations"]]
    assert [document["metadata"]["page"] for document in cited] == [2]


def test_what_is_read_of_a_scan_is_a_document_per_page(tmp_path):
    scans = [page(lines) for lines in PAGES]
    scans[0].save(tmp_path / "備品.tif", save_all=True, append_images=scans[1:])
    documents = load_documents(tmp_path, ocr=True)
    assert [d.metadata["page"] for d in documents] == [1, 2, 3]
    for lines, document in zip(PAGES, documents, strict=True):
        assert without_spaces(lines[1]) in without_spaces(document.page_content)
        assert document.metadata["ocr_confidence"] > 0.8
