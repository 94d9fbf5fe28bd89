r"""Texts that a chat template passes on and cannot read.

Every character but white space becomes a private one (plane 15 of Unicode): the template strips,
joins, sorts and compares such texts as it would the texts themselves, but finds no `</think>` in
them, and what it writes of them can be told from what it writes itself.

>>> reveal(hide("a </think>😀")), "</think>" in hide("</think>")
('a </think>😀', False)
"""

import re
from typing import Any

from langchain_swallow.text.surrogates import replace_surrogates

# One for each UTF-16 code unit, so that the texts keep their order.
_FIRST = 0xF0000
HIDDEN = re.compile("[\U000f0000-\U000fffff]+")
# Around the text of a message, with its number in digits of their own.
_OPEN, _CLOSE, _ZERO = "\U0010fff0", "\U0010fff1", 0x100000
_MARK = "\U00100000-\U00100009\U0010fff0\U0010fff1"
_MARKED = re.compile(f"{_OPEN}([\U00100000-\U00100009]+)([^{_MARK}]*){_CLOSE}")
_MARKS = re.compile(f"[{_MARK}]")
# The last word before a marked text, or before the answer.
_HEADER = re.compile(
    f"([^\\s<>\\[\\]:：{_MARK}\U000f0000-\U000fffff]{{1,20}}[:：])\\s*(?={_OPEN}|\\Z)"
)

# What a template asks of a tool or a document by name. Nobody's text is among these words.
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
    """A character's code → what stands for it."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        units = char.encode("utf-16-le", "surrogatepass")
        pairs = (units[i] | units[i + 1] << 8 for i in range(0, len(units), 2))
        hidden = char if char.isspace() else "".join(chr(_FIRST + unit) for unit in pairs)
        return self.setdefault(code, hidden)


_TABLE = _Table()


def hide(text: str) -> str:
    """A text as templates get it; a lone surrogate in it becomes U+FFFD."""
    return replace_surrogates(text).translate(_TABLE)


def reveal(text: str) -> str:
    """A text, or a prompt with texts in it, as it reads."""
    return _MARKS.sub("", HIDDEN.sub(_revealed, text))


def reveal_with_origin(text: str) -> tuple[str, bytes]:
    """`reveal`, and for each character of it whether it was hidden."""
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
    """A hidden text with its number around it; white space stays outside, to be stripped."""
    core = hidden.strip()
    digits = "".join(chr(_ZERO + int(digit)) for digit in str(number))
    return hidden.replace(core, f"{_OPEN}{digits}{core}{_CLOSE}", 1) if core else hidden


def read_marks(rendered: str) -> tuple[str, dict[int, list[str]]]:
    """A rendered prompt without marks, and the texts that have both of theirs, by their numbers.

    Raises:
        ValueError: A mark has lost the other.
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
    """What stands before the marked texts and before the answer, if it is a word and a colon."""
    return frozenset(_HEADER.findall(rendered))


def hide_all(value: Any) -> Any:
    """A JSON value in which every string and key is hidden."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide_all(key): hide_all(inner) for key, inner in value.items()}
    return list(map(hide_all, value)) if isinstance(value, list | tuple) else value


def hide_schema(value: Any) -> Any:
    """A tool or its JSON schema: what is hidden is all but the words of JSON Schema."""
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
