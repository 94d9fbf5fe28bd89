"""Options for loading a model, each declared once: its type, default, limits and meaning.

`ChatSwallow` has these fields, `LoadSettings` is made from them, and the options of the command
line with their help and the tables of docs/parameters.md are generated from them.
"""

import os
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr

from langchain_swallow._system.renamed import RenamedField, RenamedFields
from langchain_swallow.catalog import PromptFormat


class HubToken(SecretStr):
    """The environment's `HF_TOKEN`, which is used for the hub and never sent to a server."""

    def __eq__(self, other: object) -> bool:
        # The same text as an `api_key` is also sent to servers, so it means another engine.
        return isinstance(other, HubToken) and super().__eq__(other)

    __hash__ = SecretStr.__hash__


def _token_from_environment() -> SecretStr | None:
    token = os.environ.get("HF_TOKEN")
    return None if token is None else HubToken(token)


def hub_token(fields: dict[str, Any]) -> dict[str, Any]:
    """Mark the field `token` as the hub's if it is: LangChain's `load` passes it as an argument.

    >>> hub_token({"api_key": "key"})
    {}
    """
    token = fields.get("token")
    if not isinstance(token, str) or token != os.environ.get("HF_TOKEN"):
        return {}
    return {"token": HubToken(token)}


# Metadata of a field that only the command line uses.
_SHOWN = ("metavar", "choices")


def option(default: Any, about: str, ja: str, **more: Any) -> Any:
    """Return a pydantic field for an option, described in both languages.

    Args:
        default: The default value; `...` if `default_factory` is passed.
        about: What the option does, in English.
        ja: The same in Japanese.
        **more: `metavar` and `choices` for the command line; all others are passed to `Field`.
    """
    shown: dict[str, Any] = {name: more.pop(name) for name in _SHOWN if name in more}
    if "default_factory" not in more:
        more["default"] = default
    return Field(**more, description=about, json_schema_extra={"ja": ja, **shown})


