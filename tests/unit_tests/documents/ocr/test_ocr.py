"""Scanned pages and images are read by an OCR engine, whichever it is, and reported otherwise."""

import io
import zipfile

import pytest
from PIL import Image

from langchain_swallow import load_documents
from langchain_swallow.documents.ocr.tesseract import Tesseract
from langchain_swallow.documents.ocr.words import ocr_text, parse_words
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError, MissingDependencyError
from langchain_swallow.retrieval.sync import sync_folder
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from tests.support.embeddings import CharacterEmbeddings
from tests.support.ocr import Engine, picture
from tests.support.paper import PICTURE, print_pdf


def read(data, name="規程.pdf", engine=None):
    (content,) = read_content(data, name, ocr=engine)
    return content


@pytest.mark.slow
def test_scanned_pages_of_a_pdf_are_read_and_marked(tmp_path):
    (tmp_path / "規程.pdf").write_bytes(
        print_pdf([["第1条 この規程は休暇を定める。"], []], drawn={1: PICTURE})
    )
    engine = Engine()
    plain, scanned = load_documents(tmp_path, ocr=engine)
    assert (plain.metadata["page"], "ocr" in plain.metadata) == (1, False)
    assert scanned.page_content == engine.text
    known = {name: scanned.metadata[name] for name in ("page", "ocr", "ocr_confidence")}
    assert known == {"page": 2, "ocr": True, "ocr_confidence": 0.9}
    # A page of 595 × 842 points at 300 dots per inch.
    assert engine.seen == [("L", (2480, 3509), (300, 300))]


@pytest.mark.parametrize(
    ("engine", "reason", "is_loss"),
    [
        (Engine(error=OSError("no paper")), "OCR failed: no paper", True),
        (Engine(confidence=0.3), "not recognize with enough confidence", True),
        (Engine(text=" \n"), "no text", False),
    ],
)
def test_what_an_engine_cannot_read_is_reported_and_the_rest_is_read(engine, reason, is_loss):
    data = print_pdf([["第1条 この規程は休暇を定める。"], []], drawn={1: PICTURE})
    content = read(data, engine=engine)
    assert len(content.sections) == 1
    (part,) = content.left_out
    assert reason in part.reason
    assert (part.page, part.is_loss) == (2, is_loss)


def test_the_reason_why_no_page_was_recognized_is_in_the_error():
    with pytest.raises(DocumentError, match=r"no readable text.*OCR failed: no paper"):
        read(print_pdf([[]], drawn={0: PICTURE}), engine=Engine(error=OSError("no paper")))


@pytest.mark.parametrize(
    ("place", "is_read"), [("200 0 0 90 50 300", True), ("30 0 0 30 0 0", False)]
)
def test_a_large_picture_on_a_page_with_text_is_read_beside_it(place, is_read):
    engine = Engine("図の中の文字")
    drawn = {0: PICTURE.replace("595 0 0 842 0 0", place)}
    text, *inside = read(print_pdf([["本文。" * 80]], drawn=drawn), engine=engine).sections
    assert text.fields == ()
    assert [(s.text, s.page, dict(s.fields)["ocr"]) for s in inside] == (
        [("図の中の文字", 1, True)] if is_read else []
    )
    for _, size, _ in engine.seen:
        assert size == pytest.approx((200 / 72 * 300, 90 / 72 * 300), abs=2)


@pytest.mark.parametrize(
    ("name", "format", "frames"),
    [
        ("a.png", "PNG", 1),
        ("a.JPG", "JPEG", 1),
        ("a.tif", "TIFF", 3),
        ("a.webp", "WEBP", 1),
        ("a.bmp", "BMP", 1),
    ],
)
def test_images_are_read_and_their_frames_are_pages(name, format, frames):
    sections = read(picture(format, frames=frames), name, Engine()).sections
    assert [section.page for section in sections] == list(range(1, frames + 1))
    assert all(dict(section.fields)["ocr"] for section in sections)


def test_images_in_archives_are_read():
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("中/図.png", picture(dpi=(200, 200)))
    engine = Engine()
    assert read(written.getvalue(), "a.zip", engine).inside == "中/図.png"
    assert engine.seen[0][2] == pytest.approx((200, 200), abs=0.1)


