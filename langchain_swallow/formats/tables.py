"""CSV and TSV → one section; each row carries its headers."""

import csv
import io

from langchain_swallow.formats.section import Section, table_rows


def read_csv(text: str) -> list[Section]:
    """Rows as 見出し: 値、見出し: 値, apart by blank lines so that no chunk cuts one."""
    sample = text[:4096]
    delimiter = "\t" if sample.count("\t") > sample.count(",") else ","
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        if any(cell.strip() for cell in row)
    ]
    return [Section("\n\n".join(table_rows(rows)))] if rows else []
