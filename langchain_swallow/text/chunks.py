"""Sentence spans → chunks within a token budget; the counter is passed in.

A chunk is a run of whole sentences, the last of them repeated at the start of the next chunk.
A sentence over the budget is cut at 、, then after a particle or between scripts, then anywhere
but inside a combining sequence. No chunk starts with a mark that belongs to what is before it.
"""

import re
import unicodedata
from collections.abc import Callable

from langchain_swallow.text.sentences import sentence_spans

Span = tuple[int, int]
Counter = Callable[[str], int]

_NOT_AT_START = (
    "。、，．」』）】〕］)》〉！？!?ゝゞ々ーぁぃぅぇぉっゃゅょァィゥェォッャュョ\u3099\u309a"
)
# After a comma; else after a particle followed by kanji, katakana or digits.
_CUTS = (
    re.compile(r"(?<=[、，,;；\n])"),
    re.compile(r"(?<=[はがをにでとのもへ])(?=[\u4e00-\u9fff\u30a0-\u30ff0-9０-９A-Za-z])"),
)


def estimate_tokens(text: str) -> int:
    """Tokens of Swallow's vocabulary, estimated from above without a tokenizer.

    One per non-ASCII character and one per two ASCII characters; real Japanese text takes about
    0.6 per character, so chunks counted with this are smaller than they could be, never larger.
    """
    ascii_count = sum(char.isascii() for char in text)
    return len(text) - ascii_count + (ascii_count + 1) // 2


def chunk_spans(text: str, max_tokens: int, count: Counter, *, overlap: int = 1) -> list[Span]:
    """Half-open spans of chunks, in order, each of at most `max_tokens`.

    Args:
        text: Any text.
        max_tokens: Budget of a chunk, at least 1.
        count: Tokens of a text.
        overlap: Sentences repeated at the start of the next chunk, where they fit.

    Raises:
        ValueError: `max_tokens` is less than 1, or a single character exceeds it.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, not {max_tokens!r}.")
    pieces = [
        piece
        for start, end in sentence_spans(text, max_bracket=max_tokens)
        for piece in _fitting_pieces(text, start, end, max_tokens, count)
    ]
    # Counts add up, up to a token or two where two pieces meet; only a full chunk is recounted.
    sizes = [count(text[a:b]) for a, b in pieces]
    chunks: list[Span] = []
    first = 0
    while first < len(pieces):
        last = _last_that_fits(text, pieces, sizes, first, max_tokens, count)
        start, end = pieces[first][0], pieces[last][1]
        if text[start:end].strip():
            chunks.append((start, end))
        # At least one new piece a chunk, and no overlap after the last one.
        done = last + 1 == len(pieces)
        first = last + 1 if done else max(first + 1, last + 1 - overlap)
        if (
            not done
            and first <= last
            and not _fits_with_next(text, pieces, first, last + 1, max_tokens, count)
        ):
            first = last + 1
    return chunks


def _last_that_fits(
    text: str, pieces: list[Span], sizes: list[int], first: int, budget: int, count: Counter
) -> int:
    last, total = first, sizes[first]
    while last + 1 < len(pieces) and total + sizes[last + 1] <= budget + 2 * (last - first + 1):
        last += 1
        total += sizes[last]
    while last > first and count(text[pieces[first][0] : pieces[last][1]]) > budget:
        last -= 1
    return last


def _fits_with_next(
    text: str, pieces: list[Span], first: int, following: int, budget: int, count: Counter
) -> bool:
    return count(text[pieces[first][0] : pieces[following][1]]) <= budget


def _fitting_pieces(text: str, start: int, end: int, budget: int, count: Counter) -> list[Span]:
    """Cut one sentence until every piece is within the budget."""
    if count(text[start:end]) <= budget:
        return [(start, end)]
    cut = _best_cut(text, start, end)
    if cut is None:
        raise ValueError(f"max_tokens={budget} is less than the single text {text[start:end]!r}.")
    return [
        *_fitting_pieces(text, start, cut, budget, count),
        *_fitting_pieces(text, cut, end, budget, count),
    ]


def _best_cut(text: str, start: int, end: int) -> int | None:
    """The allowed cut nearest to the middle, of the best kind there is."""
    middle = (start + end) / 2
    for pattern in _CUTS:
        found = [m.start() for m in pattern.finditer(text, start, end)]
        allowed = [i for i in found if start < i < end and _may_start(text, i)]
        if allowed:
            return min(allowed, key=lambda i: abs(i - middle))
    everywhere = range(start + 1, end)
    allowed = [i for i in everywhere if _may_start(text, i)]
    unbroken = [i for i in everywhere if not unicodedata.combining(text[i])]
    candidates = allowed or unbroken or list(everywhere)
    return min(candidates, key=lambda i: abs(i - middle), default=None)


def _may_start(text: str, index: int) -> bool:
    return text[index] not in _NOT_AT_START and not _continues(text[index])


def _continues(char: str) -> bool:
    """Whether a character belongs to the one before it."""
    return bool(unicodedata.combining(char)) or char == "\u200d" or "\ufe00" <= char <= "\ufe0f"
