"""Tokenizers of models that think, with templates written anew from their documentation."""

import functools
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from tests.support.tokenizers import CORPUS

QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# As of models that cannot but think: the template opens the thought.
OPENING = QWEN3.partition("{% if enable_thinking")[0] + "<think>\n{% endif %}"
# As of models that think if they are told to.
CLOSING = (
    QWEN3.partition("{% if enable_thinking")[0]
    + "{% if thinking %}<think>\n{% else %}</think>{% endif %}{% endif %}"
)
HARMONY = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}\n\n"
    "# Valid channels: analysis, commentary, final.<|end|>"
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>"
    "{% else %}<|start|>{{ 'developer' if m.role == 'system' else m.role }}<|message|>"
    "{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
QWEN3_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN3_TAGS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
QWEN3_TAGS += ["<think>", "</think>"]
_HARMONY_TOKENS = ["<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>"]
_HARMONY_TOKENS += ["<|end|>", "<|message|>", "<|call|>"]


def trained(specials, others, eos, template, corpus=CORPUS):
    """A folder with a byte-level tokenizer, which stays until the process ends."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600 if corpus is CORPUS else 1000, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(corpus, trainer)
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    backend.add_tokens([AddedToken(t, special=False, normalized=False) for t in others])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=eos)
    tokenizer.chat_template = template
    folder = tempfile.TemporaryDirectory(prefix="thinking")
    _kept.append(folder)
    tokenizer.save_pretrained(folder.name)
    return Path(folder.name)


_kept = []


@functools.cache
def qwen3_folder():
    """As Qwen3's: its tags are added tokens that are not special."""
    return trained(QWEN3_TOKENS, QWEN3_TAGS, "<|im_end|>", QWEN3)


@functools.cache
def harmony_folder():
    """As gpt-oss's."""
    return trained(_HARMONY_TOKENS, [], "<|return|>", HARMONY)


def qwen3_tokenizer(template=QWEN3):
    """A client's tokenizer with a template."""
    tokenizer = ClientTokenizer(qwen3_folder())
    tokenizer.chat_template = template
    return tokenizer


def harmony_tokenizer():
    """A client's tokenizer with Harmony's tokens and channels."""
    return ClientTokenizer(harmony_folder())
