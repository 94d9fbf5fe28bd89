"""CSV and TSV → one section; each row carries its headers."""

import csv
import io

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.section import Section
from langchain_swallow.formats.table_rows import table_rows


def read_csv(text: str) -> list[Section]:
    """Rows as 見出し: 値、見出し: 値, apart by blank lines so that no chunk cuts one.

    Raises:
        DocumentError: It is no table.
    """
    sample = text[:4096]
    delimiter = "\t" if sample.count("\t") > sample.count(",") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [[cell.strip() for cell in row] for row in lines]
    except csv.Error as error:
        raise DocumentError(
            f"it is no table from line {lines.line_num} on: {error}. A quotation mark may be open."
        ) from error
    rows = [row for row in rows if any(row)]
    return [Section("\n\n".join(table_rows(rows)))] if rows else []
