"""Converts the codes of symbol fonts (Wingdings, Symbol) to Unicode characters."""


def _table(written: str, **runs: str) -> dict[int, str]:
    """Build a table from entries (hexadecimal code, character) and runs from a first code."""
    found = {int(entry[:2], 16): entry[2] for entry in written.split()}
    for start, characters in runs.items():
        found |= {int(start[1:], 16) + i: character for i, character in enumerate(characters)}
    return found


_WINGDINGS = _table(
    "28☎ 2A✉ 36⌛ 41✌ 46☞ 4A☺ 4C☹ 6C● 6D❍ 6E■ 6F□ 70□ 71❑ 72❒ 75◆ 76❖ 77◆ 9E· "
    "9F• A1○ A2○ A4◉ A5◎ A7▪ A8☐ AB★ D5⌫ D8➢ DF← E0→ E1↑ E2↓ E8➔ F0⇨ FB✗ FC✓ "
    "FD☒ FE☑",
    _81="①②③④⑤⑥⑦⑧⑨⑩",
    _8C="❶❷❸❹❺❻❼❽❾❿",
)
_WINGDINGS_2 = _table(
    "4F✗ 50✓ 51☒ 52☑ 53☒ 54☒ A3☐ 98●",
    _6A="①②③④⑤⑥⑦⑧⑨⑩",
)
_SYMBOL = _table(
    "22∀ 24∃ 27∋ 2D− 40≅ 5C∴ 5E⊥ A3≤ A5∞ AB↔ AC← AD↑ AE→ AF↓ B0° B1± B3≥ "
    "B4× B5∝ B6∂ B7• B8÷ B9≠ BA≡ BB≈ BC… C5⊕ C6∅ C7∩ C8∪ CC⊂ CD⊆ CE∈ CF∉ "
    "D0∠ D1∇ D2® D3© D4™ D5∏ D6√ D7· D8¬ D9∧ DA∨ DB⇔ DC⇐ DE⇒ E5∑ F2∫",
    _41="ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ",
    _61="αβχδεφγηιϕκλμνοπθρστυϖωξψζ",
)
_FONTS = {"wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2, "symbol": _SYMBOL}
# The private area to which Windows maps the characters of symbol fonts.
_PRIVATE = 0xF000


def symbol(font: str, code: str) -> str:
    """Return the character that a font shows for a hexadecimal code; ■ if it is unknown.

    >>> symbol("Wingdings", "F0FE"), symbol("Symbol", "F070"), symbol("游明朝", "2460")
    ('☑', 'π', '①')
    """
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    low = number - _PRIVATE if _PRIVATE <= number < _PRIVATE + 0x100 else number
    if known := _FONTS.get(font.lower()):
        return known.get(low, "■" if font.lower() != "symbol" or low > 0x7E else chr(low))
    if low != number:
        return "■"
    return chr(number) if chr(number).isprintable() else ""
