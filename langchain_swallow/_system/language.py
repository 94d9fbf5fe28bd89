"""The language of what a person reads: Japanese or English.

Texts for a terminal, the chat page and its HTTP API are pairs, written where they are used:
`in_language("索引がありません。", "There is no index.")`. Exceptions of the Python API are in
English.
"""

import locale
import os
import re
from contextvars import ContextVar
from typing import Literal

Language = Literal["ja", "en"]
VARIABLE = "SWALLOW_LANG"
# In the order of POSIX; Windows has none of them, and a locale of its own.
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")

# A weight of Accept-Language: 0.8.
_WEIGHT = re.compile(r"\d(?:\.\d{1,3})?")
# Browsers send fewer than 100 characters. Anyone may send as many as a header holds.
_MAX_HEADER = 400

_chosen: ContextVar[Language | None] = ContextVar("language", default=None)


def in_language(ja: str, en: str) -> str:
    """The one of two texts with the same meaning that the reader understands.

    Args:
        ja: In Japanese.
        en: In English.
    """
    return ja if current_language() == "ja" else en


def current_language() -> Language:
    """The language of this context, else of `SWALLOW_LANG`, else of the locale.

    Raises:
        ValueError: `SWALLOW_LANG` is neither `ja` nor `en`.
    """
    return _chosen.get() or _from_variable() or _from_locale()


def use_language(chosen: Language | None) -> None:
    """Choose the language of this context: of a request, and the tasks that it starts.

    Args:
        chosen: `None` leaves it to `SWALLOW_LANG` and the locale.
    """
    _chosen.set(chosen)


def accepted_language(header: str) -> Language | None:
    """The language that an `Accept-Language` header prefers; `None` if it names neither.

    >>> accepted_language("fr, ja;q=0.8, en;q=0.5")
    'ja'
    """
    best: Language | None = None
    best_weight = 0.0
    for entry in header[:_MAX_HEADER].lower().split(","):
        tag, _, parameter = entry.partition(";")
        name = tag.strip().partition("-")[0]
        written = parameter.strip().removeprefix("q=")
        if name not in ("ja", "en") or not (not parameter or _WEIGHT.fullmatch(written)):
            continue
        weight = min(float(written or 1), 1)
        if weight > best_weight:
            best, best_weight = name, weight  # type: ignore[assignment]
    return best


def _from_variable() -> Language | None:
    value = os.environ.get(VARIABLE)
    if value in ("ja", "en"):
        return value  # type: ignore[return-value]
    if value:
        raise ValueError(f"{VARIABLE}={value!r} is not a language of this program. Use ja or en.")
    return None


def _from_locale() -> Language:
    named = next(filter(None, map(os.environ.get, _LOCALE_VARIABLES)), None)
    name = named or locale.getlocale()[0] or ""
    # ja_JP.UTF-8; Japanese_Japan on Windows.
    return "ja" if name.lower().startswith(("ja_", "ja.", "japanese")) or name == "ja" else "en"
