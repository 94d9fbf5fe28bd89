"""Questions that no one wrote for a benchmark: those of Debian's Japanese FAQ.

    apt-get download debian-faq-ja debian-policy-ja debian-reference-ja developers-reference-ja
    for package in *.deb; do dpkg-deb -x $package debian; done
    python tests/benchmarks/debian_faq.py debian --output docs/runs/debian-faq.json

The questions are headings of the FAQ, which are taken out of its passages. A passage is right when
it is of the section under that heading, among those of all four documents. Beside the default: each
leg alone, and the fusion without what the retriever does besides.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from langchain_swallow import (
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.retrieval.fusion import Ranked
from langchain_swallow.text.terms import strip_question_words
from tests.benchmarks.retrieval import read

CUTOFFS = (1, 3, 5, 10)
# Pages that have all the others once more, or only lists of them.
EXCLUDED = ["developers-reference.html", "index*.html", "search.html", "genindex.html"]
_QUESTION = re.compile(r"[\d.]+ (.*[ぁ-ん].*[?？])$")


def sections(folder: Path) -> tuple[list[Document], dict[str, int]]:
    """All sections, and the number of the one that answers each question."""
    documents = list(load_documents(folder, include=["*.html"], exclude=EXCLUDED))
    asked: dict[str, int] = {}
    for number, document in enumerate(documents):
        document.metadata["section"] = number
        if "FAQ" not in document.metadata["source"]:
            continue
        *above, own = document.metadata.get("headings", "").split(" > ")
        document.page_content = document.page_content.removeprefix(own).lstrip()
        document.metadata["headings"] = " > ".join(above)
        document.metadata.pop("title", None)
        if question := _QUESTION.match(own):
            asked[question[1]] = number
    return documents, asked


def rankings(store: SwallowFAISS, question: str) -> dict[str, NDArray[np.float32]]:
    """Scores of all passages, by each way to rank."""
    now, asked = store.snapshot(), strip_question_words(question)
    dense = now.scores(store.query_vector(question))
    weight = HybridRetriever(store=store).lexical_weight
    whole, ranked = (
        Ranked(now.lexical_scores(query), dense, weight, None) for query in (question, asked)
    )
    return {
        "BM25, 1+2-grams": whole.lexical,
        "BM25 without words that only ask": ranked.lexical,
        "dense": dense,
        "fused, all words, without proximity": whole.fused,
        "`HybridRetriever`": read(now, asked, ranked, {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("debian", type=Path, help="where the packages were unpacked")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    documents, asked = sections(arguments.debian)
    chunks = JapaneseTextSplitter(300).split_documents(documents)
    store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
    section = np.array([d.metadata["section"] for d in store.documents])
    ranks: dict[str, list[int]] = {}
    for question, right in asked.items():
        for name, scores in rankings(store, question).items():
            order = np.argsort(-scores, kind="stable")
            ranks.setdefault(name, []).append(int((section[order] == right).argmax()))
    shares = {
        name: [float((np.array(found) < k).mean()) for k in CUTOFFS]
        for name, found in ranks.items()
    }
    rows = [[name, *(f"{share:.2f}" for share in values)] for name, values in shares.items()]
    heading = f"Debian's FAQ, {len(asked)} questions, {len(store):,} passages"
    table = Table(heading, ["", *(f"R@{k}" for k in CUTOFFS)], rows)
    print(table.heading)
    print(table.markdown())
    if arguments.output:
        figures = {"questions": len(asked), "passages": len(store), "recall": shares}
        write_figures(arguments.output, [table], {"figures": figures})


if __name__ == "__main__":
    main()
