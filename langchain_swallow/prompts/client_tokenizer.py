"""Loads a checkpoint's tokenizer from its files, without transformers, which loads torch.

The client of a server and the engine in this process both use it, so they get the same ids.

It reads the files of a hub repository: `tokenizer.json` with the tokenizers library, or
SentencePiece's `tokenizer.model`, and `tokenizer_config.json` for the special tokens and the chat
template. If both files exist and have the same vocabulary, SentencePiece encodes the texts. It
implements the part of transformers' interface that `prompts` and `detokenizer` use.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.errors import ModelUnavailableError
from langchain_swallow.prompts.chat_template import render_hidden
from langchain_swallow.prompts.control_tokens import ControlToken, control_pattern, control_tokens
from langchain_swallow.prompts.hidden_text import reveal
from langchain_swallow.prompts.plain_encoders import (
    Encoder,
    SentencePieceModel,
    load_sentencepiece,
    without_control_tokens,
)
from langchain_swallow.text.surrogates import replace_surrogates

if TYPE_CHECKING:
    from tokenizers import AddedToken

_FILES = [
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "*.jinja",
]
_ADDED_OPTIONS = ("special", "normalized", "lstrip", "rstrip", "single_word")


def load_client_tokenizer(model: str, **hub: Any) -> "ClientTokenizer":
    """Load the tokenizer of a local folder or a hub repository.

    Args:
        model: A folder or a hub id.
        **hub: `revision`, `cache_dir`, `local_files_only`, `token`, as in huggingface_hub.

    Raises:
        ModelUnavailableError: The files are not available.
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
    """Converts text to token ids of one checkpoint and back.

    Args:
        folder: A folder with `tokenizer.json` or `tokenizer.model`, and `tokenizer_config.json`.

    Raises:
        ModelUnavailableError: Neither file exists, or one cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._config = _read_json(folder / "tokenizer_config.json")
        if "AutoTokenizer" in self._config.get("auto_map", {}):
            raise ModelUnavailableError(
                f"The tokenizer of {str(folder)!r} needs its own Python code. Pass tokenizer= with "
                "a folder that has a tokenizer.json or tokenizer.model and no auto_map."
            )
        named = {**_read_json(folder / "special_tokens_map.json"), **self._config}
        if (folder / "tokenizer.json").is_file():
            self._backend: _JsonBackend | _SentencePieceBackend = _JsonBackend(folder)
        elif (folder / "tokenizer.model").is_file():
            self._backend = _SentencePieceBackend(folder, self._config)
        else:
            raise ModelUnavailableError(
                f"{str(folder)!r} has neither tokenizer.json nor tokenizer.model. Pass tokenizer= "
                "with a folder that has one."
            )
        self._size = len(self._backend)
        self._names = {**self._backend.defaults, **_special_tokens(named)}
        self.chat_template = _chat_template(folder, self._config.get("chat_template"))
        self.bos_token, self.bos_token_id = self._named("bos_token")
        self.eos_token, self.eos_token_id = self._named("eos_token")
        self.unk_token, self.unk_token_id = self._named("unk_token")

    def __len__(self) -> int:
        return self._size

    @cached_property
    def all_special_tokens(self) -> list[str]:
        """Texts of all special tokens."""
        special = (token.content for token in self.added_tokens_decoder.values() if token.special)
        return sorted({*self._names.values(), *special})

    @cached_property
    def all_special_ids(self) -> list[int]:
        """Ids of all special tokens."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    @property
    def added_tokens_decoder(self) -> "dict[int, AddedToken]":
        """All added tokens, special or not, by id."""
        return self._backend.added

    @cached_property
    def plain_encoder(self) -> Encoder:
        """Encodes text to ids, none of which is a control token."""
        return self._backend.plain_encoder(control_tokens(self))

    @property
    def backend_tokenizer(self) -> Any:
        """The tokenizers library's object; `None` for a SentencePiece file."""
        return self._backend.tokenizer

    def convert_tokens_to_ids(self, tokens: str) -> int:
        """Return the id of a token."""
        return self._backend.token_to_id(tokens)

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Return the piece of an id, or the pieces of several; `None` for unknown ids."""
        if isinstance(ids, int):
            return self._backend.id_to_token(ids)
        return [self._backend.id_to_token(i) for i in ids]

    def encode(
        self, text: str, *, add_special_tokens: bool = False, split_special_tokens: bool = True
    ) -> list[int]:
        """Return the ids of a text, without BOS.

        Args:
            text: Any text.
            add_special_tokens: Must be false, because prompt formats write the special tokens.
            split_special_tokens: Whether to encode control tokens in the text as plain text.
                Default: true.
        """
        if add_special_tokens:
            raise ValueError(
                "add_special_tokens=True is not supported, because prompt formats write the "
                "special tokens. Leave it out."
            )
        text = replace_surrogates(text)
        if split_special_tokens:
            return self.plain_encoder(text)
        return self._backend.encode(text, control_tokens(self))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of ids, which may be a tensor."""
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return self._backend.decode([i for i in map(int, ids) if i not in skipped])

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Special tokens by role, as templates read them."""
        return dict(self._names)

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        **arguments: Any,
    ) -> str:
        """Return the conversation as text, written by the checkpoint's chat template.

        Args:
            messages: Messages as transformers takes them.
            tokenize: Must be false: `prompts.encode` keeps the texts of messages apart.
            add_generation_prompt: Whether to append the header of an answer. Default: false.
            **arguments: Other arguments of the template: `tools`, `documents`, `enable_thinking`,
            ….

        Raises:
            PromptError: The template does not accept the conversation.
        """
        if tokenize:
            raise ValueError(
                "tokenize=True is not supported. Leave it out to get the text, or get ids from "
                "langchain_swallow.prompts.encode()."
            )
        arguments |= {"add_generation_prompt": add_generation_prompt}
        with_content = [
            {**message, "content": message.get("content") or ""} for message in messages
        ]
        return reveal(render_hidden(with_content, self, arguments).prompt)

    def _named(self, role: str) -> tuple[str | None, int | None]:
        """Return a special token and its id."""
        token = self._names.get(role)
        try:
            return token, None if token is None else self.convert_tokens_to_ids(token)
        except KeyError:
            raise ModelUnavailableError(
                f"The tokenizer's {role} is {token!r}, which its vocabulary does not have. "
                "Download its files again."
            ) from None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ModelUnavailableError:
    return ModelUnavailableError(f"{str(path)!r} cannot be read: {error}. Download it again.")


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    """Return special tokens by role: `bos_token`, `eos_token`, `pad_token`, …"""
    tokens = {role: token for role, token in config.items() if role.endswith("_token") and token}
    texts = {r: t.get("content") if isinstance(t, dict) else t for r, t in tokens.items()}
    return {role: text for role, text in texts.items() if isinstance(text, str)}


def _chat_template(folder: Path, configured: Any) -> str | dict[str, str] | None:
    """Return a folder's chat template, or several by name, as transformers reads them."""
    named = {path.stem: path for path in (folder / "additional_chat_templates").glob("*.jinja")}
    if (single := folder / "chat_template.jinja").is_file():
        named["default"] = single
    if named:
        written = {name: path.read_text("utf-8") for name, path in named.items()}
        return written if written.keys() != {"default"} else written["default"]
    if isinstance(configured, list):
        return {entry["name"]: entry["template"] for entry in configured}
    return configured or None


