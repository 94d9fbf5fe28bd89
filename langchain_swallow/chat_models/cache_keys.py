"""The key under which LangChain's caches keep an answer: all that decides it, and nothing else."""

import functools
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from langchain_swallow._system.version import __version__
from langchain_swallow.chat_models.options import LoadedEngine
from langchain_swallow.chat_models.requests import AnswerForm

# Fields that change no answer: how a model is called, watched, loaded or limited.
IRRELEVANT_FIELDS = frozenset(
    {
        *("cache", "callbacks", "custom_get_token_ids", "metadata", "name", "profile"),
        *("rate_limiter", "tags", "verbose"),
        *("cache_dir", "loaded", "local_files_only", "max_retries", "timeout", "token"),
    }
)
# What a call says of its form is in the key as what it becomes.
_IN_FORM = frozenset({"tools", "response_format"})
# Files of a checkpoint, without those that other programs leave beside it.
_FILES = ("*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "*.gguf")


def cache_key(
    fields: BaseModel,
    call: dict[str, Any],
    form: AnswerForm,
    loaded: LoadedEngine | None,
) -> str:
    """The key of an answer, equal in any process where the answer is.

    Args:
        fields: The chat model, as it is now.
        call: What a call says beside its messages.
        form: What a call's tools or schema become.
        loaded: Weights that are in this process, if they answer.
    """
    relevant = sorted(type(fields).model_fields.keys() - IRRELEVANT_FIELDS)
    values: dict[str, Any] = {name: getattr(fields, name) for name in relevant}
    model = call.get("model") or values["model"]
    tokenizer = values["tokenizer"]
    # A chat template is shown all of a tool, in its order.
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
    """Look at checkpoints again: they are loaded again."""
    _files.cache_clear()


@functools.lru_cache(64)
def _files(model: str) -> Any:
    """What tells the files of a folder apart; of a hub's repository, its name.

    Looked at once: what a folder held when the model was loaded is what answers.
    """
    folder = Path(model)
    if not folder.is_dir():
        return model
    files = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
    stats = [(path.name, path.stat()) for path in files]
    return [str(folder.resolve()), *((name, s.st_size, s.st_mtime_ns) for name, s in stats)]
