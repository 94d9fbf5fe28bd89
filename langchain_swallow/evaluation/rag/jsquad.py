"""JSQuAD (Kurihara et al., JGLUE, 2022) from a local file: Documents and examples."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from langchain_core.documents import Document

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation.rag.examples import Example

_SEPARATOR = "[SEP]"


@dataclass(frozen=True, slots=True)
class JSQuAD:
    """Paragraphs, and the questions that each of them answers.

    A Document's id is article and paragraph, `12/3`; its metadata have `source` (the same) and
    `title`. An example's category is the title of its article.
    """

    documents: list[Document]
    examples: list[Example]


def read_jsquad(path: Path, *, titles: Collection[str] | None = None) -> JSQuAD:
    """Read JSQuAD's JSON, <https://github.com/yahoojapan/JGLUE> (CC BY-SA 4.0).

    Args:
        path: `train-v1.3.json` or `valid-v1.3.json`.
        titles: Articles whose questions are wanted; `None` wants all. Paragraphs are always those
            of all articles.

    JSQuAD writes the article's title before each paragraph, `title [SEP] text`; here it is in the
    metadata.

    Raises:
        EvaluationError: The file has another form.
    """
    documents: list[Document] = []
    examples: list[Example] = []
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for i, article in enumerate(articles):
            for j, paragraph in enumerate(article["paragraphs"]):
                name, title = f"{i}/{j}", str(article["title"])
                text = paragraph["context"].split(_SEPARATOR, 1)[-1].strip()
                metadata = {"source": name, "title": title}
                documents.append(Document(id=name, page_content=text, metadata=metadata))
                if titles is not None and title not in titles:
                    continue
                examples += [
                    Example(
                        id=str(qa["id"]),
                        question=qa["question"],
                        answers=tuple(dict.fromkeys(answer["text"] for answer in qa["answers"])),
                        documents={name: 1},
                        category=title,
                    )
                    for qa in paragraph["qas"]
                ]
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{path} is not JSQuAD's JSON: {error!r}.") from error
    return JSQuAD(documents, examples)