class LoadingOptions(RenamedFields):
    """Options that say which model to load, and how."""

    served_model = RenamedField("served_model_name")
    prompt_as = RenamedField("prompt_encoding")

    model: str = option(
        "tokyotech-llm/Swallow-7b-instruct-v0.1",
        "Checkpoint (see langchain-swallow models), hub id, folder in Hugging Face format, or demo",
        "モデルの名前（langchain-swallow models で一覧）、Hub の ID、HF 形式のフォルダー、"
        "または demo",
    )
    engine: str = option(
        "auto",
        "What computes: transformers or vllm in this process, or an OpenAI-compatible server. auto "
        "takes server if there is a base URL, vllm where it and a CUDA device are there, else "
        "transformers",
        "エンジン。auto は base URL があれば server、vLLM と CUDA があれば vllm、"
        "なければ transformers",
    )
    base_url: str | list[str] | None = option(
        None,
        "Address of a server, such as http://localhost:8000/v1. Of several, a request goes to the "
        "one that is least busy, and to another when that one fails",
        "OpenAI 互換サーバーの URL。複数なら空いているものに送り、失敗すれば別のものに送る",
        metavar="URL",
    )
    token: SecretStr | None = option(
        ...,
        "Key for servers and for gated checkpoints; better in SWALLOW_API_KEY than on a command "
        "line. By default HF_TOKEN, which no server is sent",
        "サーバーと、承認が要るチェックポイントの鍵。コマンドでは SWALLOW_API_KEY に書ける。標準は "
        "HF_TOKEN で、これはサーバーには送らない",
        metavar="KEY",
        default_factory=_token_from_environment,
        alias="api_key",
    )
    served_model_name: str | None = option(
        None,
        "Name of the model on the server, where it is not the checkpoint's",
        "サーバーでのモデルの名前（チェックポイントの名前と違うとき）",
        metavar="NAME",
    )
    tokenizer: str | None = option(
        None,
        "Folder or hub id of the tokenizer, where it is not the model's",
        "トークナイザーのフォルダーか名前（モデルのものでないとき）",
        metavar="MODEL",
    )
    device: str | None = option(
        None,
        "Where to compute: cpu, cuda, cuda:1 or mps. By default the best there is",
        "計算するデバイス。cpu、cuda、cuda:1、mps（標準は自動）",
    )
    device_map: str | None = option(
        None,
        "auto spreads the model over several GPUs, as in transformers",
        "auto で複数の GPU に分ける（transformers と同じ）",
        metavar="MAP",
    )
    dtype: str = option(
        "auto",
        "Data type of the weights. auto takes 16 bits where the device computes with them",
        "重みのデータ型。auto はデバイスが計算できれば 16 ビット",
        choices=("auto", "bfloat16", "float16", "float32"),
    )
    quantization: str | None = option(
        None,
        "8bit or 4bit weights, which take less memory; with vllm, any name it knows",
        "重みを 8bit か 4bit にしてメモリを減らす。vllm ではその名前も",
        metavar="BITS",
    )
    max_model_len: int | None = option(
        None,
        "Most tokens of prompt and answer together. By default the model's context window",
        "プロンプトと回答を合わせた最大の長さ（標準はモデルのコンテキスト長）",
        ge=1,
    )
    tensor_parallel_size: int | None = option(
        None, "GPUs that share each layer (vllm)", "層を分け合う GPU の数（vllm）", ge=1
    )
    pipeline_parallel_size: int | None = option(
        None,
        "Groups of layers, on GPUs or machines of their own (vllm)",
        "層をいくつの組に分けて別の GPU やマシンに置くか（vllm）",
        ge=1,
    )
    gpu_memory_utilization: float | None = option(
        None,
        "Share of a GPU's memory that vllm takes, above 0 and up to 1",
        "vllm が使う GPU メモリの割合（0 より大きく 1 以下）",
        gt=0,
        le=1,
    )
    speculative: Literal["auto", "prompt_lookup"] | None = option(
        "auto",
        "prompt_lookup guesses tokens from the prompt and verifies them: answers that quote come "
        "sooner and are the same. none does not; auto does with transformers",
        "prompt_lookup はプロンプトから続きを推測して検証する。引用の多い回答が速くなり、内容は"
        "変わらない。none はしない。auto は transformers でする",
    )
    attn_implementation: str | None = option(
        None,
        "Attention of transformers that takes masks: sdpa or eager",
        "マスクを受け取る transformers の attention。sdpa か eager",
        metavar="NAME",
    )
    revision: str | None = option(
        None,
        "Branch, tag or commit of the checkpoint on the hub",
        "Hub のブランチ、タグ、コミット",
        metavar="NAME",
    )
    cache_dir: str | None = option(
        None,
        "Folder for downloaded checkpoints. By default that of huggingface_hub",
        "ダウンロードしたチェックポイントを置くフォルダー（標準は huggingface_hub のもの）",
        metavar="DIR",
    )
    local_files_only: bool = option(
        False, "Download nothing", "ダウンロードせず、手元のファイルだけを使う"
    )
    trust_remote_code: bool = option(
        False,
        "Run Python code that comes with the checkpoint. Only if you trust its author",
        "チェックポイントに付いた Python コードを実行する。作者を信頼できるときだけ",
    )
    prompt_format: PromptFormat | None = option(
        None,
        "How the prompt is written. By default as the checkpoint was trained",
        "プロンプトの形式（標準はチェックポイントのもの）",
    )
    prompt_encoding: Literal["auto", "ids", "text"] = option(
        "auto",
        "What a server is sent: token ids or text. auto finds out what it takes",
        "サーバーに送る形。トークン ID か文字列。auto は受け取れるものを調べる",
    )
    max_retries: int = option(
        2,
        "Tries after the first for a request that has not begun to stream (server). Of several "
        "servers every one is tried, unless this is 0",
        "ストリームが始まる前に失敗したリクエストを試し直す回数（server）。サーバーが複数なら、0 で"
        "ない限りすべてを試す",
        ge=0,
    )
    engine_options: dict[str, Any] = option(
        ...,
        "Further options of the engine; with vllm, arguments of its AsyncEngineArgs",
        "エンジンのそのほかの引数。vllm では AsyncEngineArgs の引数",
        default_factory=dict,
    )

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
