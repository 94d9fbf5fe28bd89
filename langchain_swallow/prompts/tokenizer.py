"""What prompts and engines need of a tokenizer, whoever wrote it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """Text ↔ token ids: a `ClientTokenizer`, or a tokenizer of transformers.

    `chat_template`, `special_tokens_map`, `plain_encoder`, `backend_tokenizer` and `vocab_file`
    are used where a tokenizer has them.
    """

    bos_token: str | None
    eos_token: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    unk_token_id: int | None

    @property
    def all_special_tokens(self) -> Sequence[str]:
        """Text of every special token."""

    @property
    def all_special_ids(self) -> Sequence[int]:
        """Ids of the same tokens, in the same order."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """The added tokens by their ids, as the tokenizers library has them."""

    def __len__(self) -> int: ...

    def convert_tokens_to_ids(self, tokens: str) -> int:
        """Id of a token."""

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Piece of an id, or pieces of many; `None` where there is none."""

    def encode(
        self, text: str, *, add_special_tokens: bool = ..., split_special_tokens: bool = ...
    ) -> list[int]:
        """Ids of a text."""

    def decode(self, ids: list[int]) -> str:
        """Text of ids, special tokens included."""
