"""The tokenizer interface that prompts and engines need."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """Converts text to token ids and back: a `ClientTokenizer` or a transformers tokenizer.

    `chat_template`, `special_tokens_map`, `plain_encoder`, `backend_tokenizer` and `vocab_file` are
    optional.
    """

    bos_token: str | None
    eos_token: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    unk_token_id: int | None

    @property
    def all_special_tokens(self) -> Sequence[str]:
        """Texts of all special tokens."""

    @property
    def all_special_ids(self) -> Sequence[int]:
        """Ids of the special tokens, in the same order."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """The added tokens by id, as the tokenizers library returns them."""

    def __len__(self) -> int: ...

    def convert_tokens_to_ids(self, tokens: str) -> int:
        """Return the id of a token."""

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Return the piece of an id, or the pieces of several; `None` for unknown ids."""

    def encode(
        self, text: str, *, add_special_tokens: bool = ..., split_special_tokens: bool = ...
    ) -> list[int]:
        """Return the ids of a text."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids, including special tokens."""