def test_transparent_and_turned_pictures_are_read_as_they_are_seen():
    seen = []

    class Looking(Engine):
        def read(self, image):
            seen.append((image.size, image.getextrema()))
            return super().read(image)

    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(clear := io.BytesIO(), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (40, 20), 255).save(turned := io.BytesIO(), "JPEG", exif=exif)
    read(clear.getvalue(), "a.png", Looking())
    read(turned.getvalue(), "a.jpg", Looking())
    assert seen == [((40, 20), (255, 255)), ((20, 40), (255, 255))]


def test_without_ocr_images_are_ignored_in_folders_and_named_otherwise(tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    assert load_documents(tmp_path).ignored == [str(tmp_path / "a.png")]
    with pytest.raises(DocumentError, match=r"a\.png .* picture.*`ocr=True`, `--ocr`"):
        load_documents(tmp_path / "a.png")


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\nrest", picture()[:60], b"GIF89a" + bytes(40)]
)
def test_damaged_images_are_refused(data):
    with pytest.raises(DocumentError, match=r"a\.png is not a readable image"):
        read(data, "a.png", Engine())


def test_images_with_too_many_pixels_are_refused():
    Image.new("1", (9000, 8000)).save(written := io.BytesIO(), "PNG")
    with pytest.raises(DocumentError, match="9000 × 8000 pixels"):
        read(written.getvalue(), "a.png", Engine())


@pytest.mark.slow
def test_a_sync_without_ocr_keeps_what_one_with_ocr_read(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    store = SwallowFAISS(CharacterEmbeddings())
    assert sync_folder(store, folder, ocr=Engine()).added == (str(folder / "a.png"),)
    again = sync_folder(store, folder)
    assert (again.unchanged, again.deleted) == ((str(folder / "a.png"),), ())
    (folder / "a.png").write_bytes(picture(size=(310, 200)))
    changed = sync_folder(store, folder)
    assert "OCR" in changed.failed[str(folder / "a.png")]
    assert len(store) == 1


def program(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", 'if [ "$1" = --list-langs ]; then', *lines]))
    path.chmod(0o755)
    return str(path)


def test_a_missing_program_or_model_is_named(tmp_path, monkeypatch):
    with pytest.raises(
        MissingDependencyError, match=r"'tesseract5'.*apt-get install tesseract-ocr"
    ):
        Tesseract("tesseract5")
    only = program(tmp_path / "t", "echo eng; echo jpn; fi")
    with pytest.raises(MissingDependencyError, match=r"models jpn_vert, which.*apt-get"):
        Tesseract(only)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="not installed"):
        load_documents(tmp_path, ocr=True)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("exec sleep 20", r"OCR took over 0\.2 s"),
        ("echo broken >&2; exit 3", r"failed \(3\): broken"),
    ],
)
def test_the_program_has_limits_and_its_failure_is_one_of_the_page(tmp_path, does, message):
    engine = Tesseract(
        program(tmp_path / "t", "echo jpn; echo jpn_vert; exit", "fi", does), timeout_s=0.2
    )
    with pytest.raises(DocumentError, match=message):
        engine.read(Image.new("L", (30, 30), 255))


def table_of_words(*words):
    head = "level page_num block_num par_num line_num word_num left top width height conf text"
    rows = [
        f"5 1 1 1 {line} 1 {left} {top} {width} 40 {conf} {text}"
        for line, left, top, width, conf, text in words
    ]
    return "\n".join(row.replace(" ", "\t") for row in (head, "4 1 1 1 1 0 0 0 900 40 -1 ", *rows))


def test_words_are_joined_as_they_are_printed():
    words = parse_words(
        table_of_words(
            (1, 0, 0, 80, 90, "試用"),
            (1, 90, 0, 40, 90, "は"),
            (1, 250, 0, 120, 70, "annual"),
            (1, 390, 0, 80, 70, "leave"),
            (2, 0, 80, 40, 50, "月"),
        )
    )
    read = ocr_text(words, is_vertical=False)
    assert read.text == "試用は\tannual leave\n月"
    assert read.confidence == pytest.approx((3 * 0.9 + 11 * 0.7 + 0.5) / 15)


def test_gaps_of_vertical_columns_run_down():
    words = parse_words(table_of_words((1, 500, 0, 40, 90, "試"), (1, 500, 140, 40, 90, "用")))
    assert ocr_text(words, is_vertical=True).text == "試\t用"
    assert ocr_text([], is_vertical=False).confidence == 0.0
