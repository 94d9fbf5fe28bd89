"""Makes sheets.xls and sheets.ods, which LibreOffice converts from a workbook.

python tests/data/spreadsheets/make.py
"""

import datetime
import subprocess
import tempfile
from pathlib import Path

import openpyxl

HERE = Path(__file__).parent
ROWS = (
    (None, "料金表"),
    (),
    ("区分", "料金", None, "開始日", "税率", "込"),
    (None, "大人", "子供"),
    ("平日", 1200, 600.5, datetime.date(2025, 4, 1), 0.08, True),
    ("休日", 1500, 750, datetime.datetime(2025, 4, 5, 9, 30), None, "=1=2"),
)


def main() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "料金"
    for row in ROWS:
        sheet.append(row)
    for area in ("A3:A4", "B3:C3", "D3:D4"):
        sheet.merge_cells(area)
    sheet["E5"].number_format = "0%"
    book.create_sheet("控え").append(["下書き"])
    book["控え"].sheet_state = "hidden"
    book.create_sheet("注意").append(["返金はできません。"])
    with tempfile.TemporaryDirectory() as folder:
        book.save(Path(folder, "sheets.xlsx"))
        for ending in ("xls", "ods"):
            command = ["soffice", "--headless", "--convert-to", ending, "--outdir", HERE]
            subprocess.run([*command, Path(folder, "sheets.xlsx")], check=True)


if __name__ == "__main__":
    main()
