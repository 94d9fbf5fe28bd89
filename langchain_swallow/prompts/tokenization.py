"""Encodes texts to ids without control tokens, whatever the texts contain."""

import itertools
import re
import threading
import weakref
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.control_tokens import ControlToken, control_tokens
from langchain_swallow.prompts.plain_encoders import (
    is_same_vocabulary,
    load_sentencepiece,
    without_control_tokens,
)
from langchain_swallow.prompts.tokenizer import Tokenizer
from langchain_swallow.text.surrogates import replace_surrogates

_Encode = Callable[[Tokenizer, str], list[int]]

_lock = threading.RLock()
# If a line feed is part of an added token (two line feeds), the next character is tried.
_ANCHORS = ("\n", "\r", "\x1f")


@dataclass
class _Known:
    """Cached properties of a tokenizer.

    Args:
        state: The tokenizer's state when it was cached: number of tokens, BOS and EOS.
        controls: Its control tokens, by text.
        encode: Encodes a plain text.
        backend: Shows how text after a control token is encoded; `None` uses the tokenizer.
    """

    state: tuple[Any, ...]
    controls: dict[str, ControlToken]
    encode: _Encode
    backend: Any = None
    prefixes: dict[str, bool] = field(default_factory=dict)


_known: "weakref.WeakKeyDictionary[Tokenizer, _Known]" = weakref.WeakKeyDictionary()


