"""The pictures of the documentation that show figures: drawn from `docs/runs`, as the tables are.

`python -m tests.benchmarks.page` draws them again. A picture carries a hash of the rows that it
shows, which a test compares with the file's.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from langchain_swallow.evaluation.mt_bench.data import CATEGORIES
from langchain_swallow.evaluation.mt_bench.published import published_rows
from langchain_swallow.evaluation.mt_bench.report import LABELS
from langchain_swallow.evaluation.plots import Bar, Point, bars, quality_over_latency, radar
from tests.support.paths import ROOT

IMAGES = ROOT / "docs" / "images"
RUNS = ROOT / "docs" / "runs"
_HASH = "figures"


def sweep(path: Path, rows: list[Any]) -> None:
    """Quality over time, a point a configuration, named by what differs."""
    points = [
        Point(
            " ".join(part for part in label.split() if part.startswith(("chunk_tokens", "k="))),
            float(seconds),
            float(quality),
        )
        for label, quality, seconds in rows
    ]
    quality_over_latency(path, points, quality="文字F1")


def retrieval(path: Path, rows: list[Any]) -> None:
    """Recall of the ways to search that need no dictionary."""
    names = {
        "BM25, words split at spaces": "BM25, words",
        "BM25, 1+2-grams": "BM25, n-grams",
        "dense": "embeddings",
        "`HybridRetriever`, 1+2-grams": "HybridRetriever",
    }
    found = {name: values for name, *values in rows}
    series = {short: [Bar(float(value)) for value in found[name]] for name, short in names.items()}
    bars(path, ["R@1", "R@3", "R@5", "R@10"], series, label="JSQuAD: recall")


def users(path: Path, rows: list[Any]) -> None:
    """Seconds until all users are answered, over their number."""
    series = {
        name: [Bar(float(row[column])) for row in rows]
        for column, name in ((1, "ChatSwallow"), (2, "transformers, one after another"))
    }
    groups = ["1 user", *(f"{row[0]} users" for row in rows[1:])]
    bars(path, groups, series, label="seconds until all are answered")


def mt_bench(path: Path, rows: list[Any]) -> None:
    """Swallow's published scores by category."""
    series = {
        name: [value if value is not None else float("nan") for value in values]
        for name, *values in rows
    }
    radar(path, [LABELS[name][0] for name in CATEGORIES], series, title="Japanese MT-Bench")


def run_rows(name: str, table: int = 0) -> list[Any]:
    """A table of a file of figures; default: the first one."""
    return json.loads((RUNS / f"{name}.json").read_text("utf-8"))["tables"][table]["rows"]


def published_scores() -> list[Any]:
    """The three models of the card that Ver0.1 is of."""
    return [
        [row.model, *(row.categories.get(name) for name in CATEGORIES)]
        for row in published_rows()
        if row.model.endswith("-instruct-v0.1")
    ]


Draw = Callable[[Path, list[Any]], None]
PICTURES: dict[str, tuple[Draw, Callable[[], list[Any]]]] = {
    "sweep.png": (sweep, lambda: run_rows("sweep-examples")),
    "retrieval.png": (retrieval, lambda: run_rows("retrieval")),
    "users.png": (users, lambda: run_rows("engine", 1)),
    "mt-bench.png": (mt_bench, published_scores),
}


def hash_of(rows: list[Any]) -> str:
    """What a picture carries of its rows."""
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]


def hash_in(path: Path) -> str | None:
    """The hash that a picture carries; `None` without a picture or a hash."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get(_HASH)


def draw_pictures() -> None:
    """Draw those whose rows have changed."""
    for name, (draw, read) in PICTURES.items():
        path, rows = IMAGES / name, read()
        if hash_in(path) == hash_of(rows):
            continue
        with patch.dict(os.environ, {"SWALLOW_LANG": "ja"}):
            draw(path, rows)
        about = PngInfo()
        about.add_text(_HASH, hash_of(rows))
        with Image.open(path) as image:
            image.load()
            image.save(path, pnginfo=about, optimize=True)
