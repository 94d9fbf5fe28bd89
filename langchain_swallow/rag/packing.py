"""Passages → as many as fit the context window, whole, the last one cut at a sentence end.

Passages of a section that overlap are one before, and many have the best at both ends after: what
stands in the middle of a long prompt is read worst (Liu et al., 2023, "Lost in the Middle").
"""

import hashlib
from collections.abc import Callable, Sequence

from langchain_core.documents import Document

from langchain_swallow.rag.sanitize import sanitize_passage
from langchain_swallow.text.passages import join_chunks, offsets, passage_text
from langchain_swallow.text.sentences import sentence_spans


def numbered(documents: Sequence[Document]) -> str:
    """The passages as the presets show them: `[1] …`, apart by blank lines, as data."""
    return "\n\n".join(
        f"[{i}] {sanitize_passage(passage_text(d.page_content, d.metadata))}"
        for i, d in enumerate(documents, 1)
    )


def fenced(documents: Sequence[Document]) -> str:
    """The numbered passages between two lines that stand in none of them.

    The lines carry a mark, a piece of a hash of the passages. No document can contain it, whatever
    its author knows: a mark that occurs in a passage is not taken. Unlike a random one it keeps a
    question's prompt the same when it is asked again, so that caches and seeds work.
    """
    text = numbered(documents)
    mark = _absent_mark(text)
    return f"〔資料{mark}〕\n{text}\n〔資料{mark}終わり〕"


def _absent_mark(text: str) -> str:
    """Four hexadecimal digits that do not occur in a text; more where all of them do."""
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    found = text.casefold()
    candidates = (digits[i : i + n] for n in range(4, 65) for i in range(65 - n))
    return next(mark for mark in candidates if mark not in found)


# From as many on the order is changed.
_MANY = 10


def merged(documents: Sequence[Document]) -> list[Document]:
    """The passages, those of one section that overlap joined at the better one's rank.

    Rows of a table only touch, and stay apart: each makes sense alone, and is cited alone.
    """
    kept: list[Document] = []
    for document in documents:
        for i, other in enumerate(kept):
            if whole := _joined(other, document):
                # It is longer now, and may overlap those after it.
                kept[i:] = merged([whole, *kept[i + 1 :]])
                break
        else:
            kept.append(document)
    return kept


def _joined(better: Document, worse: Document) -> Document | None:
    texts = better.page_content, better.metadata, worse.page_content, worse.metadata
    both = join_chunks(*texts, min_overlap=1)
    return both and better.model_copy(update={"page_content": both[0], "metadata": both[1]})


def best_at_both_ends(documents: Sequence[Document]) -> list[Document]:
    """Many passages with the best first, the second best last, and so on to the middle."""
    if len(documents) < _MANY:
        return list(documents)
    return [*documents[::2], *reversed(documents[1::2])]


def pack(
    documents: Sequence[Document], fits: Callable[[Sequence[Document]], bool]
) -> list[Document]:
    """The longest beginning of `documents` that fits.

    Args:
        documents: Best first.
        fits: Whether the prompt with these passages leaves room for the answer.
    """
    if fits(documents):
        return list(documents)
    packed: list[Document] = []
    for document in documents:
        if fits([*packed, document]):
            packed.append(document)
            continue
        part = _longest_part(document, packed, fits)
        return [*packed, part] if part else packed
    return packed


def _longest_part(
    document: Document, packed: list[Document], fits: Callable[[Sequence[Document]], bool]
) -> Document | None:
    """The document up to the last sentence end that fits, by bisection; `None` for no sentence."""
    ends = [end for _, end in sentence_spans(document.page_content)]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits([*packed, _cut(document, ends[middle - 1])]):
            low = middle
        else:
            high = middle - 1
    return _cut(document, ends[low - 1]) if low else None


def _cut(document: Document, end: int) -> Document:
    metadata = document.metadata
    if place := offsets(metadata):
        metadata = {**metadata, "end_index": place[0] + end}
    return document.model_copy(
        update={"page_content": document.page_content[:end], "metadata": metadata}
    )
