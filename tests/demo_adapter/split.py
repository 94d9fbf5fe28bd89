"""JSQuAD, split by article: what trains the demo adapter and what it is measured on."""

import collections
import hashlib
from typing import Any

from tests.demo_adapter.data import Notice

EVALUATION_ARTICLES = 12


def split_articles(articles: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """(training, evaluation) articles; the order is by hash of the title, so it never changes."""
    ordered = sorted(articles, key=lambda a: hashlib.sha256(a["title"].encode()).digest())
    return ordered[EVALUATION_ARTICLES:], ordered[:EVALUATION_ARTICLES]


def to_notices(article: dict[str, Any]) -> list[Notice]:
    """The paragraphs of one JSQuAD article as passages with their questions."""
    made = []
    for paragraph in article["paragraphs"]:
        title, text = paragraph["context"].split(" [SEP] ", 1)
        questions = tuple((qa["question"], majority_answer(qa)) for qa in paragraph["qas"])
        made.append(Notice(title, text, questions))
    return made


def majority_answer(qa: dict[str, Any]) -> str:
    """The answer most annotators gave; of equals the shortest."""
    counts = collections.Counter(answer["text"] for answer in qa["answers"])
    return min(counts, key=lambda text: (-counts[text], len(text)))
