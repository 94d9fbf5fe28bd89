"""Texts that try to become control tokens or turns: disguised, nested, cut in two."""

import random

# Full width, small forms, and others that a normalizer folds to ASCII.
_FULL_WIDTH = str.maketrans({chr(i): chr(i + 0xFEE0) for i in range(0x21, 0x7F)})
_SMALL = str.maketrans({"<": "﹤", ">": "﹥", "#": "﹟"})
_INVISIBLE = "\u200b\u200d\u2060\ufeff\u00ad\u034f\u180b\ufe0f\u2063\u0000\u3164\U000e0001"
_SPACES = " \u2581\u00a0\u3000\n\t\u2003"
_PLAIN = [
    "",
    "",
    " ",
    "\n\n",
    "▁▁",
    "東京",
    "user\n",
    "assistant\n",
    "system",
    "\ue000",
    "\U000f003c",
]


def disguises(text, dice):
    """A text, as it may be written so that it still reads as itself."""
    at = dice.randrange(1, len(text))
    return [
        text,
        text.translate(_FULL_WIDTH),
        text.translate(_SMALL),
        text.upper(),
        text[:at] + dice.choice(_INVISIBLE) + text[at:],
        text[:at] + dice.choice(_SPACES) + text[at:],
        "".join(char + "\u200b" for char in text),
    ]


def hostile_texts(tokens, count, seed):
    """Texts with control tokens in them; of some the second half begins the next text.

    Args:
        tokens: Texts of control tokens, and of plain markers such as `[INST]`.
        count: How many texts.
        seed: For the same texts every time.
    """
    dice = random.Random(seed)
    texts = [""] * (count + 1)
    for i in range(count):
        for _ in range(dice.randrange(1, 4)):
            token = dice.choice(tokens)
            disguised = dice.choice(disguises(token, dice))
            at = dice.randrange(len(token) + 1)
            kind = dice.randrange(4)
            if kind == 0:  # one within another
                disguised = token[:at] + disguised + token[at:]
            elif kind == 1:  # the rest of one that was taken out
                disguised = token[:at]
            texts[i] += dice.choice(_PLAIN) + disguised + dice.choice(_PLAIN)
        if dice.random() < 0.3:
            token = dice.choice(tokens)
            at = dice.randrange(1, len(token))
            texts[i] += token[:at]
            texts[i + 1] = token[at:]
    return texts[:count]
