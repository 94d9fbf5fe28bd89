"""Tables of contents as answers: headings of manuals asked for, with their contents and without.

    apt-get download debian-reference-ja developers-reference-ja debian-edu-doc-ja maint-guide-ja
    for package in *.deb; do dpkg-deb -x $package debian; done
    python tests/benchmarks/contents.py debian --output docs/runs/contents.json

The questions are 300 of the bookmarks of their PDFs. A passage is right when it is on the page that
the bookmark points to, or on the next.
"""

import argparse
import random
import re
import tempfile
from pathlib import Path

from langchain_core.documents import Document

from langchain_swallow import (
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
)
from langchain_swallow.documents.readers import pdf
from langchain_swallow.documents.readers.pdf_outline import pdf_outline
from langchain_swallow.evaluation.tables import Table, write_figures

MANUALS = (
    "debian-reference.ja.pdf",
    "developers-reference.pdf",
    "debian-edu-bookworm-manual.pdf",
    "maint-guide.ja.pdf",
)
QUESTIONS = 300
K = 5
_NUMBER = re.compile(r"^[\d.]+\s*")
_LEADERS = re.compile(r"(?:\. ){3,}")


def passages(manuals: dict[str, bytes]) -> list[Document]:
    documents = [
        Document(
            section.text,
            metadata={
                "source": name,
                "page": section.page,
                "headings": " > ".join(section.headings),
            },
        )
        for name, data in manuals.items()
        for section in pdf.read_pdf(data, name)
    ]
    return JapaneseTextSplitter().split_documents(documents)


def asked(manuals: dict[str, bytes]) -> list[tuple[str, int, str]]:
    """Manual, page and question, of titles that have words of Japanese."""
    found = [
        (name, bookmark.page + 1, f"{title}について教えてください。")
        for name, data in manuals.items()
        for bookmark in pdf_outline(data)
        if len(title := _NUMBER.sub("", bookmark.title)) >= 6 and re.search("[ぁ-ん]", title)
    ]
    return random.Random(0).sample(found, QUESTIONS)


def is_of_contents(document: Document) -> bool:
    return len(_LEADERS.findall(document.page_content)) >= 2


def measure(manuals: dict[str, bytes], embeddings: SwallowEmbeddings) -> dict[str, float]:
    chunks = passages(manuals)
    store = SwallowFAISS.from_documents(chunks, embeddings)
    retriever = HybridRetriever(store=store, k=K)
    contents, right = [], []
    for name, page, question in asked(manuals):
        hits = retriever.invoke(question)
        contents.append([is_of_contents(hit) for hit in hits])
        places = [(hit.metadata["source"], hit.metadata["page"]) for hit in hits]
        right.append([place in ((name, page), (name, page + 1)) for place in places])
    return {
        "passages": len(chunks),
        "of_contents": sum(map(is_of_contents, chunks)),
        "contents_first": sum(found[0] for found in contents) / QUESTIONS,
        "contents_among_5": sum(map(any, contents)) / QUESTIONS,
        "right_first": sum(found[0] for found in right) / QUESTIONS,
        "right_among_3": sum(any(found[:3]) for found in right) / QUESTIONS,
    }


def _written(figure: float) -> str:
    return f"{figure:.2f}" if isinstance(figure, float) else f"{figure:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("debian", type=Path, help="where the packages were unpacked")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    manuals = {name: next(arguments.debian.rglob(name)).read_bytes() for name in MANUALS}
    with tempfile.TemporaryDirectory() as folder:
        # Most passages are the same.
        embeddings = SwallowEmbeddings("demo", cache=Path(folder) / "vectors.sqlite")
        without = measure(manuals, embeddings)
        pdf.without_contents = list
        figures = {"as printed": measure(manuals, embeddings), "without contents": without}
    labels = {
        "passages": "passages",
        "of_contents": "of those, of contents",
        "contents_first": "contents found first",
        "contents_among_5": "contents among five",
        "right_first": "the right page first",
        "right_among_3": "the right page among three",
    }
    rows = [
        [label, *(_written(found[key]) for found in figures.values())]
        for key, label in labels.items()
    ]
    table = Table(f"Manuals in PDF, {QUESTIONS} headings asked for", ["", *figures], rows)
    print(table.heading)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": figures})


if __name__ == "__main__":
    main()
