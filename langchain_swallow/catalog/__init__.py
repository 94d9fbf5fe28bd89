"""The checkpoints of the Swallow family, and how to find one by name."""

from langchain_swallow.catalog.lookup import (
    DEMO,
    chat_model_info,
    list_models,
    require_instruct,
    resolve_model,
    similar_models,
)
from langchain_swallow.catalog.model_info import (
    GIB,
    GREEDY,
    ORGANISATION,
    ModelInfo,
    PromptFormat,
    Sampling,
    Thinking,
    ToolForm,
)
from langchain_swallow.catalog.shape import Shape
from langchain_swallow.catalog.table import GPT_OSS_SAMPLING, QWEN3_SAMPLING

__all__ = [
    "DEMO",
    "GIB",
    "GPT_OSS_SAMPLING",
    "GREEDY",
    "ORGANISATION",
    "QWEN3_SAMPLING",
    "ModelInfo",
    "PromptFormat",
    "Sampling",
    "Shape",
    "Thinking",
    "ToolForm",
    "chat_model_info",
    "list_models",
    "require_instruct",
    "resolve_model",
    "similar_models",
]
