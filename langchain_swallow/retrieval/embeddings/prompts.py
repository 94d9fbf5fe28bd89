"""The prompts of embedding models: the text before a question, and before a document.

A model that was trained with prompts raises no error without them; it only ranks worse. Prompts
come from a table of known models, or from the file that sentence-transformers stores in a model.
"""

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_swallow.catalog import DEMO
from langchain_swallow.errors import ModelUnavailableError

logger = logging.getLogger(__name__)

_CONFIG = "config_sentence_transformers.json"


@dataclass(frozen=True, slots=True)
class RetrievalPrompts:
    """What an embedding model expects before a question, and before a document."""

    query: str
    passage: str


_NONE = RetrievalPrompts("", "")
_E5 = RetrievalPrompts("query: ", "passage: ")
_WEB_SEARCH = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)

# The longest key that the model's name starts with applies.
_KNOWN = {
    "intfloat/multilingual-e5": _E5,
    "intfloat/multilingual-e5-large-instruct": RetrievalPrompts(f"{_WEB_SEARCH} ", ""),
    "pkshatech/glucose-base-ja-v2": _E5,
    "cl-nagoya/ruri-v3": RetrievalPrompts("検索クエリ: ", "検索文書: "),
    "cl-nagoya/ruri": RetrievalPrompts("クエリ: ", "文章: "),
    "baai/bge-m3": _NONE,
    "hotchpotch/static-embedding-japanese": _NONE,
    "openai/text-embedding": _NONE,
    # These bring a file with the same prompts, but a server has only their name.
    "qwen/qwen3-embedding": RetrievalPrompts(_WEB_SEARCH, ""),
    "google/embeddinggemma": RetrievalPrompts(
        "task: search result | query: ", "title: none | text: "
    ),
    # The instruction that its authors use for questions (JaGovFaqs, MIRACL) in MTEB.
    "sbintuitions/sarashina-embedding-v2": RetrievalPrompts(
        "task: 質問を与えるので、その質問に答えるのに役立つ関連文書を検索してください。\nquery: ",
        "text: ",
    ),
}

_QUERY_NAMES = ("query", "queries", "question")
_PASSAGE_NAMES = ("document", "documents", "passage", "passages", "corpus")
# Words of prompts for retrieval, such as "web_search_query" (E5), "s2p_query" (Stella),
# "Retrieval-document" (EmbeddingGemma). Other prompts are for other tasks: "sts_query".
_RETRIEVAL_WORDS = ("retrieval", "search", "s2p", "qa")


# The words of "web_search_query", "Retrieval-query" and "SearchQuery".
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def known_prompts(model: str) -> RetrievalPrompts | None:
    """The prompts of a model in the table; `None` if it is not there.

    Args:
        model: A hub id, a folder, or the name on a server. Without the owner, the name is
            compared too, as in a folder `models/ruri-v3-30m`.

    >>> known_prompts("cl-nagoya/ruri-v3-310m").query
    '検索クエリ: '
    """
    by_name = {key.split("/")[1]: prompts for key, prompts in _KNOWN.items()}
    return _by_hub_id(model) or _longest(_short_name(model), by_name)


def model_prompts(model: str, *, download: bool) -> RetrievalPrompts:
    """The prompts of a model: those of its hub id in the table, those it brings, or none.

    Args:
        model: A hub id, a folder, or the name on a server.
        download: Whether the model's file may be read from the hub, not only from this machine.

    Raises:
        ModelUnavailableError: The hub refuses access to the model.
    """
    if prompts := _by_hub_id(model):
        return prompts
    config = _read_config(model, download)
    prompts = choose_prompts(config.get("prompts"), config.get("default_prompt_name"))
    if prompts := prompts or known_prompts(model):
        return prompts
    if others := _texts(config.get("prompts")):
        logger.warning(
            "The embedding model %r brings prompts, but none of them is recognized as the one for "
            "questions or for documents: %s. Texts are embedded without. Pass query_prefix= and "
            "passage_prefix=.",
            model,
            ", ".join(map(repr, others)),
        )
    elif not config and not download:
        logger.warning(
            "It is not known which prompts the embedding model %r of the server expects; texts are "
            "sent without. If it was trained with prompts, pass query_prefix= and passage_prefix=.",
            model,
        )
    return _NONE


