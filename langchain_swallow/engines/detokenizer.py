"""Decodes token ids to text incrementally; `stop_strings` ends the text.

Swallow's vocabulary falls back to bytes: 薔 is three tokens, an emoji four. Tokens are converted to
bytes, and an incremental UTF-8 decoder returns each character as soon as it is complete. Bytes that
are not UTF-8, and an incomplete character at the end, are left out, so U+FFFD never appears.
"""

import codecs
import functools
import re
from collections.abc import Callable, Sequence

from langchain_swallow.engines.stop_strings import StopStrings
from langchain_swallow.prompts.tokenizer import Tokenizer

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Detokenizer:
    """Decodes one answer token by token.

    Args:
        to_bytes: Maps a token id to its UTF-8 bytes; see `token_bytes`.
        stop: Strings that end the answer; they are not part of its text. Default: none.
        drops_first_space: Whether to leave out a space at the start of the answer. Default: true.
    """

    def __init__(
        self,
        to_bytes: Callable[[int], bytes],
        stop: Sequence[str] = (),
        *,
        drops_first_space: bool = True,
    ) -> None:
        self._stop_strings = StopStrings(stop)
        self._to_bytes = to_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._drops_space = drops_first_space

    def push(self, token_id: int) -> str:
        """Return the text that this token completes; empty within a character or a stop string."""
        data = self._to_bytes(token_id)
        if self._drops_space and data:
            data = data.removeprefix(b" ")
            self._drops_space = False
        return self._stop_strings.push(self._decoder.decode(data))

    @property
    def stop_sequence(self) -> str | None:
        """The stop string that ended the answer; `None` while none was found."""
        return self._stop_strings.found

    def finish(self) -> str:
        """Return the text that was held back in case a stop string followed."""
        return self._stop_strings.finish()


def token_bytes(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """Return a function from a token id to its bytes; special tokens have no bytes.

    Two kinds of vocabulary are supported: SentencePiece (`▁` is a space, `<0x0A>` a byte) and
    byte-level BPE (GPT-2's table of printable characters for bytes).
    """
    special = frozenset(tokenizer.all_special_ids)
    convert = _from_byte_level if _is_byte_level(tokenizer) else _from_sentencepiece

    @functools.cache
    def to_bytes(token_id: int) -> bytes:
        if token_id in special:
            return b""
        piece = tokenizer.convert_ids_to_tokens(token_id)
        # The model's vocabulary may be larger than the tokenizer's.
        return b"" if piece is None else convert(piece)

    return to_bytes


def _is_byte_level(tokenizer: Tokenizer) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and "ByteLevel" in repr(backend.decoder)


def _from_sentencepiece(piece: str) -> bytes:
    byte = _BYTE_PIECE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace("▁", " ").encode()


def _from_byte_level(piece: str) -> bytes:
    table = _byte_level_table()
    return b"".join(bytes([table[c]]) if c in table else c.encode() for c in piece)


@functools.cache
def _byte_level_table() -> dict[str, int]:
    """GPT-2's byte table: printable Latin-1 maps to itself, other bytes to U+0100 and up."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}
