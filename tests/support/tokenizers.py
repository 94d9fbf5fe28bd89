"""Real tokenizers to test with: Llama 2's if at hand, Mistral's from PyPI, trained ones."""

import functools
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from tests.support.paths import SHARED

LLAMA2 = SHARED / "data" / "llama2_tokenizer"

# Enough text for a small vocabulary with kana, kanji, ASCII and the markers' own pieces.
CORPUS = [
    "東京工業大学の主なキャンパスについて教えてください。",
    "あなたは誠実で優秀な日本人のアシスタントです。",
    "[INST] <<SYS>> 指示 <</SYS>> 入力 [/INST] 応答 ### 指示: ### 応答:",
    "The quick brown fox jumps over the lazy dog. 0123456789",
    "有給休暇は入社半年後に10日付与する。会議室は3階にあります。",
] * 40


@functools.cache
def llama2_tokenizer():
    return AutoTokenizer.from_pretrained(LLAMA2)


@functools.cache
def mistral_tokenizer():
    """The SentencePiece model of Mistral 7B v0.1, which mistral-common ships."""
    return LlamaTokenizer.from_pretrained(mistral_folder(), legacy=True)


@functools.cache
def mistral_folder():
    """A folder with its `tokenizer.model` alone, which stays until the process ends."""
    folder = Path(_kept("mistral").name)
    model = files("mistral_common") / "data" / "tokenizer.model.v1"
    (folder / "tokenizer.model").write_bytes(model.read_bytes())
    config = {"tokenizer_class": "LlamaTokenizer", "legacy": True}
    config |= {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


@functools.cache
def _kept(name):
    return tempfile.TemporaryDirectory(prefix=name)


@functools.cache
def trained_tokenizer():
    """SentencePiece BPE with byte fallback, as Swallow's, trained here."""
    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS),
            model_prefix=f"{folder}/tokenizer",
            vocab_size=600,
            model_type="bpe",
            byte_fallback=True,
            character_coverage=0.98,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            minloglevel=2,
        )
        return LlamaTokenizer.from_pretrained(folder, legacy=True)


@functools.cache
def modern_tokenizer():
    """The same with `legacy=False`: no `▁` after a special token."""
    made = trained_tokenizer()
    backend = Tokenizer.from_str(made.backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@functools.cache
def byte_level_tokenizer():
    """Byte-level BPE with Llama 3's special tokens, trained here."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=specials[0], eos_token=specials[1]
    )


_LLAMA2 = pytest.param(
    llama2_tokenizer,
    id="llama2",
    marks=pytest.mark.skipif(
        not LLAMA2.is_dir(), reason="the Llama 2 tokenizer is not beside this checkout"
    ),
)
TOKENIZERS = [
    pytest.param(trained_tokenizer, id="trained"),
    pytest.param(modern_tokenizer, id="trained, not legacy"),
    pytest.param(mistral_tokenizer, id="mistral"),
    _LLAMA2,
]