def choose_prompts(prompts: Any, default_name: Any = None) -> RetrievalPrompts | None:
    r"""Choose the prompts for retrieval among those that a model brings.

    Args:
        prompts: Texts by name, as in `config_sentence_transformers.json`.
        default_name: Name of the prompt that the model uses for every text if nothing else is
            asked for. It applies if no prompt is for questions or documents.

    Returns:
        The prompts; `None` if there are none for retrieval.

    >>> choose_prompts({"web_search_query": "Instruct: Search.\nQuery: ", "sts_query": "…"})
    RetrievalPrompts(query='Instruct: Search.\nQuery: ', passage='')
    """
    texts = _texts(prompts)
    query = _for_role(texts, _QUERY_NAMES)
    passage = _for_role(texts, _PASSAGE_NAMES)
    if query or passage:
        return RetrievalPrompts(query, passage)
    default = texts.get(default_name, "") if isinstance(default_name, str) else ""
    return RetrievalPrompts(default, default) if default else None


def _texts(prompts: Any) -> dict[str, str]:
    """The prompts that are not empty: sentence-transformers stores empty ones by default."""
    if not isinstance(prompts, Mapping):
        return {}
    return {name: text for name, text in prompts.items() if isinstance(text, str) and text}


def _for_role(texts: Mapping[str, str], roles: Sequence[str]) -> str:
    """The text whose name is a role, or a role with a word of retrieval; else ''."""
    words = {name: [word.lower() for word in _WORD.findall(name)] for name in texts}
    for role in roles:
        for name, parts in words.items():
            if parts == [role]:
                return texts[name]
    named = [
        name
        for name, parts in words.items()
        if set(parts) & set(roles) and set(parts) & set(_RETRIEVAL_WORDS)
    ]
    # "search_query" goes before "code_search_query".
    return texts[min(named, key=lambda name: len(words[name]))] if named else ""


def _by_hub_id(model: str) -> RetrievalPrompts | None:
    return _E5 if model == DEMO else _longest(model, _KNOWN)


def _longest(name: str, known: Mapping[str, RetrievalPrompts]) -> RetrievalPrompts | None:
    matching = [key for key in known if name.lower().startswith(key)]
    return known[max(matching, key=len)] if matching else None


def _short_name(model: str) -> str:
    """The name without owner or folders, also of a snapshot in the cache of the hub."""
    parts = re.split(r"[/\\]", model.rstrip("/\\"))
    cached = [part for part in parts if part.startswith("models--")]
    return cached[-1].split("--")[-1] if cached else parts[-1]


def _read_config(model: str, download: bool) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    path = Path(model, _CONFIG)
    if not Path(model).is_dir():
        # As sentence-transformers does with names that have no owner.
        repository = model if "/" in model else f"sentence-transformers/{model}"
        try:
            path = Path(
                hf_hub_download(
                    repository,
                    _CONFIG,
                    cache_dir=os.getenv("SENTENCE_TRANSFORMERS_HOME"),
                    local_files_only=not download,
                )
            )
        except (EntryNotFoundError, HFValidationError):
            return {}
        except OSError as error:
            raise unavailable(model) from error
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelUnavailableError(
            f"{path} is not valid JSON ({error}). Download the model again."
        ) from error
    return content if isinstance(content, dict) else {}


def unavailable(model: str) -> ModelUnavailableError:
    """Error for a model that is neither on this machine nor on the hub."""
    return ModelUnavailableError(
        f"The embedding model {model!r} is not on this machine and could not be downloaded "
        "from the Hugging Face Hub: pass the folder of a model, or SwallowEmbeddings"
        '("demo") (on the command line: --embeddings demo), which needs no hub.'
    )
