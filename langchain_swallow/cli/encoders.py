"""Which embedding model a command uses, and what it says before it downloads one."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_swallow._system.language import in_language
from langchain_swallow.catalog import DEMO
from langchain_swallow.cli.parsers import Command, CommandError, say

if TYPE_CHECKING:
    from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings

_MARKERS = ("modules.json", "config.json")
# One format of the weights is loaded; repositories often hold several.
_WEIGHTS = (".safetensors", ".bin")


def choose_embeddings(arguments: argparse.Namespace) -> str | None:
    """`--embeddings`, or the demo's with the demo model; `None` leaves it to `SwallowEmbeddings`.

    `index` and `sync` have no model, only the tokenizer of one.

    >>> choose_embeddings(argparse.Namespace(embeddings=None, model="demo"))
    'demo'
    >>> choose_embeddings(argparse.Namespace(embeddings="cl-nagoya/ruri-v3-30m", model="demo"))
    'cl-nagoya/ruri-v3-30m'
    >>> choose_embeddings(argparse.Namespace(embeddings=None, tokenizer=None))
    """
    named: str | None = getattr(arguments, "embeddings", None)
    is_demo = DEMO in (getattr(arguments, name, None) for name in ("model", "tokenizer"))
    return named or (DEMO if is_demo else None)


def add_embeddings_server(parser: Command) -> None:
    """`--embeddings-url` and its key, of commands that embed documents or questions."""
    group = parser.add_further(in_language("埋め込みモデルのサーバー", "Embedding server"))
    group.add_argument(
        "--embeddings-url",
        metavar="URL",
        help=in_language(
            "OpenAI 互換サーバーの URL（例: http://host:8000/v1）。[openai] のインストールが必要",
            "URL of an OpenAI-compatible server, such as http://host:8000/v1; needs the extra "
            "openai",
        ),
    )
    group.add_argument(
        "--embeddings-api-key",
        metavar="KEY",
        help=in_language(
            "その API キー。環境変数 SWALLOW_EMBEDDINGS_API_KEY のほうが安全",
            "Its API key; safer in the environment variable SWALLOW_EMBEDDINGS_API_KEY",
        ),
    )


def load_encoder(
    model: str | None, arguments: argparse.Namespace | None = None
) -> "SwallowEmbeddings":
    """The embedding model; a download of it is announced with its size.

    Args:
        model: Its name.
        arguments: Of the command, which may name a server that has the model.

    Raises:
        CommandError: A server is named, and no model.
    """
    from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings

    if url := getattr(arguments, "embeddings_url", None):
        if not model:
            raise CommandError(
                in_language(
                    "--embeddings-url には、サーバーでのモデルの名前 --embeddings も必要です。",
                    "--embeddings-url needs --embeddings, the model's name on the server.",
                )
            )
        key = getattr(arguments, "embeddings_api_key", None)
        return SwallowEmbeddings(model, base_url=url, api_key=key)
    encoder = SwallowEmbeddings(model)
    announce_download(encoder.model)
    return encoder


def announce_download(model: str) -> None:
    """Say what will be downloaded from the hub; nothing for a model that is on this machine."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    if model in ("", DEMO) or Path(model).exists():
        return
    try:
        if any(isinstance(try_to_load_from_cache(model, name), str) for name in _MARKERS):
            return
        files = HfApi().model_info(model, files_metadata=True, timeout=10).siblings or []
    except Exception:  # The loader's own error says why the hub gives no model.
        return
    sizes = {file.rfilename: file.size or 0 for file in files if "/" not in file.rfilename}
    weights = [sum(n for name, n in sizes.items() if name.endswith(end)) for end in _WEIGHTS]
    others = sum(n for name, n in sizes.items() if name.endswith((".json", ".txt", ".model")))
    megabytes = (next(filter(None, weights), 0) + others) / 1e6
    say(
        in_language(
            f"埋め込みモデル {model}（{megabytes:,.0f} MB）を Hub からダウンロードします。",
            f"Downloading the embedding model {model} ({megabytes:,.0f} MB) from Hugging Face.",
        )
    )
