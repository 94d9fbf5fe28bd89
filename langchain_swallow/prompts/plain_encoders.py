"""Builds encoders that treat every text as plain text: no control token matches.

transformers' `split_special_tokens` covers only special tokens, is state of a shared object, and
still allows a merge or a user-defined piece to produce a control token. Here the control tokens are
removed from a copy of the tokenizer, so no text can produce one, whatever the normalizer does.
"""

import json
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.prompts.control_tokens import is_control_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Encoder = Callable[[str], list[int]]

# Texts that two encoders of one vocabulary encode equally. They contain no runs of spaces and no
# leading space, because transformers 5 encodes those differently from SentencePiece, which is the
# reference.
_PROBES = ("a", "東京は日本の首都です。", "The quick brown fox: 0123\n一①㈱ﾊﾝ薔🍣")


def without_control_tokens(backend: "Tokenizer", control_texts: Collection[str]) -> "Tokenizer":
    """Return a tokenizer without control tokens; all other tokens keep their ids.

    Args:
        backend: A fast tokenizer.
        control_texts: Texts of the control tokens; the unknown token stays in the vocabulary.
    """
    plain = _sharing_model(backend, control_texts) or _renamed(backend, control_texts)
    _always_prefix(plain)
    return plain


def _sharing_model(backend: "Tokenizer", control_texts: Collection[str]) -> "Tokenizer | None":
    """Return the same model without added tokens; `None` if its vocabulary can produce control
    tokens.

    The vocabulary is not copied, which would take seconds for 260,000 tokens.
    """
    from tokenizers import Tokenizer

    model = backend.model
    if any(_makes(text, model) for text in control_texts):
        return None
    plain = Tokenizer(model)
    if backend.normalizer is not None:
        plain.normalizer = backend.normalizer
    if backend.pre_tokenizer is not None:
        plain.pre_tokenizer = backend.pre_tokenizer
    added = backend.get_added_tokens_decoder().items()
    white = {i: token for i, token in added if token.content not in control_texts}
    plain.add_tokens(list(white.values()))
    return plain if all(plain.token_to_id(t.content) == i for i, t in white.items()) else None


def _makes(token: str, model: Any) -> bool:
    """Whether a model produces a token from the token's own text.

    If it does not, no text produces the token: merges within a token do not depend on its context,
    and a segmentation that scores better than the token does so everywhere.
    """
    token_id = model.token_to_id(token)
    return token_id is not None and any(piece.id == token_id for piece in model.tokenize(token))


def _renamed(backend: "Tokenizer", control_texts: Collection[str]) -> "Tokenizer":
    """Return a copy in which control tokens have names that no text contains, so all ids stay."""
    from tokenizers import Tokenizer

    data = json.loads(backend.to_str())
    secret = secrets.token_hex(16)
    names = {text: f"\0{secret}-{i}\0" for i, text in enumerate(sorted(control_texts))}
    for token in data["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    _rename(data["model"], names)
    data |= {"truncation": None, "padding": None, "post_processor": None}
    return Tokenizer.from_str(json.dumps(data))


def _rename(model: dict[str, Any], names: dict[str, str]) -> None:
    """Rename control tokens in a model's vocabulary, and drop the merges that produce them."""
    unknown = model.get("unk_token")
    names = {text: name for text, name in names.items() if text != unknown}
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(piece, piece): i for piece, i in vocab.items()}
    else:
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocab]
    if "merges" in model:
        control = {*names, unknown}
        pairs = (m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"])
        model["merges"] = [
            [left, right]
            for left, right in pairs
            if control.isdisjoint((left, right, left + right))
        ]


def _always_prefix(tokenizer: "Tokenizer") -> None:
    """Add SentencePiece's leading `▁` also to texts that start with a space.

    transformers 5 implements SentencePiece's rule with `Metaspace`, which omits it there.
    """
    from tokenizers import normalizers, pre_tokenizers

    rule: Any = tokenizer.pre_tokenizer
    is_rule = isinstance(rule, pre_tokenizers.Metaspace) and not rule.split
    if is_rule and rule.prepend_scheme != "never" and tokenizer.normalizer is None:
        space = rule.replacement
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend(space), normalizers.Replace(" ", space)]
        )
        # An empty sequence, because a pre-tokenizer cannot be removed.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([])


class SentencePieceModel:
    """Reads `tokenizer.model` with SentencePiece's library, the reference for runs of spaces.

    Args:
        path: The path of the file.
        adds_prefix: Whether a text gets SentencePiece's leading `▁`, if the file enables it.
            Default: true.

    `added` maps ids of control and user-defined pieces to (text, whether it is special).

    Raises:
        ValueError: The file is not a SentencePiece model.
    """

    def __init__(self, path: Path, *, adds_prefix: bool = True) -> None:
        from google.protobuf.message import DecodeError
        from sentencepiece import SentencePieceProcessor
        from sentencepiece.sentencepiece_model_pb2 import ModelProto

        proto: Any = ModelProto()
        try:
            proto.ParseFromString(path.read_bytes())
            proto.normalizer_spec.add_dummy_prefix &= adds_prefix
            self.added = self._separate(proto)
            self.processor = SentencePieceProcessor(model_proto=proto.SerializeToString())
        except (DecodeError, RuntimeError) as error:
            raise ValueError(f"{str(path)!r} is not a SentencePiece model: {error}") from error

    @staticmethod
    def _separate(proto: Any) -> dict[int, tuple[str, bool]]:
        """Make user-defined pieces control pieces, which SentencePiece finds in no text."""
        kinds = type(proto.pieces.add())
        del proto.pieces[-1]
        added = {}
        for i, piece in enumerate(proto.pieces):
            if piece.type in (kinds.CONTROL, kinds.USER_DEFINED):
                added[i] = (str(piece.piece), piece.type == kinds.CONTROL)
            if piece.type == kinds.USER_DEFINED and is_control_text(piece.piece):
                piece.type = kinds.CONTROL
        return added

    def encode(self, text: str) -> list[int]:
        """Return the ids of a plain text."""
        return list(self.processor.EncodeAsIds(text))


def load_sentencepiece(path: Path, encode: Encoder, **options: bool) -> SentencePieceModel | None:
    """Return the model of a file if it has the same vocabulary as another encoder.

    Args:
        path: The path of `tokenizer.model`, which may not exist.
        encode: The other encoder.
        **options: Passed to `SentencePieceModel`.
    """
    if not path.is_file():
        return None
    try:
        model = SentencePieceModel(path, **options)
    except ValueError:  # tiktoken files have the same name
        return None
    return model if is_same_vocabulary(model.encode, encode) else None


def is_same_vocabulary(one: Encoder, other: Encoder) -> bool:
    """Whether two encoders give the same ids for sample texts without runs of spaces."""
    return all(one(text) == other(text) for text in _PROBES)
