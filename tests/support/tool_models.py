"""Tokenizers of models that were trained on tools, with templates like the published ones."""

import copy
from pathlib import Path

from transformers import AutoTokenizer

from tests.support.thinking import harmony_folder, qwen3_folder
from tests.support.tokenizers import byte_level_tokenizer

TEMPLATES = Path(__file__).parents[1] / "data" / "chat_templates"


def _with_template(tokenizer, name):
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text("utf-8")
    return tokenizer


def hermes_tokenizer():
    """As Qwen3's."""
    return _with_template(AutoTokenizer.from_pretrained(qwen3_folder()), "qwen3")


def harmony_tools_tokenizer():
    """As gpt-oss's."""
    return _with_template(AutoTokenizer.from_pretrained(harmony_folder()), "gpt_oss")


def llama31_tokenizer():
    """As Llama 3.1's."""
    return _with_template(copy.deepcopy(byte_level_tokenizer()), "llama31")
