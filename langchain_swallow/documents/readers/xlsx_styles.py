"""Reads the styles of a workbook: number formats, bold letters, fills, and rules around cells."""

from dataclasses import dataclass
from typing import Any

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

_DATE, _ERA = 'yyyy"年"m"月"d"日"', '[$-411]ggge"年"m"月"d"日"'
_SHORT_ERA, _MONTH, _DAY = "[$-411]ge.m.d", 'yyyy"年"m"月"', 'm"月"d"日"'
# Built-in formats, which files only refer to by number, as Japanese Excel shows them (18.8.30).
# Currency formats have no sign, since the country of the file is not known.
_BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: "#,##0;-#,##0", 6: "#,##0;-#,##0", 7: "#,##0.00;-#,##0.00", 8: "#,##0.00;-#,##0.00",
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "yyyy/m/d", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy/m/d h:mm",
    27: _SHORT_ERA, 28: _ERA, 29: _ERA, 30: "m/d/yy", 31: _DATE,
    32: 'h"時"mm"分"', 33: 'h"時"mm"分"ss"秒"', 34: _MONTH, 35: _DAY, 36: _SHORT_ERA,
    37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    41: '#,##0;-#,##0;"-"', 42: '#,##0;-#,##0;"-"', 43: '#,##0.00;-#,##0.00;"-"',
    44: '#,##0.00;-#,##0.00;"-"', 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0",
    49: "@", 50: _SHORT_ERA, 51: _ERA, 52: _MONTH, 53: _DAY, 54: _ERA, 55: _MONTH, 56: _DAY,
    57: _SHORT_ERA, 58: _ERA, 59: "0", 60: "0.00", 61: "#,##0", 62: "#,##0.00", 67: "0%",
    68: "0.00%", 69: "# ?/?", 70: "# ??/??", 71: "d/m/yyyy", 72: "d-mmm-yy", 73: "d-mmm",
    74: "mmm-yy", 75: "h:mm", 76: "h:mm:ss", 77: "d/m/yyyy h:mm", 78: "mm:ss", 79: "[h]:mm:ss",
    80: "mm:ss.0", 81: "d/m/yyyy",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """The number format of a cell, its look, and its rules.

    `look` is 0 if the cell is plain, and equal for equal bold and fill. `rules` has the sides of
    the cell that are ruled.
    """

    format: str = "General"
    look: int = 0
    rules: frozenset[str] = frozenset()


def cell_styles(root: Any) -> list[Style]:
    """Return the styles, in the order of the indices that cells have.

    Args:
        root: The root of `xl/styles.xml`.
    """
    formats = _BUILT_IN | {
        int(e.get("numFmtId")): e.get("formatCode", "")
        for e in root.iter(f"{MAIN}numFmt")
        if e.get("numFmtId", "").isdecimal()
    }
    fonts = [_is_bold(font) for font in _children(root, "fonts")]
    fills = [_color(fill) for fill in _children(root, "fills")]
    borders = [_ruled_sides(border) for border in _children(root, "borders")]
    looks: dict[tuple[bool, str], int] = {(False, ""): 0}
    styles = []
    for xf in _children(root, "cellXfs"):
        look = (_at(fonts, xf.get("fontId"), False), _at(fills, xf.get("fillId"), ""))
        code = formats.get(_int(xf.get("numFmtId")), "General")
        rules = _at(borders, xf.get("borderId"), frozenset())
        styles.append(Style(code or "General", looks.setdefault(look, len(looks)), rules))
    return styles


def _children(root: Any, name: str) -> list[Any]:
    found = root.find(f"{MAIN}{name}")
    return [] if found is None else [e for e in found if isinstance(e.tag, str)]


def _is_bold(font: Any) -> bool:
    bold = font.find(f"{MAIN}b")
    return bold is not None and bold.get("val", "1") not in ("0", "false")


def _ruled_sides(border: Any) -> frozenset[str]:
    sides = {"start": "left", "end": "right"}
    return frozenset(
        sides.get(side, side)
        for e in border
        if isinstance(e.tag, str) and e.get("style", "none") != "none"
        for side in [e.tag.rpartition("}")[2]]
    )


def _color(fill: Any) -> str:
    """The fill of a cell; empty for none or white."""
    pattern = fill.find(f"{MAIN}patternFill")
    if pattern is None or pattern.get("patternType", "none") == "none":
        return ""
    color = pattern.find(f"{MAIN}fgColor")
    if color is None:
        return str(pattern.get("patternType"))
    is_white = color.get("rgb", "").upper().endswith("FFFFFF") or (
        color.get("theme") == "0" and color.get("tint") is None
    )
    return "" if is_white else str(sorted(color.attrib.items()))


def _at(values: list[Any], number: str | None, default: Any) -> Any:
    i = _int(number)
    return values[i] if 0 <= i < len(values) else default


def _int(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
