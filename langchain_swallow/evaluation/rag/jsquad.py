"""Read JSQuAD (Kurihara et al., JGLUE, 2022) from a local file, as Documents and examples."""

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
    """The paragraphs of JSQuAD, and the questions that they answer.

    The id of a Document is the number of the article and of the paragraph, such as `12/3`. Its
    metadata contains `source` (the same as the id) and `title`. The category of an example is the
    title of its article.
    """

    documents: list[Document]
    examples: list[Example]


def read_jsquad(path: Path, *, titles: Collection[str] | None = None) -> JSQuAD:
    """Read JSQuAD's JSON, <https://github.com/yahoojapan/JGLUE> (CC BY-SA 4.0).

    Args:
        path: `train-v1.3.json` or `valid-v1.3.json`.
        titles: Titles of the articles whose questions are returned; `None`, the default, returns
            all questions. The paragraphs of all articles are always returned.

    In JSQuAD, the article's title is before each paragraph, `title [SEP] text`. This function moves
    it to the metadata.

    Raises:
        EvaluationError: The file has another format.
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
