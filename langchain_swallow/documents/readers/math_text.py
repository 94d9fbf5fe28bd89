"""Writes equations of Office files (OMML) as one line of text: S=πr², (a+b)/2, √(x)."""

from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_SUPERSCRIPTS = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
_SUBSCRIPTS = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")


def math_text(element: Any) -> str:
    """Return the text of an equation or of a part of one; empty for `None`."""
    if element is None or not isinstance(element.tag, str):
        return ""
    if element.tag == f"{M}t":
        return element.text or ""
    write = _WRITERS.get(element.tag)
    return write(element) if write else "".join(map(math_text, element))


def _part(element: Any, name: str) -> str:
    return math_text(element.find(f"{M}{name}"))


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.isalnum() else f"({text})"


def _raised(text: str) -> str:
    raised = text.translate(_SUPERSCRIPTS)
    return (
        raised if all(a != b for a, b in zip(text, raised, strict=True)) else f"^{_grouped(text)}"
    )


def _lowered(text: str) -> str:
    lowered = text.translate(_SUBSCRIPTS)
    is_lowered = all(a != b for a, b in zip(text, lowered, strict=True))
    return lowered if is_lowered else f"_{_grouped(text)}"


def _fraction(element: Any) -> str:
    return f"{_grouped(_part(element, 'num'))}/{_grouped(_part(element, 'den'))}"


def _scripts(element: Any) -> str:
    lower, upper = _part(element, "sub"), _part(element, "sup")
    return f"{_grouped(_part(element, 'e'))}{_lowered(lower)}{_raised(upper)}"


def _radical(element: Any) -> str:
    degree = _part(element, "deg")
    return f"{degree.translate(_SUPERSCRIPTS)}√{_grouped(_part(element, 'e'))}"


def _sum(element: Any) -> str:
    sign = _property(element, "naryPr", "chr", "∫")
    lower, upper = _part(element, "sub"), _part(element, "sup")
    return f"{sign}{_lowered(lower)}{_raised(upper)} {_part(element, 'e')}"


def _delimited(element: Any) -> str:
    begin = _property(element, "dPr", "begChr", "(")
    end = _property(element, "dPr", "endChr", ")")
    separator = _property(element, "dPr", "sepChr", "|")
    return f"{begin}{separator.join(map(math_text, element.findall(f'{M}e')))}{end}"


def _limit(element: Any) -> str:
    return f"{_part(element, 'e')}{_lowered(_part(element, 'lim'))}"


def _rows(element: Any) -> str:
    return "; ".join(map(math_text, element.findall(f"{M}e")))


def _matrix(element: Any) -> str:
    rows = [map(math_text, row.findall(f"{M}e")) for row in element.findall(f"{M}mr")]
    return f"[{'; '.join(', '.join(row) for row in rows)}]"


def _property(element: Any, properties: str, name: str, default: str) -> str:
    found = element.find(f"{M}{properties}/{M}{name}")
    return default if found is None else str(found.get(f"{M}val", ""))


_WRITERS = {
    f"{M}f": _fraction,
    f"{M}sSup": _scripts,
    f"{M}sSub": _scripts,
    f"{M}sSubSup": _scripts,
    f"{M}rad": _radical,
    f"{M}nary": _sum,
    f"{M}d": _delimited,
    f"{M}limLow": _limit,
    f"{M}limUpp": _limit,
    f"{M}eqArr": _rows,
    f"{M}m": _matrix,
}
