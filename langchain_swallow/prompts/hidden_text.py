r"""Hides texts, so that a chat template can copy but not read them.

Every character except white space becomes a private one (plane 15 of Unicode). The template strips,
joins, sorts and compares such texts like the originals, but does not find `</think>` in them, and
their characters in its output differ from those it writes itself.

>>> reveal(hide("a </think>😀")), "</think>" in hide("</think>")
('a </think>😀', False)
"""

import re
from typing import Any

from langchain_swallow.text.surrogates import replace_surrogates

# One character for each UTF-16 code unit, so that the sort order is preserved.
_FIRST = 0xF0000
HIDDEN = re.compile("[\U000f0000-\U000fffff]+")
# Marks around the text of a message, with its number in private digits.
_OPEN, _CLOSE, _ZERO = "\U0010fff0", "\U0010fff1", 0x100000
_MARK = "\U00100000-\U00100009\U0010fff0\U0010fff1"
_MARKED = re.compile(f"{_OPEN}([\U00100000-\U00100009]+)([^{_MARK}]*){_CLOSE}")
_MARKS = re.compile(f"[{_MARK}]")
# The last word before a marked text, or before the answer.
_HEADER = re.compile(
    f"([^\\s<>\\[\\]:：{_MARK}\U000f0000-\U000fffff]{{1,20}}[:：])\\s*(?={_OPEN}|\\Z)"
)

# Keywords by which a template reads tools and documents; these are not hidden.
_WORDS = frozenset(
    "type function name description parameters arguments properties required items enum const "
    "default examples title format return strict nullable anyOf oneOf allOf not $defs definitions "
    "$ref additionalProperties patternProperties minimum maximum minLength maxLength minItems "
    "maxItems pattern id role content text".split()
)
_TYPES = frozenset("string number integer boolean object array null function".split())
_NAME_KEYS = frozenset(["properties", "patternProperties", "$defs", "definitions"])
_VALUE_KEYS = frozenset(["required", "enum", "const", "default", "examples"])


class _Table(dict[int, str]):
    """Maps a character's code to its private character."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        units = char.encode("utf-16-le", "surrogatepass")
        pairs = (units[i] | units[i + 1] << 8 for i in range(0, len(units), 2))
        hidden = char if char.isspace() else "".join(chr(_FIRST + unit) for unit in pairs)
        return self.setdefault(code, hidden)


_TABLE = _Table()


def hide(text: str) -> str:
    """Hide a text; a lone surrogate becomes U+FFFD."""
    return replace_surrogates(text).translate(_TABLE)


def reveal(text: str) -> str:
    """Reveal a hidden text, or a prompt that contains some."""
    return _MARKS.sub("", HIDDEN.sub(_revealed, text))


def reveal_with_origin(text: str) -> tuple[str, bytes]:
    """`reveal`, and for each character whether it was hidden."""
    shown: list[str] = []
    is_hidden = bytearray()
    end = 0
    for run in HIDDEN.finditer(text):
        shown += [text[end : run.start()], _revealed(run)]
        is_hidden += bytes(len(shown[-2])) + b"\1" * len(shown[-1])
        end = run.end()
    shown.append(text[end:])
    return "".join(shown), bytes(is_hidden + bytes(len(shown[-1])))


def _revealed(run: re.Match[str]) -> str:
    units = "".join(chr(ord(char) - _FIRST) for char in run[0])
    return replace_surrogates(units)


def mark(hidden: str, number: int) -> str:
    """Put marks with a number around a hidden text; outer white space stays outside of them."""
    core = hidden.strip()
    digits = "".join(chr(_ZERO + int(digit)) for digit in str(number))
    return hidden.replace(core, f"{_OPEN}{digits}{core}{_CLOSE}", 1) if core else hidden


def read_marks(rendered: str) -> tuple[str, dict[int, list[str]]]:
    """Return a rendered prompt without marks, and the texts with both marks, by number.

    Raises:
        ValueError: One mark of a pair is missing.
    """
    marked: dict[int, list[str]] = {}

    def read(match: re.Match[str]) -> str:
        number = int("".join(str(ord(digit) - _ZERO) for digit in match[1]))
        marked.setdefault(number, []).append(match[2])
        return match[2]

    unmarked = _MARKED.sub(read, rendered)
    if _MARKS.search(unmarked):
        raise ValueError("A text is cut.")
    return unmarked, marked


def find_headers(rendered: str) -> frozenset[str]:
    """Return texts of a word and a colon before the marked texts and before the answer."""
    return frozenset(_HEADER.findall(rendered))


def hide_all(value: Any) -> Any:
    """Hide every string and key of a JSON value."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide_all(key): hide_all(inner) for key, inner in value.items()}
    return list(map(hide_all, value)) if isinstance(value, list | tuple) else value


def hide_schema(value: Any) -> Any:
    """Hide everything in a tool or its JSON schema except for the keywords of JSON Schema."""
    if isinstance(value, list | tuple):
        return list(map(hide_schema, value))
    return _schema(value) if isinstance(value, dict) else hide_all(value)


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    hidden = {}
    for key, value in schema.items():
        if key in _NAME_KEYS and isinstance(value, dict):
            inner = {hide(name): hide_schema(part) for name, part in value.items()}
        elif key == "type" and isinstance(value, str | list):
            inner = _types(value)
        else:
            inner = hide_all(value) if key in _VALUE_KEYS else hide_schema(value)
        hidden[key if key in _WORDS else hide(key)] = inner
    return hidden


def _types(value: str | list[Any]) -> Any:
    if isinstance(value, list):
        return [part if part in _TYPES else hide_all(part) for part in value]
    return value if value in _TYPES else hide(value)
