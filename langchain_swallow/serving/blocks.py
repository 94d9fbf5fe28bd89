"""Splits long documents block by block, so that the work can be stopped in between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

_BLOCK = 10_000
_SENTENCE_ENDS = ("\n\n", "\n", "。", "．", "！", "？", ". ", " ")
# Number of characters after which the total number of chunks is estimated.
_MIN_CHARACTERS_TO_ESTIMATE = 100_000
_SAFETY_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Block:
    """The chunks of one block; `done` of `total` characters are split."""

    chunks: list[Document]
    done: int
    total: int

    def expected(self, chunks: int) -> int:
        """Return a lower estimate of the final number of chunks, given the number so far.

        The estimate is low on purpose, so that only documents far above the limit are refused
        early.
        """
        if self.done < _MIN_CHARACTERS_TO_ESTIMATE:
            return chunks
        return max(chunks, int(chunks * self.total / self.done / _SAFETY_FACTOR))


def split_in_blocks(documents: Sequence[Document], splitter: TextSplitter) -> Iterator[Block]:
    """Split documents; those longer than a block are cut at the end of a sentence."""
    total = sum(len(document.page_content) for document in documents)
    done = 0
    for document in documents:
        for start, end in block_spans(document.page_content):
            text = document.page_content[start:end]
            chunks = splitter.split_documents([Document(text, metadata=dict(document.metadata))])
            for chunk in chunks:
                for name in ("start_index", "end_index"):
                    if name in chunk.metadata:
                        chunk.metadata[name] += start
            done += end - start
            yield Block(chunks, done, total)


def block_spans(text: str, size: int = _BLOCK) -> Iterator[tuple[int, int]]:
    """Yield half-open spans that cover a text, each of at most `size` characters."""
    start = 0
    while len(text) - start > size:
        ends = (text.rfind(mark, start + size // 2, start + size) for mark in _SENTENCE_ENDS)
        lengths = zip(ends, map(len, _SENTENCE_ENDS), strict=True)
        end = next((at + length for at, length in lengths if at >= 0), start + size)
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)
