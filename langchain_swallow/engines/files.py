"""Locates the files of a checkpoint, and explains how to get missing ones."""

import importlib
from pathlib import Path

from langchain_swallow.catalog import DEMO, similar_models
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import ModelUnavailableError


def resolve_files(name: str) -> str:
    """Return the hub id or folder of a checkpoint; `"demo"` is assembled first if necessary."""
    if name != DEMO:
        return name
    # Imported by name because the module loads torch.
    demo = importlib.import_module("langchain_swallow.engines.demo")
    return str(demo.demo_model_folder())


def unavailable(settings: LoadSettings, error: Exception) -> ModelUnavailableError:
    """Turn transformers' error into one that says what to do."""
    text = str(error)
    name = settings.model
    if Path(name).is_dir():
        hint = "The directory is incomplete; it needs config.json, weights and tokenizer files."
    elif "gated" in text or "401" in text or "403" in text:
        hint = f"Accept its license on the hub and log in with `hf auth login` to load {name}."
    elif settings.local_files_only:
        hint = "It is not in the local cache. Set local_files_only=False to download it."
    else:
        hint = (
            "The hub cannot be reached or has no such files. Check the network, pass a local "
            'directory, or try model="demo", which needs no hub.'
        )
    if not Path(name).is_dir() and (near := similar_models(name, 0.8)) and name not in near:
        hint += f" The catalog has {', '.join(near)}."
    return ModelUnavailableError(f"Cannot load {name!r}. {hint} ({text.splitlines()[0][:200]})")
