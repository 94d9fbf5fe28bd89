"""Texts → token ids in which no control token is, whatever the texts contain."""

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
# A line feed may be part of an added token (two line feeds); then another is tried.
_ANCHORS = ("\n", "\r", "\x1f")


@dataclass
class _Known:
    """What is known of a tokenizer.

    Args:
        state: What it was known of: number of tokens, BOS and EOS.
        controls: Its control tokens, by their text.
        encode: Encodes a plain text.
        backend: Tells how text after a control token is encoded; `None` asks the tokenizer.
    """

    state: tuple[Any, ...]
    controls: dict[str, ControlToken]
    encode: _Encode
    backend: Any = None
    prefixes: dict[str, bool] = field(default_factory=dict)


_known: "weakref.WeakKeyDictionary[Tokenizer, _Known]" = weakref.WeakKeyDictionary()


def encode_text(text: str, tokenizer: Tokenizer) -> list[int]:
    """Token ids of ordinary text; control tokens in it are text, and no BOS is added.

    A lone surrogate is encoded as U+FFFD. Where the tokenizer was loaded from a SentencePiece
    model that is still there, the ids are SentencePiece's.

    Raises:
        PromptError: The tokenizer makes a control token of the text.
    """
    return _what_is_known(tokenizer).encode(tokenizer, replace_surrogates(text))


def encode_inside(text: str, tokenizer: Tokenizer) -> list[int]:
    """Token ids of text as it is in the middle of other text: without a space put before it."""
    # Control characters are byte tokens in SentencePiece and merge with nothing: what follows one
    # is encoded as in the middle of a text. Other vocabularies put nothing before a text.
    for anchor in _ANCHORS:
        before = encode_text(anchor, tokenizer)
        if not before or not str(tokenizer.convert_ids_to_tokens(before[0])).startswith("▁"):
            break
        ids = encode_text(anchor + text, tokenizer)
        if ids[: len(before)] == before:
            return ids[len(before) :]
    return encode_text(text, tokenizer)


def drops_first_space(prompt_ids: Sequence[int], tokenizer: Tokenizer) -> bool:
    """Whether a detokenizer leaves out a space that begins the answer to this prompt.

    A Ver0.1 prompt ends in a space, which the model may write again. SentencePiece puts a space
    before every text. In a byte-level vocabulary a space is part of the answer.
    """
    last, first = (
        str(tokenizer.convert_ids_to_tokens(i))
        for i in (prompt_ids[-1], encode_text("a", tokenizer)[0])
    )
    return last.endswith(("▁", "Ġ")) or first.startswith("▁")


def known_control_tokens(tokenizer: Tokenizer) -> dict[str, ControlToken]:
    """`control_tokens`, looked up once: Gemma has 6,322."""
    return _what_is_known(tokenizer).controls


def prefixes_text_after(token: str, tokenizer: Tokenizer) -> bool:
    """Whether text after a control token is encoded as it is at the very start.

    Legacy SentencePiece tokenizers (Llama 2, Swallow) put `▁` before each segment; others only
    before the first, so that a segment encoded alone would have one `▁` too many.
    """
    known = _what_is_known(tokenizer)
    if token not in known.prefixes:
        after = _after(token, tokenizer, known)
        known.prefixes[token] = after == encode_text("a", tokenizer)
    return known.prefixes[token]


def _after(token: str, tokenizer: Tokenizer, known: _Known) -> list[int]:
    """Ids of the text `a` after a control token; none if the token is not found there."""
    token_id = known.controls[token].id
    if known.backend is not None:
        ids = known.backend.encode(f"{token}a", add_special_tokens=False).ids
        if ids[0] == token_id:
            return list(ids[1:])
    # Whether a fast tokenizer looks for control tokens is state of its Rust object: a thread of
    # somebody else's may switch it between our setting and our call.
    for _ in range(8):
        with _lock:
            ids = tokenizer.encode(
                f"{token}a", add_special_tokens=False, split_special_tokens=False
            )
        if ids[0] == token_id:
            return list(ids[1:])
    return []


def _what_is_known(tokenizer: Tokenizer) -> _Known:
    # Tokens may be added after the first text.
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
    """The tokenizer.json that transformers read; `None` if there is none, or it is another one.

    Of a SentencePiece tokenizer's rules transformers 5 takes the vocabulary only, and those for
    spaces from its own classes: not always the same.
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
    """An encoder of plain text that makes sure that no control token comes out of it."""
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
    """A character outside a vocabulary becomes the unknown token, in a plain text too."""
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    text = getattr(model, "unk_token", None)
    unknown = {tokenizer.unk_token_id, text and tokenizer.convert_tokens_to_ids(text)}
    # GPT-2 has one token for everything; bytes are never unknown to it.
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
    """Encode with a tokenizer written in Python: no piece of the text contains a control token."""
    encode = _without_added_specials(tokenizer)
    cuts = [0, *(match.start() + 1 for match in pattern.finditer(text)), len(text)]
    pieces = (text[a:b] for a, b in itertools.pairwise(cuts))
    return [i for piece in pieces if piece for i in encode(piece)]
