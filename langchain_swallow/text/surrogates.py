r"""Lone surrogates: half of a character, which no tokenizer, file or server can take.

JavaScript's `slice` cuts an emoji in two, JSON may write one half (`"\ud83d"`), and Python puts
undecodable bytes of file names into them. Every such half becomes U+FFFD, as in tiktoken.
"""

from typing import Any


def replace_surrogates(text: str) -> str:
    r"""The text with U+FFFD for each lone surrogate; two halves that belong together are joined.

    >>> replace_surrogates("了解です\ud83d"), replace_surrogates("\ud83d\ude00")
    ('了解です\ufffd', '😀')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def replace_surrogates_in(value: Any) -> Any:
    r"""A JSON value with `replace_surrogates` applied to every string and key in it.

    >>> replace_surrogates_in({"名\ud83d": ["\ud83d", 1]})
    {'名\ufffd': ['\ufffd', 1]}
    """
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        return {replace_surrogates_in(key): replace_surrogates_in(v) for key, v in value.items()}
    if isinstance(value, list):
        return [replace_surrogates_in(part) for part in value]
    if isinstance(value, tuple):
        return tuple(replace_surrogates_in(part) for part in value)
    return value
