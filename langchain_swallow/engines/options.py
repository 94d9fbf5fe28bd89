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
        "Checkpoint (see langchain-swallow models), hub ID, folder in Hugging Face format, or demo",
        "チェックポイント（一覧は langchain-swallow models）、Hub の ID、HF 形式のフォルダー、"
        "または demo",
    )
    engine: str = option(
        "auto",
        "Engine: transformers or vllm in this process, server for an OpenAI-compatible server, "
        "or auto: server with a base URL, vllm if it and a CUDA device are there, else "
        "transformers",
        "エンジン。transformers と vllm はこのプロセスで、"
        "server は OpenAI 互換サーバーで計算する。auto は base URL があれば server、"
        "vLLM と CUDA があれば vllm、なければ transformers",
    )
    base_url: str | list[str] | None = option(
        None,
        "Address of an OpenAI-compatible server, such as http://localhost:8000/v1. Several "
        "addresses share the requests: each goes to the least busy server, and to another one "
        "if that fails",
        "OpenAI 互換サーバーの URL（例: http://localhost:8000/v1）。複数なら、"
        "空いているサーバーに送り、失敗すれば別のサーバーに送る",
        metavar="URL",
    )
    token: SecretStr | None = option(
        ...,
        "API key for servers, and token for gated checkpoints. On a command line, prefer the "
        "environment variable SWALLOW_API_KEY. The default is HF_TOKEN, which is never sent to "
        "a server",
        "サーバーの API キーと、承認が要るチェックポイントのトークン。"
        "コマンドでは環境変数 SWALLOW_API_KEY を使うとよい。デフォルトは HF_TOKEN で、"
        "サーバーには送らない",
        metavar="KEY",
        default_factory=_token_from_environment,
        alias="api_key",
    )
    served_model_name: str | None = option(
        None,
        "Name of the model on the server. Set it if the server does not use the name of the "
        "checkpoint. Default: the name of the checkpoint",
        "サーバーでのモデルの名前。チェックポイントの名前と違うときに指定する（"
        "デフォルト: チェックポイントの名前）",
        metavar="NAME",
    )
    tokenizer: str | None = option(
        None,
        "Folder or hub ID of the tokenizer. Set it if the model has none, or has another name "
        "on a server. Default: the model's",
        "トークナイザーのフォルダーか Hub の ID。モデルにないときや、"
        "サーバーでの名前が違うときに指定する（デフォルト: モデルのもの）",
        metavar="MODEL",
    )
    device: str | None = option(
        None,
        "Where to compute: cpu, cuda, cuda:1 or mps. Default: a GPU if there is one, else the CPU",
        "計算するデバイス。cpu、cuda、cuda:1、mps（デフォルト: GPU があれば GPU、なければ CPU）",
    )
    device_map: str | None = option(
        None,
        "auto spreads the layers over several GPUs, as in transformers. Set it if one GPU is "
        "too small. Default: one device",
        "auto で層を複数の GPU に分ける（transformers と同じ）。"
        "一つの GPU に入らないときに指定する（デフォルト: 一つのデバイス）",
        metavar="MAP",
    )
    dtype: str = option(
        "auto",
        "Data type of the weights. auto takes 16 bits if the device computes with them, else "
        "float32",
        "重みのデータ型。auto は、デバイスが計算できれば 16 ビット、できなければ float32",
        choices=("auto", "bfloat16", "float16", "float32"),
    )
    quantization: str | None = option(
        None,
        "8bit or 4bit weights take less memory, and lose some quality. With vllm, any method "
        "that it knows. Default: as the checkpoint is",
        "重みを 8bit か 4bit にして、メモリを減らす。品質は少し下がる。vllm では、"
        "その方式の名前も指定できる（デフォルト: チェックポイントのまま）",
        metavar="BITS",
    )
    max_model_len: int | None = option(
        None,
        "Maximum number of tokens of prompt and answer together. Lower it to save memory. "
        "Default: the model's context window",
        "プロンプトと回答を合わせた最大トークン数。小さくするとメモリが減る（"
        "デフォルト: モデルのコンテキスト長）",
        ge=1,
    )
    tensor_parallel_size: int | None = option(
        None,
        "Number of GPUs that share each layer. With vllm only. Default: 1",
        "各層を分担する GPU の数。vllm だけで使う（デフォルト: 1）",
        ge=1,
    )
    pipeline_parallel_size: int | None = option(
        None,
        "Number of groups of layers, each on its own GPUs or machine. With vllm only. Default: 1",
        "層を分けるグループの数。グループごとに別の GPU やマシンで計算する。vllm だけで使う（"
        "デフォルト: 1）",
        ge=1,
    )
    gpu_memory_utilization: float | None = option(
        None,
        "Share of a GPU's memory that vllm may use, above 0 and up to 1. Lower it if other "
        "programs use the GPU. Default: vllm's",
        "vllm が使う GPU メモリの割合（0 より大きく 1 以下）。"
        "ほかのプログラムも GPU を使うなら下げる（デフォルト: vllm のもの）",
        gt=0,
        le=1,
    )
    speculative: Literal["auto", "prompt_lookup"] | None = option(
        "auto",
        "Speculative decoding. prompt_lookup drafts tokens from the prompt and verifies them: "
        "answers that quote are faster, and stay the same. none turns it off; auto turns it on "
        "with transformers",
        "投機的デコード。prompt_lookup はプロンプトから続きを推測して検証する。"
        "引用の多い回答が速くなり、内容は変わらない。none は使わない。"
        "auto は transformers で使う",
    )
    attn_implementation: str | None = option(
        None,
        "Attention of transformers: sdpa or eager. Set eager if a model does not support sdpa. "
        "Default: as transformers chooses",
        "transformers の attention。sdpa か eager。"
        "モデルが sdpa に対応しないときは eager にする（デフォルト: transformers の選択）",
        metavar="NAME",
    )
    revision: str | None = option(
        None,
        "Branch, tag or commit of the checkpoint on the hub. Set a commit to always load the "
        "same files. Default: main",
        "Hub のブランチ、タグ、コミット。コミットを指定すると、いつも同じファイルを読み込む（"
        "デフォルト: main）",
        metavar="NAME",
    )
    cache_dir: str | None = option(
        None,
        "Folder for downloaded checkpoints. Default: that of huggingface_hub",
        "ダウンロードしたチェックポイントを置くフォルダー（デフォルト: huggingface_hub のもの）",
        metavar="DIR",
    )
    local_files_only: bool = option(
        False,
        "Download nothing: use only files that are on this machine",
        "ダウンロードせず、このマシンにあるファイルだけを使う",
    )
    trust_remote_code: bool = option(
        False,
        "Run Python code that comes with the checkpoint. Turn it on only if you trust its author",
        "チェックポイントに付いている Python コードを実行する。作者を信頼できるときだけ使う",
    )
    prompt_format: PromptFormat | None = option(
        None,
        "Format of the prompt: ver0.1, alpaca, or tokenizer for its chat template. Default: the "
        "format that the checkpoint was trained on",
        "プロンプトの形式。ver0.1、alpaca、tokenizer（チャットテンプレート）（"
        "デフォルト: チェックポイントの学習に使われた形式）",
    )
    prompt_encoding: Literal["auto", "ids", "text"] = option(
        "auto",
        "How prompts are sent to a server: ids (token IDs) or text. auto detects what the "
        "server accepts",
        "サーバーに送るプロンプトの形。ids（トークン ID）か text（文字列）。auto は、"
        "サーバーが受け取れる形を調べる",
    )
    max_retries: int = option(
        2,
        "Retries of a request to a server that fails before it streams. With several servers, "
        "each is tried unless this is 0",
        "ストリームが始まる前に失敗した、サーバーへのリクエストの再試行の回数。"
        "サーバーが複数なら、0 でない限りすべてを試す",
        ge=0,
    )
    engine_options: dict[str, Any] = option(
        ...,
        "More arguments of the engine; with vllm, those of its AsyncEngineArgs. Default: none",
        "エンジンのそのほかの引数。vllm では AsyncEngineArgs の引数（デフォルト: なし）",
        default_factory=dict,
    )

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
