"""Small tokenizers with the shape, the added tokens and the template of each family of models."""

import functools
import json
from dataclasses import dataclass

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from tests.support.chat_templates import GEMMA2, GEMMA3, GPT_OSS, LLAMA2, LLAMA31, QWEN3
from tests.support.control_tokenizers import folder_of
from tests.support.tokenizers import CORPUS, mistral_folder
from tests.support.tokenizers import LLAMA2 as LLAMA2_FOLDER

_QWEN3 = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|vision_start|>"]
_QWEN3_PLAIN = [
    f"<{slash}{name}>" for name in ("tool_call", "tool_response", "think") for slash in ("", "/")
]
_HARMONY = [
    *("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>"),
    *("<|start|>", "<|end|>", "<|message|>", "<|call|>", "<|reserved_200000|>"),
]
_LLAMA3 = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eom_id|>", "<|eot_id|>", "<|python_tag|>", "<|reserved_special_token_0|>"),
]
_GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
_GEMMA_PLAIN = ["[multimodal]", "<unused0>", "<table>", "</table>", "\n\n", "▁▁", "▁▁▁"]


@dataclass(frozen=True)
class Family:
    """A tokenizer as transformers has it, the client's of the same files, and a few facts.

    Args:
        oracle: transformers' tokenizer.
        client: Ours.
        takes_tools: Whether the template writes tools, their calls and results.
    """

    oracle: PreTrainedTokenizerFast
    client: ClientTokenizer
    takes_tools: bool

    @property
    def tokenizers(self):
        return self.oracle, self.client


def _corpus(tokens):
    # The tokens' texts, so that merges lead to their pieces.
    return [*CORPUS, *[token * 3 for token in tokens] * 30]


def _byte_level(tokens):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(_corpus(tokens), trainer)
    return backend


def _gemma(tokens):
    """As Gemma's tokenizer.json: spaces are `▁`, and what is unknown becomes bytes."""
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    pieces = ["<unk>", *[f"<0x{i:02X}>" for i in range(256)]]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=pieces, show_progress=False)
    backend.train_from_iterator(_corpus(tokens), trainer)
    # The trainer made added tokens of the bytes.
    return Tokenizer.from_str(json.dumps(json.loads(backend.to_str()) | {"added_tokens": []}))


def _family(name, backend, special, plain, template, *, bos, eos, takes_tools):
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    backend.add_tokens([AddedToken(t, special=False, normalized=False) for t in plain])
    folder = folder_of(name)
    backend.save(str(folder / "tokenizer.json"))
    names = {"bos_token": bos, "eos_token": eos}
    config = {k: v for k, v in names.items() if v} | {"chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    oracle = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), chat_template=template, **names
    )
    return Family(oracle, ClientTokenizer(folder), takes_tools)


@functools.cache
def qwen3():
    backend = _byte_level([*_QWEN3, *_QWEN3_PLAIN])
    options = {"bos": None, "eos": "<|im_end|>", "takes_tools": True}
    return _family("family-qwen3", backend, _QWEN3, _QWEN3_PLAIN, QWEN3, **options)


@functools.cache
def gpt_oss():
    options = {"bos": "<|startoftext|>", "eos": "<|return|>", "takes_tools": True}
    return _family("family-gpt-oss", _byte_level(_HARMONY), _HARMONY, [], GPT_OSS, **options)


@functools.cache
def llama31():
    options = {"bos": "<|begin_of_text|>", "eos": "<|eot_id|>", "takes_tools": True}
    return _family("family-llama31", _byte_level(_LLAMA3), _LLAMA3, [], LLAMA31, **options)


@functools.cache
def gemma2():
    backend = _gemma([*_GEMMA, *_GEMMA_PLAIN])
    options = {"bos": "<bos>", "eos": "<eos>", "takes_tools": False}
    return _family("family-gemma2", backend, _GEMMA, _GEMMA_PLAIN, GEMMA2, **options)


@functools.cache
def gemma3():
    backend = _gemma([*_GEMMA, *_GEMMA_PLAIN])
    options = {"bos": "<bos>", "eos": "<eos>", "takes_tools": False}
    return _family("family-gemma3", backend, _GEMMA, _GEMMA_PLAIN, GEMMA3, **options)


@functools.cache
def llama2():
    """SentencePiece, and turns in `[INST]`; Mistral 7B v0.1's model where Llama 2's is missing."""
    folder = LLAMA2_FOLDER if LLAMA2_FOLDER.is_dir() else mistral_folder()
    oracle = LlamaTokenizer.from_pretrained(folder, legacy=True)
    client = ClientTokenizer(folder)
    oracle.chat_template = client.chat_template = LLAMA2
    return Family(oracle, client, False)


FAMILIES = {make.__name__: make for make in (llama2, qwen3, gpt_oss, llama31, gemma2, gemma3)}
