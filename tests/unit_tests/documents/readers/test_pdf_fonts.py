"""PDFs that name a font without bringing it are read without that font, too."""

import json
import subprocess
import sys

import pytest

from langchain_swallow.documents.readers.pdf_fonts import open_pdf
from tests.support.paper import print_pdf, write

# One letter each, which pdfium leaves out where it knows no box; the last is of a rare plane.
LINES = ["棚", "、", "あ", "가", "𠮷", "机上灯 12 台"]

# Runs with no font of the machine at all.
READS_WITHOUT_FONTS = """
import ctypes, json, sys
import pypdfium2.raw as pdfium
pdfium.FPDF_DestroyLibrary()
folders = (ctypes.c_char_p * 2)(sys.argv[1].encode(), None)
kind = dict(pdfium.FPDF_LIBRARY_CONFIG._fields_)["m_pUserFontPaths"]
config = pdfium.FPDF_LIBRARY_CONFIG(version=2, m_pUserFontPaths=ctypes.cast(folders, kind))
pdfium.FPDF_InitLibraryWithConfig(config)
from langchain_swallow.documents.readers.pdf import read_pdf
read = read_pdf(sys.stdin.buffer.read(), "a.pdf")
print(json.dumps([section.text for section in read]))
"""


def read_without_fonts(data, folder):
    command = [sys.executable, "-c", READS_WITHOUT_FONTS, str(folder)]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return "\n".join(json.loads(done.stdout))


def test_letters_are_read_without_any_font(tmp_path):
    drawn = "".join(write(line, 40, 700 - 30 * at) for at, line in enumerate(LINES[:-1]))
    data = print_pdf([[]], drawn={0: drawn + write(LINES[-1], 40, 500)})
    assert [line for line in read_without_fonts(data, tmp_path).split("\n") if line] == LINES


@pytest.mark.parametrize(
    ("encoding", "ordering", "text"),
    [
        ("UniGB-UCS2-H", "GB1", "货"),
        ("UniCNS-UCS2-H", "CNS1", "貨"),
        ("UniKS-UCS2-H", "Korea1", "값"),
        ("UniJIS-UCS2-V", "Japan1", "棚"),
    ],
)
def test_fonts_of_other_languages_and_directions_are_not_needed(tmp_path, encoding, ordering, text):
    data = print_pdf([[text], ["次の頁"]])
    data = data.replace(b"UniJIS-UCS2-H", encoding.encode()).replace(b"Japan1", ordering.encode())
    assert text in read_without_fonts(data, tmp_path)


def test_a_cell_of_one_letter_is_kept_without_any_font(tmp_path):
    rows = [["品名", "色", "在庫"], ["棚", "白", "3"], ["机上灯", "黒", "12"]]
    drawn = "".join(
        write(cell, 40 + 150 * column, 700 - 20 * row)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    )
    read = read_without_fonts(print_pdf([[]], drawn={0: drawn}), tmp_path)
    assert read == "品名: 棚、色: 白、在庫: 3\n\n品名: 机上灯、色: 黒、在庫: 12"


def test_a_document_may_be_open_while_the_font_is_provided_again():
    data = print_pdf([["一つ目である。"]])
    first = open_pdf(data)
    second = open_pdf(data)
    texts = [document[0].get_textpage().get_text_range() for document in (first, second)]
    assert texts == ["一つ目である。"] * 2
