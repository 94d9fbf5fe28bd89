"""A checkpoint's tokenizer for the client of a server: without transformers, which loads torch.

Reads the files of the hub's layout: `tokenizer.json` with the tokenizers library, or
SentencePiece's `tokenizer.model`, and `tokenizer_config.json` for the special tokens and the chat
template. It has the part of transformers' interface that `prompts` and `detokenizer` use, and
gives the same ids.
"""

import json
import re
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from langchain_swallow.errors import ModelUnavailableError

_FILES = ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "*.jinja"]
_ROLES = ("bos_token", "eos_token", "unk_token")


def load_client_tokenizer(model: str, **hub: Any) -> "ClientTokenizer":
    """The tokenizer of a local folder, or of a repository of the hub.

    Args:
        model: A folder, or a hub id.
        **hub: `revision`, `cache_dir`, `local_files_only`, `token`, as in huggingface_hub.

    Raises:
        ModelUnavailableError: Its files cannot be had.
    """
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(model, allow_patterns=_FILES, **hub))
        except (OSError, ValueError) as error:
            raise ModelUnavailableError(
                f"Cannot load the tokenizer of {model!r}: {str(error).splitlines()[0]}. Pass "
                "tokenizer= with a local folder that has it."
            ) from error
    return ClientTokenizer(folder)


class ClientTokenizer:
    """Text ↔ token ids of one checkpoint.

    Args:
        folder: With `tokenizer.json` or `tokenizer.model`, and `tokenizer_config.json`.

    Raises:
        ModelUnavailableError: Neither file is there.
    """

    def __init__(self, folder: Path) -> None:
        config = folder / "tokenizer_config.json"
        self._config = json.loads(config.read_text("utf-8")) if config.is_file() else {}
        if (folder / "tokenizer.json").is_file():
            self._backend: _JsonBackend | _SentencePieceBackend = _JsonBackend(folder)
        elif (folder / "tokenizer.model").is_file():
            self._backend = _SentencePieceBackend(folder)
        else:
            raise ModelUnavailableError(
                f"{str(folder)!r} has neither tokenizer.json nor tokenizer.model. Pass tokenizer= "
                "with a folder that has one."
            )
        template = folder / "chat_template.jinja"
        written = template.read_text("utf-8") if template.is_file() else None
        self.chat_template: str | None = written or self._config.get("chat_template")

    def __len__(self) -> int:
        return len(self._backend)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Special tokens by their role."""
        named = {role: self._config.get(role) for role in _ROLES}
        written = {r: t["content"] if isinstance(t, dict) else t for r, t in named.items() if t}
        return {**self._backend.defaults, **written}

    @property
    def bos_token(self) -> str | None:
        """The token that begins a prompt."""
        return self._names.get("bos_token")

    @property
    def eos_token(self) -> str | None:
        """The token that ends an answer."""
        return self._names.get("eos_token")

    @property
    def bos_token_id(self) -> int | None:
        """Its id."""
        return self._id_of("bos_token")

    @property
    def eos_token_id(self) -> int | None:
        """Its id."""
        return self._id_of("eos_token")

    @property
    def unk_token_id(self) -> int | None:
        """Id of the unknown token."""
        return self._id_of("unk_token")

    @cached_property
    def all_special_tokens(self) -> list[str]:
        """Every special token's text."""
        return sorted({*self._names.values(), *self._backend.specials})

    @cached_property
    def all_special_ids(self) -> list[int]:
        """Every special token's id."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """None beside the special tokens."""
        return {}

    @property
    def backend_tokenizer(self) -> Any:
        """The tokenizers library's object, if it is one."""
        return self._backend.tokenizer

    def convert_tokens_to_ids(self, token: str) -> int:
        """Id of a token."""
        return self._backend.id_of(token)

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Piece of an id, or pieces of many; `None` where there is none."""
        if isinstance(ids, int):
            return self._backend.piece_of(ids)
        return [self._backend.piece_of(i) for i in ids]

    def encode(
        self, text: str, *, add_special_tokens: bool = False, split_special_tokens: bool = True
    ) -> list[int]:
        """Ids of a text, without BOS.

        Args:
            text: Any text.
            add_special_tokens: Must be false: prompts are written with their special tokens.
            split_special_tokens: Whether special tokens in the text are plain text.
        """
        if add_special_tokens:
            raise ValueError("A client's tokenizer adds no special tokens.")
        if split_special_tokens:
            return self._backend.encode(text)
        pattern = "|".join(map(re.escape, sorted(self.all_special_tokens, key=len, reverse=True)))
        return self._backend.encode_with_specials(text, pattern)

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """The conversation as the checkpoint's own template writes it, as text."""
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        return environment.from_string(self.chat_template or "").render(
            messages=messages, add_generation_prompt=add_generation_prompt, **self._names
        )

    def _id_of(self, role: str) -> int | None:
        token = self._names.get(role)
        return None if token is None else self.convert_tokens_to_ids(token)


def _raise(message: str) -> None:
    raise ValueError(message)


class _JsonBackend:
    """`tokenizer.json`, with the tokenizers library."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        path = str(folder / "tokenizer.json")
        # Which of the two is asked is state of the object, so there are two.
        self.tokenizer = Tokenizer.from_file(path)
        self._plain = Tokenizer.from_file(path)
        self._plain.encode_special_tokens = True
        added = self.tokenizer.get_added_tokens_decoder()
        self.specials = [token.content for token in added.values() if token.special]
        self.defaults: dict[str, str] = {}

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_with_specials(self, text: str, pattern: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def id_of(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return int(found)

    def piece_of(self, token_id: int) -> str | None:
        piece: str | None = self.tokenizer.id_to_token(token_id)
        return piece


class _SentencePieceBackend:
    """`tokenizer.model`, as transformers' legacy Llama tokenizer reads it."""

    tokenizer = None

    def __init__(self, folder: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        ids = {
            "bos_token": self._model.bos_id(),
            "eos_token": self._model.eos_id(),
            "unk_token": self._model.unk_id(),
        }
        self.defaults = {r: self._model.IdToPiece(i) for r, i in ids.items() if i >= 0}
        self.specials = list(self.defaults.values())

    def __len__(self) -> int:
        return int(self._model.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        # Control pieces are no text to SentencePiece: "</s>" is taken apart by itself.
        return list(self._model.EncodeAsIds(text))

    def encode_with_specials(self, text: str, pattern: str) -> list[int]:
        ids: list[int] = []
        for i, part in enumerate(re.split(f"({pattern})", text)):
            if i % 2:
                ids.append(self.id_of(part))
            elif part:
                ids += self.encode(part)
        return ids

    def id_of(self, token: str) -> int:
        return int(self._model.PieceToId(token))

    def piece_of(self, token_id: int) -> str | None:
        return str(self._model.IdToPiece(token_id)) if token_id < len(self) else None
