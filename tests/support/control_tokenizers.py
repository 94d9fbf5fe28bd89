"""Tokenizers of every kind with added tokens, special and not."""

import functools
import json
import tempfile
from pathlib import Path

from sentencepiece import sentencepiece_model_pb2
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from tests.support.tokenizers import CORPUS, mistral_folder, mistral_tokenizer

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


# As Qwen3's: not special, and control the model all the same.
OTHERS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "<|fim|>"]


# As Harmony's, Llama 3's and Gemma's; and such as take the white space beside them.
MORE = ["<|channel|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "制御", "[TOOL_CALLS]"]


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)


@functools.cache
def folder_of(name):
    """A folder that stays until the process ends."""
    folder = tempfile.TemporaryDirectory(prefix=name)
    _kept.append(folder)
    return Path(folder.name)


_kept = []


def _added(tokenizer):
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIALS])
    plain = [AddedToken(t, special=False, normalized=False) for t in OTHERS]
    tokenizer.add_tokens([*plain, AddedToken("\n\n", special=False, normalized=False)])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=True) for t in MORE])
    wide = AddedToken("<|wide|>", special=True, lstrip=True, rstrip=True, normalized=False)
    tokenizer.add_tokens([wide, AddedToken("<|word|>", special=False, single_word=True)])


def _save(backend, name, **config):
    folder = folder_of(name)
    backend.save(str(folder / "tokenizer.json"))
    config |= {"bos_token": SPECIALS[0], "eos_token": SPECIALS[2], "chat_template": CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


@functools.cache
def qwen3_folder():
    """Byte-level BPE with added tokens that are not special; no BOS of its own in a prompt."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    # Texts of control tokens are in the corpus, so that merges lead to their pieces.
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([*CORPUS, *[t * 3 for t in (*OTHERS, *MORE)] * 30], trainer)
    _added(backend)
    return _save(backend, "qwen3")


@functools.cache
def folding_folder():
    """Unicode BPE under NFKC and lower case: full-width texts become those of the tokens."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Metaspace()
    pieces = ["<unk>", *[f"<0x{i:02X}>" for i in range(256)]]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=pieces, show_progress=False)
    backend.train_from_iterator([*CORPUS, *[t * 3 for t in (*OTHERS, *MORE)] * 30], trainer)
    # The trainer made added tokens of the bytes.
    backend = Tokenizer.from_str(json.dumps(json.loads(backend.to_str()) | {"added_tokens": []}))
    _added(backend)
    return _save(backend, "folding", unk_token="<unk>")


@functools.cache
def gemma_folder():
    """`tokenizer.model` alone, whose control tokens are user-defined pieces, as Gemma's."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((mistral_folder() / "tokenizer.model").read_bytes())
    kinds = type(proto.pieces[0])
    for text in (*SPECIALS, *OTHERS, *MORE, "▁▁▁"):
        kind = kinds.CONTROL if text in SPECIALS else kinds.USER_DEFINED
        known = [piece for piece in proto.pieces if piece.piece == text]
        piece = known[0] if known else proto.pieces.add()
        piece.piece, piece.score, piece.type = text, 0.0, kind
    folder = folder_of("gemma")
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    config = {"bos_token": "<s>", "eos_token": "<|im_end|>", "chat_template": CHATML}
    config |= {"tokenizer_class": "LlamaTokenizer", "legacy": True}
    # Beyond the model's own pieces.
    config["added_tokens_decoder"] = {
        str(len(proto.pieces)): {"content": "<|later|>", "special": False, "normalized": True}
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


@functools.cache
def fast(make):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(make() / "tokenizer.json"))
    config = json.loads((make() / "tokenizer_config.json").read_text("utf-8"))
    tokenizer.bos_token, tokenizer.eos_token = config["bos_token"], config["eos_token"]
    tokenizer.unk_token = config.get("unk_token")
    tokenizer.chat_template = CHATML
    return tokenizer


@functools.cache
def client(make):
    return ClientTokenizer(make())


@functools.cache
def slow():
    """A tokenizer written in Python, which finds control tokens by itself."""
    tokenizer = ByT5Tokenizer(extra_ids=3)
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"})
    tokenizer.add_tokens([AddedToken(t, special=False) for t in OTHERS])
    tokenizer.chat_template = CHATML
    return tokenizer


@functools.cache
def sentencepiece_fast():
    tokenizer = mistral_tokenizer()
    tokenizer.add_tokens([AddedToken(t, special=False) for t in [*OTHERS, "<|im_start|>"]])
    tokenizer.add_tokens([AddedToken("<|im_end|>", special=True)])
    tokenizer.chat_template = CHATML
    return tokenizer


class SlowSentencePiece(SentencePieceBackend):
    """As transformers' own that have no fast form."""

    vocab_files_names = {"vocab_file": "tokenizer.model"}  # noqa: RUF012

    def __init__(self, vocab_file, **options):
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        super().__init__(vocab_file=vocab_file, legacy=True, **names, **options)


@functools.cache
def sentencepiece_slow():
    tokenizer = SlowSentencePiece(str(mistral_folder() / "tokenizer.model"))
    tokenizer.add_tokens([*OTHERS, "<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    return tokenizer