def encode_text(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return the token ids of plain text; control tokens in it are text, and no BOS is added.

    A lone surrogate is encoded as U+FFFD. If the tokenizer was loaded from a SentencePiece model
    that still exists, SentencePiece encodes the text.

    Raises:
        PromptError: The tokenizer encodes part of the text as a control token.
    """
    return _what_is_known(tokenizer).encode(tokenizer, replace_surrogates(text))


def encode_inside(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return the token ids of text in the middle of other text: without a leading space."""
    # Control characters are byte tokens in SentencePiece and do not merge, so text after one is
    # encoded as in the middle of a text. Other vocabularies add nothing before a text.
    for anchor in _ANCHORS:
        before = encode_text(anchor, tokenizer)
        if not before or not str(tokenizer.convert_ids_to_tokens(before[0])).startswith("▁"):
            break
        ids = encode_text(anchor + text, tokenizer)
        if ids[: len(before)] == before:
            return ids[len(before) :]
    return encode_text(text, tokenizer)


def drops_first_space(prompt_ids: Sequence[int], tokenizer: Tokenizer) -> bool:
    """Whether a detokenizer leaves out a space at the start of the answer to this prompt.

    A Ver0.1 prompt ends with a space, which the model may repeat. SentencePiece adds a space before
    every text. In a byte-level vocabulary, a space is part of the answer.
    """
    last, first = (
        str(tokenizer.convert_ids_to_tokens(i))
        for i in (prompt_ids[-1], encode_text("a", tokenizer)[0])
    )
    return last.endswith(("▁", "Ġ")) or first.startswith("▁")


def known_control_tokens(tokenizer: Tokenizer) -> dict[str, ControlToken]:
    """`control_tokens`, cached because Gemma has 6,322."""
    return _what_is_known(tokenizer).controls


def prefixes_text_after(token: str, tokenizer: Tokenizer) -> bool:
    """Whether text after a control token is encoded as at the start of a text.

    Legacy SentencePiece tokenizers (Llama 2, Swallow) add `▁` before each segment. Others add it
    only before the first, so a segment that is encoded separately would have one `▁` too many.
    """
    known = _what_is_known(tokenizer)
    if token not in known.prefixes:
        after = _after(token, tokenizer, known)
        known.prefixes[token] = after == encode_text("a", tokenizer)
    return known.prefixes[token]


def _after(token: str, tokenizer: Tokenizer, known: _Known) -> list[int]:
    """Return the ids of the text `a` after a control token; empty if the token is not found."""
    token_id = known.controls[token].id
    if known.backend is not None:
        ids = known.backend.encode(f"{token}a", add_special_tokens=False).ids
        if ids[0] == token_id:
            return list(ids[1:])
    # Whether a fast tokenizer looks for control tokens is state of its Rust object, which another
    # thread may change between setting it and the call.
    for _ in range(8):
        with _lock:
            ids = tokenizer.encode(
                f"{token}a", add_special_tokens=False, split_special_tokens=False
            )
        if ids[0] == token_id:
            return list(ids[1:])
    return []


def _what_is_known(tokenizer: Tokenizer) -> _Known:
    # Tokens may be added after the first text was encoded.
    size = len(tokenizer) if isinstance(tokenizer, Sized) else 0
    state = (size, tokenizer.bos_token_id, tokenizer.eos_token_id)
    known = _known.get(tokenizer)
    if known is None or known.state != state:
        with _lock:
            known = _known[tokenizer] = _look_at(tokenizer, state)
    return known


def _look_at(tokenizer: Tokenizer, state: tuple[Any, ...]) -> _Known:
    controls = control_tokens(tokenizer)
    if plain_encoder := getattr(tokenizer, "plain_encoder", None):
        return _Known(
            state, controls, _checked(lambda _, text: plain_encoder(text), tokenizer, controls)
        )
    written = _file_backend(tokenizer)
    backend = written or getattr(tokenizer, "backend_tokenizer", None)
    encode = _plain_encoder(tokenizer, backend, controls)
    return _Known(state, controls, _checked(encode, tokenizer, controls), written)


def _file_backend(tokenizer: Tokenizer) -> Any:
    """Return the tokenizer.json from which transformers loaded; `None` if it is missing or
    different.

    transformers 5 takes only the vocabulary from a SentencePiece tokenizer. Its rules for spaces
    come from transformers' own classes and may differ.
    """
    from tokenizers import Tokenizer, pre_tokenizers

    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(getattr(backend, "pre_tokenizer", None), pre_tokenizers.Metaspace):
        return None
    file = Path(getattr(tokenizer, "name_or_path", None) or "") / "tokenizer.json"
    if not file.is_file():
        return None
    backend = Tokenizer.from_file(str(file))
    backend.no_truncation()
    backend.encode_special_tokens = True
    if not is_same_vocabulary(
        lambda text: backend.encode(text, add_special_tokens=False).ids,
        _without_added_specials(tokenizer),
    ):
        return None
    backend.encode_special_tokens = False
    return backend


def _checked(encode: _Encode, tokenizer: Tokenizer, controls: dict[str, ControlToken]) -> _Encode:
    """Return an encoder that raises an error if it produces a control token."""
    forbidden = {token.id for token in controls.values()} - _unknown_ids(tokenizer)

    def checked(tokenizer: Tokenizer, text: str) -> list[int]:
        ids = encode(tokenizer, text)
        if not forbidden.isdisjoint(ids):
            token = next(i for i in ids if i in forbidden)
            raise PromptError(
                f"The tokenizer {type(tokenizer).__name__} encodes a message as the control token "
                f"{tokenizer.convert_ids_to_tokens(token)!r}. Remove that text from the message, "
                "or use a tokenizer with a tokenizer.json."
            )
        return ids

    return checked


def _unknown_ids(tokenizer: Tokenizer) -> set[int | None]:
    """Return the ids that plain text may produce for characters outside of the vocabulary."""
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    text = getattr(model, "unk_token", None)
    unknown = {tokenizer.unk_token_id, text and tokenizer.convert_tokens_to_ids(text)}
    # GPT-2 uses one token for all roles, and its byte-level vocabulary has no unknown characters.
    return unknown - {tokenizer.bos_token_id, tokenizer.eos_token_id}


def _plain_encoder(
    tokenizer: Tokenizer, backend: Any, controls: dict[str, ControlToken]
) -> _Encode:
    model = load_sentencepiece(
        Path(getattr(tokenizer, "vocab_file", None) or ""),
        _without_added_specials(tokenizer),
        adds_prefix=getattr(tokenizer, "add_prefix_space", None) is not False,
    )
    if model:
        return lambda _, text: model.encode(text)
    if backend is not None:
        plain = without_control_tokens(backend, controls)
        return lambda _, text: plain.encode(text, add_special_tokens=False).ids
    pattern = re.compile("|".join(f"(?={re.escape(text)})" for text in controls if len(text) > 1))
    return lambda tokenizer, text: _encode_apart(text, pattern, tokenizer)


def _without_added_specials(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    def encode(text: str) -> list[int]:
        with _lock:
            return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    return encode


def _encode_apart(text: str, pattern: re.Pattern[str], tokenizer: Tokenizer) -> list[int]:
    """Encode with a Python tokenizer, in pieces that contain no control token."""
    encode = _without_added_specials(tokenizer)
    cuts = [0, *(match.start() + 1 for match in pattern.finditer(text)), len(text)]
    pieces = (text[a:b] for a, b in itertools.pairwise(cuts))
    return [i for piece in pieces if piece for i in encode(piece)]
