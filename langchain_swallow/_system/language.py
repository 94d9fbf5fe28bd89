"""The language of what a person reads: Japanese or English.

Texts for a terminal, the chat page and its HTTP API are pairs, written where they are used:
`in_language("索引がありません。", "There is no index.")`. Exceptions of the Python API are in
English.
"""

import locale
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Language = Literal["ja", "en"]
VARIABLE = "SWALLOW_LANG"
# In the order of POSIX; Windows has none of them, and a locale of its own.
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")

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


@contextmanager
def language(chosen: Language) -> Iterator[None]:
    """Within this block, `in_language` returns texts of one language."""
    before = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(before)


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
