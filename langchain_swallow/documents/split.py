"""Splits Documents into chunks, with their offsets.

>>> text = "試用期間は3か月です。有給休暇は10日です。"
>>> [chunk.page_content for chunk in JapaneseTextSplitter(15).split_documents([Document(text)])]
['試用期間は3か月です。', '有給休暇は10日です。']
"""

import inspect
from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from langchain_swallow.text.captions import table_captions
from langchain_swallow.text.chunks import Counter, chunk_spans, estimate_tokens
from langchain_swallow.text.row_numbers import ROW_OFFSETS, row_finder


class JapaneseTextSplitter(TextSplitter):
    """Splits Japanese text at sentence ends, within a token budget.

    Args:
        max_tokens: Maximum tokens of a chunk, at least 1.
        counter: A function from a text to its number of tokens, a tokenizer, or a chat model;
            `None` estimates the number from the characters.
        overlap: How many sentences the next chunk repeats at most, where they fit.

    The metadata of a chunk has `start_index` and `end_index`: the half-open range of characters in
    the Document that it comes from. If the chunk begins within a table, `table` is the table's
    caption, which also has the unit of its numbers; it is embedded and prompted with the chunk.
    A chunk of a CSV file has the numbers of its first and last row, `row` and `last_row`, instead
    of the file's `row_offsets`.

    Raises:
        ValueError: `max_tokens` is less than 1.
        TypeError: `counter` cannot count tokens.
    """

    def __init__(self, max_tokens: int = 300, counter: Any = None, *, overlap: int = 1) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {max_tokens!r}.")
        self._count = as_counter(counter)
        super().__init__(chunk_size=max_tokens, chunk_overlap=0, length_function=self._count)
        self._max_tokens = max_tokens
        self._overlap = overlap

    def split_text(self, text: str) -> list[str]:
        """Split one text into chunks."""
        return [text[start:end] for start, end in self._spans(text)]

    def create_documents(
        self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None
    ) -> list[Document]:
        """Split several texts into chunk Documents, each with the metadata of its text."""
        sources: Sequence[dict[Any, Any]] = metadatas or [{}] * len(texts)
        chunks = []
        for text, metadata in zip(texts, sources, strict=True):
            caption = table_captions(text)
            rows = row_finder(text, metadata)
            metadata = {name: metadata[name] for name in metadata if name != ROW_OFFSETS}
            for start, end in self._spans(text):
                place = {"start_index": start, "end_index": end}
                table = {"table": caption(start)} if caption(start) else {}
                row = rows(start, end) if rows else {}
                chunk = Document(text[start:end], metadata={**metadata, **place, **row, **table})
                chunks.append(chunk)
        return chunks

    def _spans(self, text: str) -> list[tuple[int, int]]:
        return chunk_spans(text, self._max_tokens, self._count, overlap=self._overlap)


def as_counter(counter: Any) -> Counter:
    """Return a function from a text to its number of tokens.

    Args:
        counter: Such a function, a tokenizer, a chat model, or `None` for an estimate.

    Raises:
        TypeError: `counter` is none of these.
    """
    if counter is None:
        return estimate_tokens
    if hasattr(counter, "get_num_tokens"):
        return counter.get_num_tokens
    if hasattr(counter, "encode"):
        parameters = inspect.signature(counter.encode).parameters
        if "add_special_tokens" in parameters:
            return lambda text: len(counter.encode(text, add_special_tokens=False))
        return lambda text: len(counter.encode(text))
    if callable(counter):
        return counter
    raise TypeError(
        f"counter must be a function, a tokenizer or a chat model, not {type(counter).__name__}."
    )
