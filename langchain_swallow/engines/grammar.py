"""Computes which tokens a grammar allows next (constrained decoding).

llguidance does the work, over the same bytes that `detokenizer` gives a token. So a character of
several byte tokens is allowed byte by byte, also within JSON keys and values.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import llguidance
import numpy as np

from langchain_swallow.engines.protocol import Grammar
from langchain_swallow.errors import EngineError, GrammarError
from langchain_swallow.prompts.tokenizer import Tokenizer


class TokenMask:
    """The state of one answer within its grammar."""

    def __init__(self, matcher: llguidance.LLMatcher) -> None:
        self._matcher = matcher

    @property
    def is_complete(self) -> bool:
        """Whether the answer is complete and no token may follow."""
        return bool(self._matcher.is_stopped())

    def forbidden(self, size: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Return booleans of shape (size,) that are true for tokens that may not come next."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        flags = np.unpackbits(bits, count=min(size, 8 * len(bits)), bitorder="little")
        # The model's vocabulary may be larger than the tokenizer's.
        return np.pad(flags, (0, size - len(flags))) == 0

    def advance(self, token: int) -> None:
        """Record the token that was chosen.

        Raises:
            EngineError: The grammar has become too complex to follow.
        """
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise EngineError(f"The grammar cannot be followed: {self._matcher.get_error()}")


class GrammarCompiler:
    """Compiles grammars to token masks for one tokenizer.

    Args:
        tokenizer: The model's tokenizer.
        to_bytes: Maps a token id to its bytes, as answers are decoded.
        end_ids: Ids of the tokens that end an answer.
        encode: Encodes text within an answer; text that the grammar forces gets these ids.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        to_bytes: Callable[[int], bytes],
        end_ids: frozenset[int],
        encode: Callable[[str], list[int]],
    ) -> None:
        self._tokenizer = tokenizer
        self._to_bytes = to_bytes
        self._end_ids = end_ids
        self._encode = encode

    def mask(self, grammar: Grammar) -> TokenMask:
        """Return the mask for the start of an answer.

        Raises:
            GrammarError: The grammar is not valid, or has a part that cannot be enforced.
        """
        matcher = llguidance.LLMatcher(self._vocabulary, _source(grammar), log_level=0)
        if matcher.is_error():
            raise GrammarError(_refusal(matcher.get_error()))
        return TokenMask(matcher)

    @functools.cached_property
    def _vocabulary(self) -> llguidance.LLTokenizer:
        return llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(_Vocabulary(self._tokenizer, self._to_bytes, self._encode)),
            eos_token=sorted(self._end_ids) or None,
        )


class _Vocabulary:
    """The tokenizer interface that llguidance expects."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        to_bytes: Callable[[int], bytes],
        encode: Callable[[str], list[int]],
    ) -> None:
        special = set(tokenizer.all_special_ids)
        self.special_token_ids = sorted(special)
        self.bos_token_id = tokenizer.bos_token_id
        eos = tokenizer.eos_token_id
        self.eos_token_id = self.special_token_ids[0] if eos is None else eos
        # llguidance marks special tokens, which are not text, by a byte that UTF-8 never contains.
        self.tokens = [
            b"\xff" + str(tokenizer.convert_ids_to_tokens(i)).encode()
            if i in special
            else to_bytes(i)
            for i in range(len(tokenizer))
        ]
        self._encode = encode

    def __call__(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"Pass a string, not {type(text).__name__}.")
        return self._encode(text)


@functools.lru_cache(maxsize=256)
def check_grammar(grammar: Grammar) -> None:
    """Refuse a grammar that cannot be enforced, before a model is loaded.

    Results are cached, because each call with tools checks its grammar and a check takes
    milliseconds.

    Raises:
        GrammarError: The message names the part of the schema.
    """
    is_error, messages = llguidance.LLMatcher.validate_grammar_with_warnings(_source(grammar))
    if is_error or messages:
        raise GrammarError(_refusal("; ".join(messages)))
    # llguidance 1.7 compiles this to a number that does not exist, and fails only during
    # generation.
    for text in re.findall(r'\{[^{}]*"multipleOf"[^{}]*\}', grammar.text):
        if (limit := re.search(r'"(?:exclusiveM|m)aximum": ?-', text)) is not None:
            raise GrammarError(_refusal(f"multipleOf of negative numbers only, {limit[0]}…"))


def _source(grammar: Grammar) -> str:
    if grammar.kind == "lark":
        return str(llguidance.LLMatcher.grammar_from_lark(grammar.text))
    return str(llguidance.LLMatcher.grammar_from_json_schema(grammar.text))


def _refusal(reason: str) -> str:
    return (
        f"This schema cannot be enforced: {' '.join(reason.split())}. "
        "Leave that part out, or check it after the answer."
    )
