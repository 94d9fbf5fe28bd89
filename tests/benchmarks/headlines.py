"""The six figures of README and the first screen of `docs/benchmarks.md`, read from `docs/runs`."""

import json
from typing import NamedTuple

from langchain_swallow.evaluation.tables import Table
from tests.support.paths import ROOT

_HEADS = {
    "ja": ["測ったもの", "モデル", "このパッケージ", "比べたもの", "コマンド"],
    "en": ["what was measured", "model", "this package", "compared with", "command"],
}
_LLAMA = ("151 M の Llama（乱数の重み）", "Llama of 151 M random weights")


class Cell(NamedTuple):
    """Row and column of the first table of a run; `of` says whose figure it is."""

    row: str
    column: int
    of: tuple[str, str] = ("", "")


class Headline(NamedTuple):
    """A figure with what it is compared with; texts are Japanese and English."""

    run: str
    what: tuple[str, str]
    model: tuple[str, str]
    own: Cell
    peers: tuple[Cell, ...] = ()


_HUGGINGFACE = ("ChatHuggingFace", "ChatHuggingFace")
_BATCH, _TURN = "`batch`, against ChatHuggingFace's", "second turn, first token, against "
_FILTER = "search with a filter of 10 %, ms"
HEADLINES = (
    Headline(
        "engine", ("16 件の `batch`、秒", "`batch` of 16, seconds"), _LLAMA,
        Cell(_BATCH, 1), (Cell(_BATCH, 2, _HUGGINGFACE),),
    ),
    Headline(
        "engine", ("会話の 2 回目、最初のトークンまで、秒", "second turn, first token, seconds"),
        _LLAMA, Cell(f"{_TURN}ChatHuggingFace's", 1),
        (Cell(f"{_TURN}ChatHuggingFace's", 2, _HUGGINGFACE),),
    ),
    Headline(
        "bench-vllm-bfloat16",
        ("16 件の `batch`、bfloat16、秒", "`batch` of 16, bfloat16, seconds"),
        _LLAMA, Cell("batch, s", 1), (Cell("batch, s", 2, ("vLLM", "vLLM")),),
    ),
    Headline(
        "retrieval", ("JSQuAD の検索、R@1", "retrieval on JSQuAD, R@1"),
        ("埋め込みは `demo`", "embedding model `demo`"), Cell("`HybridRetriever`, 1+2-grams", 1),
        (Cell("BM25, 1+2-grams", 1, ("n-gram の BM25", "n-gram BM25")),
         Cell("dense", 1, ("埋め込みだけ", "embeddings alone"))),
    ),
    Headline(
        "index-million",
        ("100 万チャンク、10% のフィルター付き検索、ミリ秒",
         "search of 1,000,000 chunks behind a filter of 10%, ms"),
        ("384 次元", "384 dimensions"), Cell(_FILTER, 1),
        (Cell(_FILTER, 2, ("LangChain の FAISS", "LangChain's FAISS")),),
    ),
    Headline(
        "end-to-end", ("JSQuAD の回答、完全一致", "answers on JSQuAD, exact match"),
        ("デモモデル 270 M", "demo model, 270 M"), Cell("exact_match", 1),
    ),
)  # fmt: skip


def headlines_table(language: str) -> str:
    """The table in Japanese ("ja") or English ("en")."""
    which = 0 if language == "ja" else 1
    open_, close, comma = ("（", "）", "、") if language == "ja" else (" (", ")", ", ")
    rows = []
    for line in HEADLINES:
        run = json.loads((ROOT / "docs" / "runs" / f"{line.run}.json").read_text("utf-8"))
        cells = {row[0]: row for row in run["tables"][0]["rows"]}
        peers = [
            f"{_figure(cells[cell.row][cell.column])}{open_}{cell.of[which]}{close}"
            for cell in line.peers
        ]
        own = _figure(cells[line.own.row][line.own.column])
        command = run["command"].split(" --output ")[0]
        rows.append([
            line.what[which], line.model[which], own, comma.join(peers) or "–", f"`{command}`",
        ])  # fmt: skip
    return Table("", _HEADS[language], rows).markdown()


def _figure(cell: str) -> str:
    """The unit is in the row's name."""
    return cell.removesuffix(" s")
