"""Spreadsheets of older Excel and of LibreOffice, which tests/data/spreadsheets/make.py makes."""

from pathlib import Path

import pytest

from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.errors import DocumentError

DATA = Path(__file__).parents[3] / "data" / "spreadsheets"


@pytest.mark.parametrize("ending", ["xls", "ods"])
def test_tables_have_their_heads_and_dates(ending):
    """The head has two rows, merged or, where calamine does not say so, with empty cells."""
    (content,) = read_content((DATA / f"sheets.{ending}").read_bytes(), f"a.{ending}")
    first, last = content.sections
    weekdays, holidays = first.text.split("\n\n")
    names = [
        "区分: 平日",
        "料金 大人: 1200",
        "料金 子供: 600.5",
        "開始日: 2025-04-01",
        "税率: 0.08",
    ]
    assert weekdays.split("、")[:5] == names
    assert holidays.split("、")[3] == "開始日: 2025-04-05 09:30:00"
    assert first.headings == ("料金", "料金表")
    assert (last.headings, last.text) == (("注意",), "返金はできません。")


@pytest.mark.parametrize("ending", ["xls", "ods"])
def test_hidden_sheets_are_left_out(ending):
    (content,) = read_content((DATA / f"sheets.{ending}").read_bytes(), f"a.{ending}")
    assert "下書き" not in "".join(section.text for section in content.sections)
    ((reason, page, is_loss),) = [(p.reason, p.page, p.is_loss) for p in content.left_out]
    assert (page, is_loss) == (2, True)
    assert reason.startswith("hidden sheet")


@pytest.mark.parametrize("ending", ["xls", "xlsb", "ods"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 99])
def test_damaged_files_are_errors(ending, data):
    with pytest.raises(DocumentError, match="is damaged, or not a spreadsheet"):
        read_content(data, f"a.{ending}")
