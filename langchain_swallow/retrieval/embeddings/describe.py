"""What an index records of an embedding model, and a warning where its prompts are missing."""

import warnings
from collections.abc import Mapping
from typing import Any

from langchain_core.embeddings import Embeddings

from langchain_swallow.retrieval.embeddings.prompts import (
    RetrievalPrompts,
    choose_prompts,
    known_prompts,
)


def describe_embedding_model(embedding: Embeddings) -> dict[str, str]:
    """Class, model and prefixes of an embedding model, by which an index recognizes it.

    The prefixes are the attributes `query_prefix` and `passage_prefix`, or the prompts that
    `HuggingFaceEmbeddings` passes to sentence-transformers. Of other classes, none are recorded.
    """
    names = ("model", "model_name", "query_prefix", "passage_prefix")
    values = {name: getattr(embedding, name, None) for name in names}
    if used := _prompts_in_use(embedding):
        values |= {"query_prefix": used.query, "passage_prefix": used.passage}
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    return {"class": type(embedding).__name__, **known}


def warn_without_prompts(embedding: Embeddings) -> None:
    """Warn where a model that was trained with prompts is used without them.

    A class with an attribute `query_prefix`, or `query_instruction` as in langchain-community, is
    trusted to add it.
    """
    name = getattr(embedding, "model", None) or getattr(embedding, "model_name", None)
    is_trusted = hasattr(embedding, "query_prefix") or hasattr(embedding, "query_instruction")
    if is_trusted or not isinstance(name, str):
        return
    encoder = _sentence_transformer(embedding)
    expected = known_prompts(name) or (
        choose_prompts(encoder.prompts, encoder.default_prompt_name) if encoder else None
    )
    used = _prompts_in_use(embedding) or RetrievalPrompts("", "")
    if expected is None or not (
        _is_missing(used.query, expected.query, expected.passage)
        or _is_missing(used.passage, expected.passage, expected.query)
    ):
        return
    how = (
        f"or pass encode_kwargs={{'prompt': {expected.passage!r}}} and "
        f"query_encode_kwargs={{'prompt': {expected.query!r}}}."
        if encoder
        else "or add them in your class and give it the attributes query_prefix and passage_prefix."
    )
    warnings.warn(
        f"{type(embedding).__name__} is used with the model {name!r}, which was trained with "
        f"{expected.query!r} before questions and {expected.passage!r} before documents, but "
        f"adds {used.query!r} and {used.passage!r}. The ranking gets worse without an error. Use "
        f"SwallowEmbeddings({name!r}), {how}",
        stacklevel=3,
    )


def _is_missing(used: str, expected: str, others: str) -> bool:
    """Whether no prompt is used, or that of the other side; any other is the user's choice."""
    return used != expected and used in ("", others)


def _prompts_in_use(embedding: Embeddings) -> RetrievalPrompts | None:
    """The prompts that LangChain's `HuggingFaceEmbeddings` adds; `None` for other classes."""
    encoder = _sentence_transformer(embedding)
    if encoder is None:
        return None
    for_passages = getattr(embedding, "encode_kwargs", {})
    for_queries = getattr(embedding, "query_encode_kwargs", {}) or for_passages
    return RetrievalPrompts(_prompt(encoder, for_queries), _prompt(encoder, for_passages))


def _prompt(encoder: Any, options: Mapping[str, Any]) -> str:
    """The prompt that `encode` of sentence-transformers adds with these options."""
    if (prompt := options.get("prompt")) is not None:
        return str(prompt)
    name = options.get("prompt_name") or encoder.default_prompt_name
    return encoder.prompts.get(name) or ""


def _sentence_transformer(embedding: Embeddings) -> Any:
    """The model inside LangChain's `HuggingFaceEmbeddings`; `None` for other classes."""
    encoder = getattr(embedding, "_client", None)
    return encoder if isinstance(getattr(encoder, "prompts", None), dict) else None
