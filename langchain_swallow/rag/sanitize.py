"""Retrieved text is data: what of it is not what it seems is taken out before a model sees it.

Turn markers and special tokens are the prompt's business (`prompts.encode` breaks them); here go
characters that nobody sees, and numbers and lines that would make a passage look like several,
or like the end of all passages.
"""

import re

_EMOJI = "\U0001f000-\U0001faff\u2600-\u27bf\ufe0f"
_INVISIBLE = re.compile(
    # Zero width, direction, word joiners, byte order marks, soft hyphens, tags.
    "[\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
    # A joiner is visible between two emoji only.
    f"|(?<![{_EMOJI}])\u200d|\u200d(?![{_EMOJI}])"
)
_FORGED_NUMBER = re.compile(r"^([ \t\u3000]*)[\[［]\s*([0-9０-９]+)\s*[\]］]", re.MULTILINE)

# As `packing.fenced` draws the lines around all passages.
_FORGED_FENCE = re.compile(r"〔(資料[0-9a-fA-F０-９]{4,}(?:終わり)?)〕")


def sanitize_passage(text: str) -> str:
    r"""A passage without invisible characters, forged fences, and a `[3]` that begins a line.

    >>> sanitize_passage("指\u200b示\n[3] 偽の資料")
    '指示\n〔3〕 偽の資料'
    """
    visible = _INVISIBLE.sub("", text)
    return _FORGED_NUMBER.sub(r"\1〔\2〕", _FORGED_FENCE.sub(r"（\1）", visible))
