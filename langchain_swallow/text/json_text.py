"""Serialize JSON for files and the terminal."""

import json
from typing import Any


def json_text(value: Any, **options: Any) -> str:
    r"""Serialize without escaping non-ASCII characters, unless the value has a lone surrogate.

    File names that are not valid UTF-8 contain lone surrogates. No encoding can represent one, but
    JSON's `\u` escape restores it when the text is parsed.

    Args:
        value: Any value that `json.dumps` accepts.
        **options: Passed on to `json.dumps`.

    >>> json_text(["議事録"]), json_text(["議\udc8b"])
    ('["議事録"]', '["\\u8b70\\udc8b"]')
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, **options)
    return text
