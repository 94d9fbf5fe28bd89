"""JSON as it is written to files and to the terminal."""

import json
from typing import Any


def json_text(value: Any, **options: Any) -> str:
    r"""JSON with its characters as they are, escaped only where it has a lone surrogate.

    Such a half of a character is in names of files that are not UTF-8; no encoding has it, and
    JSON's own escape brings it back.

    >>> json_text(["議事録"]), json_text(["議\udc8b"])
    ('["議事録"]', '["\\u8b70\\udc8b"]')
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, **options)
    return text
