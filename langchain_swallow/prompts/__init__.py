"""Prompt formats: the only package that writes `[INST]` and tokenizes prompts."""

from langchain_swallow.prompts.chat_template import Message, template_reads
from langchain_swallow.prompts.control_text import OnControlText
from langchain_swallow.prompts.formats import (
    ROLES,
    Turn,
    encode,
    encode_instruction,
    encode_markup,
    fold_turns,
    render,
    render_instruction,
)
from langchain_swallow.prompts.tokenization import drops_first_space, encode_inside, encode_text

__all__ = [
    "ROLES",
    "Message",
    "OnControlText",
    "Turn",
    "drops_first_space",
    "encode",
    "encode_inside",
    "encode_instruction",
    "encode_markup",
    "encode_text",
    "fold_turns",
    "render",
    "render_instruction",
    "template_reads",
]
