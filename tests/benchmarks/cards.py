"""Which model for which GPU: tables of README and docs/models*.md, computed from the catalog."""

from collections.abc import Iterator
from typing import NamedTuple

from langchain_swallow import ModelInfo, resolve_model
from langchain_swallow.engines.local.fitting import RESERVED_GIB
from langchain_swallow.evaluation.tables import Table

# Two questions about documents at once, with room for a thought.
CONTEXT_TOKENS = 16384
# ruri-v3-310m and ruri-v3-reranker-310m in 16 bits: 315 million parameters each.
EMBEDDINGS_GIB = 315e6 * 2 / 2**30
RERANKER_GIB = EMBEDDINGS_GIB
# A tenth of the card is for the driver.
_USABLE_SHARE = 0.9


class Card(NamedTuple):
    """A GPU and a model for it; `quantization` is `None`, "8bit", "4bit" or "vllm".

    "vllm" is a checkpoint that is quantized already, for `engine="vllm"`.
    """

    gigabytes: int
    model: str
    quantization: str | None
    in_readme: bool = False

    @property
    def usable_gib(self) -> float:
        """Memory that weights and caches can take."""
        return _USABLE_SHARE * self.gigabytes * 1e9 / 2**30 - RESERVED_GIB

    @property
    def info(self) -> ModelInfo:
        """The catalog's record."""
        return resolve_model(self.model)

    @property
    def fixed_gib(self) -> float:
        """Weights, embedding model and reranker."""
        stored = self.quantization in (None, "vllm")
        sizes = self.info.as_dict()["memory_gib"]
        weights = self.info.weights_gib() if stored else sizes[self.quantization]
        return weights + EMBEDDINGS_GIB + RERANKER_GIB

    @property
    def needed_gib(self) -> float:
        """All of it, with a KV cache of `CONTEXT_TOKENS`."""
        return self.fixed_gib + self.info.kv_cache_gib_per_1000_tokens * CONTEXT_TOKENS / 1000

    @property
    def tokens(self) -> int:
        """Tokens of all requests in flight that the rest of the memory holds."""
        rest = self.usable_gib - self.fixed_gib
        return int(rest / self.info.kv_cache_gib_per_1000_tokens) * 1000


CARDS = (
    Card(8, "Gemma-2-Llama-Swallow-2b-it-v0.1", "8bit", in_readme=True),
    Card(12, "Qwen3-Swallow-8B-RL-v0.2", "4bit"),
    Card(16, "Qwen3-Swallow-8B-RL-v0.2", "8bit", in_readme=True),
    Card(24, "Qwen3-Swallow-8B-RL-v0.2", None, in_readme=True),
    Card(24, "GPT-OSS-Swallow-20B-RL-v0.1-MXFP4", "vllm"),
    Card(32, "Qwen3-Swallow-32B-RL-v0.2", "4bit"),
    Card(40, "Qwen3-Swallow-32B-RL-v0.2", "4bit"),
    Card(48, "Qwen3-Swallow-32B-RL-v0.2", "8bit", in_readme=True),
    Card(80, "Qwen3-Swallow-32B-RL-v0.2", None, in_readme=True),
    Card(80, "GPT-OSS-Swallow-120B-RL-v0.1-MXFP4", "vllm"),
)
_SETTINGS = {
    None: "", "8bit": '`quantization="8bit"`', "4bit": '`quantization="4bit"`',
    "vllm": '`engine="vllm"`',
}  # fmt: skip
_BITS = {None: "16", "8bit": "8", "4bit": "4", "vllm": "4"}
_HEADS = {
    "ja": {"gpu": "GPU", "model": "モデル", "released": "公開", "score": "MT-Bench",
           "setting": "設定", "bits": "ビット", "needed": "必要な GiB", "tokens": "載るトークン",
           "download": "ダウンロード GB", "license": "ライセンス"},
    "en": {"gpu": "GPU", "model": "model", "released": "released", "score": "MT-Bench",
           "setting": "setting", "bits": "bits", "needed": "GiB needed",
           "tokens": "tokens that fit", "download": "download, GB", "license": "license"},
}  # fmt: skip
_README = ("gpu", "model", "released", "score", "bits", "needed", "download", "license")
_GUIDE = ("gpu", "model", "setting", "released", "score", "needed", "tokens", "download", "license")


def cards_table(language: str, *, in_readme: bool) -> str:
    """The table in Japanese ("ja") or English ("en")."""
    columns = _README if in_readme else _GUIDE
    rows = [
        [cells[column] for column in columns]
        for cells in _rows(card for card in CARDS if card.in_readme or not in_readme)
    ]
    return Table("", [_HEADS[language][column] for column in columns], rows).markdown()


def _rows(cards: Iterator[Card]) -> Iterator[dict[str, str]]:
    for card in cards:
        info = card.info
        score = info.japanese_mt_bench
        yield {
            "gpu": f"{card.gigabytes} GB",
            "model": f"`{card.model}`",
            "released": info.release_date,
            "score": f"{score:.3f}" if score else "–",
            "setting": _SETTINGS[card.quantization],
            "bits": _BITS[card.quantization],
            "needed": f"{card.needed_gib:.1f}",
            "tokens": f"{card.tokens:,}",
            "download": f"{info.weights_gib() * 2**30 / 1e9:.1f}",
            "license": info.licence,
        }
