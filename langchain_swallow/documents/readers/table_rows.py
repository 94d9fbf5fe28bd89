"""Writes the rows of a table so that each can be read alone."""

from collections.abc import Iterable, Sequence

from langchain_swallow.documents.readers.table_layout import detect_layout


def table_rows(rows: Sequence[Sequence[str]], *, has_header: bool = True) -> list[str]:
    """Write each row as 見出し: 値、見出し: 値.

    No name is lost: the names of columns without values are written on a line of their own, and a
    header without rows is written as a row. `table_layout` detects which cells are names.

    Args:
        rows: Texts of the cells.
        has_header: Whether the format declares the first row as the header.

    Returns:
        One text per row, without empty rows and the header.

    >>> table_rows([["品名", "価格", "備考"], ["机", "900円", ""]])
    ['品名: 机、価格: 900円', '空欄の列: 備考']
    >>> table_rows([["会社名", "青空製作所"], ["代表者", "山田太郎"]])
    ['会社名: 青空製作所', '代表者: 山田太郎']
    """
    if not all(map(any, rows)):
        rows = [row for row in rows if any(row)]
    return rows_and_first(rows, has_header=has_header)[0]


def rows_and_first(
    rows: Sequence[Sequence[str]], *, has_header: bool = True
) -> tuple[list[str], int]:
    """Write rows as `table_rows` does, and tell which row the first text is of.

    Args:
        rows: Texts of the cells, without empty rows.
        has_header: Whether the format declares the first row as the header.

    Returns:
        The texts, and the index of the row that the first of them is of; the others follow in
        order. A last text without a row of its own has the names of columns without values.
    """
    layout = detect_layout(rows, has_header=has_header)
    if layout.head:
        return columnar_rows(rows[0], rows[1:]), min(1, len(rows) - 1)
    names = layout.name_columns
    return [pairs(row, [i in names for i in range(len(row))]) for row in rows], 0


def columnar_rows(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write rows whose values are named by their columns.

    Args:
        names: Names of the columns; a row may have more cells than names.
        rows: Texts of the cells.
    """
    lines: list[str] = []
    padded = [*names]
    empty = [i for i, name in enumerate(names) if name]
    for row in rows:
        if not any(row):
            continue
        if len(row) > len(padded):
            padded += [""] * (len(row) - len(padded))
        lines.append(
            "、".join(
                f"{name}: {value}" if name else value
                for name, value in zip(padded, row, strict=False)
                if value
            )
        )
        if empty:
            empty = [i for i in empty if i >= len(row) or not row[i]]
    if not lines:
        return ["、".join(filter(None, names))]
    without = set(empty)
    filled = {name for i, name in enumerate(names) if i not in without}
    if unused := dict.fromkeys(names[i] for i in empty if names[i] not in filled):
        lines.append(f"空欄の列: {'、'.join(unused)}")
    return lines


def pairs(texts: Sequence[str], are_names: Sequence[bool]) -> str:
    """Write a row in which names precede their values.

    A name without a value is written alone, and consecutive names are joined.

    >>> pairs(["会社", "名称", "青空", "", "電話", ""], [True, True, False, False, True, False])
    '会社 名称: 青空、電話'
    """
    parts: list[str] = []
    name: list[str] = []
    values: list[str] = []
    for text, is_name in [*zip(texts, are_names, strict=True), ("", True)]:
        if is_name and (values or not name):
            parts.append(_pair(name, values))
            name, values = [], []
        if is_name:
            name.append(text)
        else:
            values.append(text)
    parts.append(_pair(name, values))
    return "、".join(filter(None, parts))


def _pair(names: Iterable[str], values: Iterable[str]) -> str:
    name = " ".join(filter(None, names))
    value = "、".join(filter(None, values))
    return f"{name}: {value}" if name and value else name or value
