"""How fast text is split, by characters and by a fast tokenizer, on one core.

    python tests/benchmarks/splitter.py JSQUAD TOKENIZER --output docs/runs/splitter.json

The text is JSQuAD's paragraphs in documents of 20,000 characters; the best of three rounds.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from langchain_swallow import JapaneseTextSplitter
from langchain_swallow.evaluation.rag import read_jsquad
from langchain_swallow.evaluation.tables import Table, write_figures


def megabytes_per_second(documents: list[str], counter: Any) -> float:
    splitter = JapaneseTextSplitter(300, counter)
    size = sum(len(text.encode()) for text in documents) / 1e6
    times = []
    for _ in range(3):
        began = time.perf_counter()
        for text in documents:
            splitter.split_text(text)
        times.append(time.perf_counter() - began)
    return size / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("tokenizer", type=Path, help="folder of a fast tokenizer")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    text = "\n\n".join(d.page_content for d in read_jsquad(arguments.jsquad).documents) * 4
    documents = [text[i : i + 20_000] for i in range(0, len(text), 20_000)]
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    counters = {"characters": len, "fast tokenizer": tokenizer}
    found = {name: megabytes_per_second(documents, c) for name, c in counters.items()}
    rows = [[name, f"{value:.1f}"] for name, value in found.items()]
    table = Table("Splitting", ["counted in", "MB/s of UTF-8"], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": found})


if __name__ == "__main__":
    main()
