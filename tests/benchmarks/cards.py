"""Which model for which GPU: the table of README and docs/models*.md, computed from the catalog."""

from langchain_swallow import resolve_model
from langchain_swallow.evaluation.tables import Table

# Memory of a card in GB, the model, and its quantization.
CARDS = (
    (8, "Gemma-2-Llama-Swallow-2b-it-v0.1", None),
    (16, "Qwen3-Swallow-8B-RL-v0.2", "8bit"),
    (24, "Qwen3-Swallow-8B-RL-v0.2", None),
    (48, "Qwen3-Swallow-32B-RL-v0.2", "8bit"),
    (80, "Qwen3-Swallow-32B-RL-v0.2", None),
)
# Two questions about documents at once.
CONTEXT_TOKENS = 8192
# ruri-v3-310m in 16 bits.
EMBEDDINGS_GIB = 315e6 * 2 / 2**30
_BITS = {None: "16", "8bit": "8", "4bit": "4"}
_HEADS = {
    "ja": ["GPU", "モデル", "公開", "MT-Bench", "ビット", "必要な GiB", "ダウンロード GB",
           "ライセンス"],
    "en": ["GPU", "model", "released", "MT-Bench", "bits", "GiB needed", "download, GB", "license"],
}  # fmt: skip


def needed_gib(model: str, quantization: str | None) -> float:
    """Weights, KV cache and the embedding model."""
    info = resolve_model(model)
    sizes = info.as_dict()["memory_gib"]
    weights = info.weights_gib() if quantization is None else sizes[quantization]
    return weights + info.kv_cache_gib_per_1000_tokens * CONTEXT_TOKENS / 1000 + EMBEDDINGS_GIB


def cards_table(language: str) -> str:
    """The table in Japanese or English."""
    rows = []
    for gigabytes, name, quantization in CARDS:
        info = resolve_model(name)
        score = info.japanese_mt_bench
        rows.append([
            f"{gigabytes} GB", f"`{name}`", info.release_date, f"{score:.3f}" if score else "–",
            _BITS[quantization], f"{needed_gib(name, quantization):.1f}",
            f"{info.weights_gib() * 2**30 / 1e9:.1f}", info.licence,
        ])  # fmt: skip
    return Table("", _HEADS[language], rows).markdown()
