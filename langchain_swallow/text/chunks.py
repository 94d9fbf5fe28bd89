"""Split text into chunks of whole sentences within a token budget.

The caller passes the function that counts tokens. The last sentence of a chunk is repeated at the
start of the next one. A sentence over the budget is cut at 、, after a particle or between words
(`cuts`). No chunk starts with a mark that belongs to the text before it.

The time depends on the length of the text only, whatever the text contains.
"""

from collections.abc import Callable

from langchain_swallow.text.cuts import best_cut
from langchain_swallow.text.sentences import sentence_spans

Span = tuple[int, int]
Counter = Callable[[str], int]

# The token counts of single pieces may add up to more than the count of the joined text, but to at
# most this multiple of it.
_MAX_OVERCOUNT = 3
# After this many recounts, a binary search finds the number of pieces that fit.
_MAX_RECOUNTS = 8


def estimate_tokens(text: str) -> int:
    """Upper estimate of the tokens in Swallow's vocabulary, without a tokenizer.

    It counts one token per non-ASCII character and one per two ASCII characters. Real Japanese text
    takes about 0.6 tokens per character. Chunks that are counted with this function are therefore
    smaller than they could be, never larger.
    """
    ascii_count = len(text.encode("ascii", "ignore"))
    return len(text) - ascii_count + (ascii_count + 1) // 2


def chunk_spans(text: str, max_tokens: int, count: Counter, *, overlap: int = 1) -> list[Span]:
    """Half-open spans of chunks in characters, in order, each of at most `max_tokens`.

    Args:
        text: Any text.
        max_tokens: Token budget of a chunk, at least 1.
        count: Function that counts the tokens of a text.
        overlap: Sentences repeated at the start of the next chunk, if they fit; default 1.

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
    # The counts of pieces add up, except for a token or two at each boundary, so only a full chunk
    # is counted again.
    sizes = [count(text[a:b]) for a, b in pieces]
    chunks: list[Span] = []
    first = 0
    while first < len(pieces):
        last = _last_fitting(text, pieces, sizes, first, max_tokens, count)
        start, end = pieces[first][0], pieces[last][1]
        if text[start:end].strip():
            chunks.append((start, end))
        # Each chunk has at least one new piece, and the last chunk repeats nothing.
        is_last = last + 1 == len(pieces)
        first = last + 1 if is_last else max(first + 1, last + 1 - overlap)
        if (
            not is_last
            and first <= last
            and not _fits_with_next(text, pieces, first, last + 1, max_tokens, count)
        ):
            first = last + 1
    return chunks


def _last_fitting(
    text: str, pieces: list[Span], sizes: list[int], first: int, budget: int, count: Counter
) -> int:
    def fits(last: int) -> bool:
        return count(text[pieces[first][0] : pieces[last][1]]) <= budget

    last, total = first, sizes[first]
    while last + 1 < len(pieces) and total + sizes[last + 1] <= min(
        budget + 2 * (last - first + 1), _MAX_OVERCOUNT * budget
    ):
        last += 1
        total += sizes[last]
    for _ in range(_MAX_RECOUNTS):
        if last == first or fits(last):
            return last
        last -= 1
    fitting = first
    while last - fitting > 1:
        middle = (fitting + last) // 2
        fitting, last = (middle, last) if fits(middle) else (fitting, middle)
    return fitting


def _fits_with_next(
    text: str, pieces: list[Span], first: int, next_piece: int, budget: int, count: Counter
) -> bool:
    return count(text[pieces[first][0] : pieces[next_piece][1]]) <= budget


def _fitting_pieces(text: str, start: int, end: int, budget: int, count: Counter) -> list[Span]:
    """Cut one sentence recursively until every piece is within the budget."""
    if count(text[start:end]) <= budget:
        return [(start, end)]
    cut = best_cut(text, start, end)
    if cut is None:
        raise ValueError(
            f"max_tokens={budget} is less than the tokens of the single character "
            f"{text[start:end]!r}. Raise max_tokens."
        )
    return [
        *_fitting_pieces(text, start, cut, budget, count),
        *_fitting_pieces(text, cut, end, budget, count),
    ]
