"""The MT-Bench tables of Swallow's model cards as data: 29 rows, with their source."""

import json
from importlib import resources
from typing import Any

from langchain_swallow.evaluation.mt_bench.scores import ScoreRow


def published() -> dict[str, Any]:
    """Contents of the file: source, settings, judge, columns and rows of the tables."""
    path = resources.files("langchain_swallow.evaluation.mt_bench") / "published.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def published_rows(section: str = "overall") -> list[ScoreRow]:
    """Rows of a section, one per model, in the order of the model card.

    Args:
        section: `"overall"` (default, 12 models), or `"first"` or `"second"` turn (6 models each).

    Raises:
        ValueError: The section is unknown.
    """
    data = published()
    rows: dict[str, ScoreRow] = {}
    for row in data["rows"]:
        if row["section"] == section:
            scores = dict(zip(data["columns"], row["scores"], strict=True))
            average = scores.pop("average")
            rows.setdefault(row["model"], ScoreRow(row["model"], section, average, scores))
    if not rows:
        raise ValueError(f"Unknown section {section!r}. Use overall, first or second.")
    return list(rows.values())
