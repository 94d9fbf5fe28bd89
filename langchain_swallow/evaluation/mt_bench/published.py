"""The MT-Bench tables of Swallow's model cards, as data: 29 rows, with their source."""

import json
from importlib import resources
from typing import Any

from langchain_swallow.evaluation.mt_bench.scores import ScoreRow


def published() -> dict[str, Any]:
    """The tables as they are in the file: source, settings, judge, columns and rows."""
    path = resources.files("langchain_swallow.evaluation.mt_bench") / "published.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def published_rows(section: str = "overall") -> list[ScoreRow]:
    """Each model once, in the order of the card.

    Args:
        section: `"overall"` (12 models), `"first"` or `"second"` turn (6 models).

    Raises:
        ValueError: There is no such section.
    """
    data = published()
    rows: dict[str, ScoreRow] = {}
    for row in data["rows"]:
        if row["section"] == section:
            scores = dict(zip(data["columns"], row["scores"], strict=True))
            average = scores.pop("average")
            rows.setdefault(row["model"], ScoreRow(row["model"], section, average, scores))
    if not rows:
        raise ValueError(f"Unknown section {section!r}. There are overall, first and second.")
    return list(rows.values())
