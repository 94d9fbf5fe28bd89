"""Builds the key for LangChain's caches from everything that affects an answer."""

import functools
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from langchain_swallow._system.version import __version__
from langchain_swallow.chat_models.options import LoadedEngine
from langchain_swallow.chat_models.requests import AnswerForm

# Fields that do not affect answers: how a model is called, traced, loaded or limited.
IRRELEVANT_FIELDS = frozenset(
    {
        *("cache", "callbacks", "custom_get_token_ids", "metadata", "name", "profile"),
        *("rate_limiter", "tags", "verbose"),
        *("cache_dir", "loaded", "local_files_only", "max_retries", "timeout", "token"),
    }
)
# These parameters enter the key as the answer form that they become.
_IN_FORM = frozenset({"tools", "response_format"})
# Files of a checkpoint; other files in its folder are ignored.
_FILES = ("*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "*.gguf")


def cache_key(
    fields: BaseModel,
    call: dict[str, Any],
    form: AnswerForm,
    loaded: LoadedEngine | None,
) -> str:
    """Return the cache key of an answer; it is equal in all processes that give the same answer.

    Args:
        fields: The chat model with its current values.
        call: Parameters of the call, without its messages.
        form: The constraint that the call's tools or schema become.
        loaded: The engine that was passed to the chat model, if it answers.
    """
    relevant = sorted(type(fields).model_fields.keys() - IRRELEVANT_FIELDS)
    values: dict[str, Any] = {name: getattr(fields, name) for name in relevant}
    model = call.get("model") or values["model"]
    tokenizer = values["tokenizer"]
    # A chat template gets the whole tool, with its keys in their order.
    tools = json.dumps(form.tools.tools, default=repr) if form.tools else None
    key = {
        "version": __version__,
        "weights": loaded.fingerprint() if loaded else _files(model),
        "tokenizer": _files(tokenizer) if tokenizer else None,
        "fields": values,
        "call": {k: v for k, v in call.items() if k not in _IN_FORM},
        "form": [form.instructions, form.grammar, tools],
    }
    return json.dumps(key, sort_keys=True, ensure_ascii=False, default=repr)


def forget_files() -> None:
    """Forget the state of checkpoint folders, because they are loaded again."""
    _files.cache_clear()


@functools.lru_cache(64)
def _files(model: str) -> Any:
    """Return names, sizes and times of a folder's files; for a hub id, the id.

    The result is cached, because the files at the time of loading are what answers.
    """
    folder = Path(model)
    if not folder.is_dir():
        return model
    files = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
    stats = [(path.name, path.stat()) for path in files]
    return [str(folder.resolve()), *((name, s.st_size, s.st_mtime_ns) for name, s in stats)]
