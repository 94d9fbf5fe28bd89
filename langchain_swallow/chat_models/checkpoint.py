"""Derives prompt format, sampling and context window from a checkpoint.

The catalog has them for its models. For others, they come from the tokenizer's chat template or the
folder's `config.json`.
"""

import json
import re
from pathlib import Path

from langchain_swallow.catalog import (
    DEMO,
    GPT_OSS_SAMPLING,
    GREEDY,
    QWEN3_SAMPLING,
    PromptFormat,
    Sampling,
    Thinking,
    chat_model_info,
)
from langchain_swallow.errors import BaseModelError, PromptError
from langchain_swallow.prompts import render, template_reads
from langchain_swallow.prompts.tokenizer import Tokenizer

_SAMPLING = {None: GREEDY, "think_tag": QWEN3_SAMPLING, "harmony": GPT_OSS_SAMPLING}
# Template arguments that switch thoughts on and off: Qwen3's, and DeepSeek's and Granite's.
_SWITCHES = frozenset({"enable_thinking", "thinking"})


def resolve_prompt_format(
    model: str, tokenizer: Tokenizer, *, is_passed: bool = False
) -> PromptFormat:
    """Return the prompt format of a model.

    Args:
        model: Name of the model; a folder may have the name of a checkpoint in the catalog.
        tokenizer: The model's tokenizer.
        is_passed: Whether the user has passed the engine, which then needs no template. Default:
            false.

    Raises:
        BaseModelError: The model is not in the catalog, and its tokenizer has no chat template.
    """
    if model == DEMO:
        return "ver0.1"
    if info := chat_model_info(model, by_folder_name=True):
        return info.prompt_format or "ver0.1"
    if getattr(tokenizer, "chat_template", None):
        return "tokenizer"
    if is_passed:
        return "ver0.1"
    raise BaseModelError(
        f"The tokenizer of {model!r} has no chat template, so it may be a base model. Use "
        "an instruct model, pass tokenizer= with a tokenizer that has a template, or, if the model "
        'was tuned on one of these formats, pass prompt_format="ver0.1" or "alpaca".'
    )


def resolve_thinking(
    model: str, tokenizer: Tokenizer, *, reasoning: bool | None = None
) -> Thinking | None:
    """Return how a model with a chat template thinks; `None` if it does not.

    A model outside of the catalog thinks if its chat template has a switch for thoughts or opens
    one. A template that only removes thoughts from earlier answers may belong to a model that does
    not think: such a model thinks only if `reasoning` is true.

    Args:
        model: Name of the model.
        tokenizer: The model's tokenizer.
        reasoning: The option `reasoning`; `None`, the default, if it is not set.
    """
    if model == DEMO:
        return None
    if info := chat_model_info(model, by_folder_name=True):
        return info.thinking
    template = str(getattr(tokenizer, "chat_template", None) or "")
    if "<|channel|>" in template:
        return "harmony"
    if re.search("</?think>", template) and (reasoning or _thinks_unasked(tokenizer)):
        return "think_tag"
    return None


def _thinks_unasked(tokenizer: Tokenizer) -> bool:
    """Whether a chat template has a switch for thoughts, or opens one in a prompt."""
    if not _SWITCHES.isdisjoint(template_reads(tokenizer)):
        return True
    try:
        return "<think>" in render([("user", "a")], format="tokenizer", tokenizer=tokenizer)
    except PromptError:  # the template requires other messages
        return False


def default_sampling(
    model: str, tokenizer: Tokenizer, *, reasoning: bool | None = None
) -> Sampling:
    """Return a model's default sampling: greedy, unless it thinks (see `resolve_thinking`)."""
    try:
        info = None if model == DEMO else chat_model_info(model, by_folder_name=True)
    except BaseModelError:
        # A fine-tuned model under its base model's name, with an explicit prompt format.
        return GREEDY
    if info:
        return info.default_sampling
    return _SAMPLING[resolve_thinking(model, tokenizer, reasoning=reasoning)]


def folder_context_window(model: str) -> int | None:
    """Return the context window in a folder's `config.json`; `None` if it has none."""
    try:
        config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
        window = config.get("text_config", config).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return None
    return window if isinstance(window, int) and window > 0 else None
