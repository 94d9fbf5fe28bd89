"""Lists the control tokens of a tokenizer: all added tokens, special or not.

Qwen3 marks `<think>` and `<tool_call>` as not special, although they control the model. Only added
tokens of white space (Gemma's line feeds and runs of spaces) and of a single character are ordinary
text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from langchain_swallow.prompts.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ControlToken:
    """A token that only a prompt template may write.

    Args:
        text: The token's text, as the template writes it.
        id: The token's id.
        takes_left: Whether white space before it belongs to it (`lstrip`).
        takes_right: Whether white space after it belongs to it (`rstrip`).
        is_word: Whether it must not touch a letter or digit (`single_word`).
    """

    text: str
    id: int
    takes_left: bool = False
    takes_right: bool = False
    is_word: bool = False


def is_control_text(text: str) -> bool:
    r"""Whether an added token with this text is a control token: neither white space nor one
    character.

    A single character such as `!`, which some checkpoints use for padding, may have no other token,
    so excluding it would make it impossible to encode.

    >>> is_control_text("<think>"), is_control_text("\n\n"), is_control_text("▁▁")
    (True, False, False)
    """
    return len(text.replace("▁", " ").strip()) > 1


def control_tokens(tokenizer: Tokenizer) -> dict[str, ControlToken]:
    """Return all control tokens of a tokenizer, by text."""
    named = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
    controls = {
        str(text): ControlToken(str(text), id) for text, id in named if is_control_text(text)
    }
    for id, token in tokenizer.added_tokens_decoder.items():
        if is_control_text(token.content):
            controls[token.content] = ControlToken(
                token.content, id, token.lstrip, token.rstrip, token.single_word
            )
    return controls


def control_pattern(tokens: Iterable[ControlToken]) -> re.Pattern[str] | None:
    """Return a pattern that finds tokens as a tokenizer does; `None` without tokens."""
    longest_first = sorted(tokens, key=lambda token: len(token.text), reverse=True)
    return re.compile("|".join(map(_pattern, longest_first))) if longest_first else None


def _pattern(token: ControlToken) -> str:
    left, right = r"\s*" if token.takes_left else "", r"\s*" if token.takes_right else ""
    text = re.escape(token.text)
    if token.is_word:
        text = rf"(?<!\w){text}(?!\w)"
    return f"{left}{text}{right}"
