r"""Replace lone surrogates, which no tokenizer, file or server can encode.

JavaScript's `slice` can cut an emoji in two, JSON may contain one half (`"\ud83d"`), and Python
represents undecodable bytes of file names by lone surrogates. Each one becomes U+FFFD, as in
tiktoken.
"""

from typing import Any


def replace_surrogates(text: str) -> str:
    r"""Replace each lone surrogate by U+FFFD, and join surrogate pairs to one character.

    >>> replace_surrogates("了解です\ud83d"), replace_surrogates("\ud83d\ude00")
    ('了解です\ufffd', '😀')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def replace_surrogates_in(value: Any) -> Any:
    r"""Apply `replace_surrogates` to every string and key of a JSON value.

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