class _JsonBackend:
    """Reads `tokenizer.json` with the tokenizers library."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self.tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no more specific class
            raise _damaged(path, error) from error
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.added: dict[int, AddedToken] = self.tokenizer.get_added_tokens_decoder()
        self.defaults: dict[str, str] = {}
        self._model_file = folder / "tokenizer.model"

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def plain_encoder(self, controls: Collection[str]) -> Encoder:
        plain = without_control_tokens(self.tokenizer, controls)

        def encode(text: str) -> list[int]:
            return list(plain.encode(text, add_special_tokens=False).ids)

        model = load_sentencepiece(self._model_file, encode)
        return model.encode if model else encode

    def encode(self, text: str, controls: dict[str, ControlToken]) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def token_to_id(self, token: str) -> int:
        token_id = self.tokenizer.token_to_id(token)
        if token_id is None:
            raise KeyError(token)
        return int(token_id)

    def id_to_token(self, token_id: int) -> str | None:
        piece: str | None = self.tokenizer.id_to_token(token_id)
        return piece


class _SentencePieceBackend:
    """Reads `tokenizer.model` as transformers' Llama tokenizer does."""

    tokenizer = None

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        try:
            self._model = SentencePieceModel(folder / "tokenizer.model")
        except ValueError as error:
            raise _damaged(folder / "tokenizer.model", error) from error
        self._pieces = self._model.processor
        ids = {
            "bos_token": self._pieces.bos_id(),
            "eos_token": self._pieces.eos_id(),
            "unk_token": self._pieces.unk_id(),
        }
        self.defaults = {r: self._pieces.IdToPiece(i) for r, i in ids.items() if i >= 0}
        self.added = self._added_tokens(folder, config)
        self._ids = {token.content: i for i, token in self.added.items()}
        # transformers 5's default without a configuration.
        is_llama = str(config.get("tokenizer_class", "")).startswith("Llama")
        self._prefixes_segments = bool(config.get("legacy", not is_llama))

    def _added_tokens(self, folder: Path, config: dict[str, Any]) -> "dict[int, AddedToken]":
        """Return the model's control and user-defined pieces, and tokens that were added later."""
        from tokenizers import AddedToken

        added = {
            i: AddedToken(text, special=special, normalized=False)
            for i, (text, special) in self._model.added.items()
        }
        for text, i in _read_json(folder / "added_tokens.json").items():
            added[i] = AddedToken(text, special=False, normalized=False)
        for key, token in config.get("added_tokens_decoder", {}).items():
            options = {name: value for name, value in token.items() if name in _ADDED_OPTIONS}
            added[int(key)] = AddedToken(token["content"], **options)
        return added

    def __len__(self) -> int:
        return max(int(self._pieces.GetPieceSize()), max(self.added, default=-1) + 1)

    def plain_encoder(self, controls: Collection[str]) -> Encoder:
        return self._model.encode

    def encode(self, text: str, controls: dict[str, ControlToken]) -> list[int]:
        ids: list[int] = []
        start = 0
        pattern = control_pattern(t for t in controls.values() if t.text in text)
        for match in pattern.finditer(text) if pattern else ():
            ids += self._segment(text[start : match.start()], is_first=not ids)
            ids.append(self.token_to_id(match[0] if match[0] in controls else match[0].strip()))
            start = match.end()
        return ids + self._segment(text[start:], is_first=not ids)

    def _segment(self, text: str, *, is_first: bool) -> list[int]:
        if not text:
            return []
        if is_first or self._prefixes_segments:
            return self._model.encode(text)
        return self._model.encode(f"\n{text}")[len(self._model.encode("\n")) :]

    def decode(self, ids: list[int]) -> str:
        parts: list[str] = []
        run: list[int] = []
        for i in [*ids, None]:
            if i is not None and i not in self.added:
                run.append(i)
                continue
            parts += [self._pieces.DecodeIds(run)] if run else []
            parts += [] if i is None else [self.added[i].content]
            run = []
        return "".join(parts)

    def token_to_id(self, token: str) -> int:
        if token in self._ids:
            return self._ids[token]
        token_id = int(self._pieces.PieceToId(token))
        if token_id == self._pieces.unk_id() and token != self.defaults.get("unk_token"):
            raise KeyError(token)
        return token_id

    def id_to_token(self, token_id: int) -> str | None:
        if token_id in self.added:
            return str(self.added[token_id].content)
        inside = 0 <= token_id < self._pieces.GetPieceSize()
        return str(self._pieces.IdToPiece(token_id)) if inside else None
