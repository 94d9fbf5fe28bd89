"""Citation marks in an answer: checked while it streams, located when it is whole.

A mark's *claim* is what stands before it: the words since the last mark, in their sentence.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from langchain_core.documents import Document

from langchain_swallow.rag.agreement import agrees
from langchain_swallow.rag.citation import Citation
from langchain_swallow.text.citation_marks import MARK, MARK_PATTERN, OPEN_MARK, mark_numbers
from langchain_swallow.text.normalize import SearchKey, normalize, normalize_with_offsets
from langchain_swallow.text.quantities import quantities, without_quantities
from langchain_swallow.text.sentences import sentence_spans

_MARKS_AT_END = re.compile(f"(?:{MARK_PATTERN})+$")
_CLAUSE_END = re.compile(rf"[、。，．,;；!?！？\n)）」』]|{MARK_PATTERN}")
# Shorter common runs are particles and chance.
_SHORTEST_QUOTE = 4
# A shorter rest, such as は, names no subject.
_SHORTEST_WORDS = 3
_IN_WORD = re.compile("[一-龯々ァ-ヶーa-z]{2}")
# With their quantities cut out, two sentences that say the same share most of what is left.
_SAME_WORDS = 0.6
# A shorter claim stands in too many passages to say which was meant.
_SHORTEST_UNIQUE_CLAIM = 2


class CitationFilter:
    """Corrects marks in text that arrives in pieces.

    A number that no passage has is removed. A number whose passage does not contain the claim,
    while another does word for word, becomes the number of that one.

    Args:
        documents: The passages; marks 1 … n stay, written as `[1]`.

    `removed` has the numbers taken out, `corrected` pairs of what was written and what it became.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self.removed: list[int] = []
        self.corrected: list[tuple[int, int]] = []
        self._keys = [normalize(document.page_content) for document in documents]
        self._cited: dict[int, set[int]] = {}
        self._seen = ""
        self._held = ""

    def push(self, text: str) -> str:
        """What can be shown; the beginning of a possible mark is held back."""
        self._held += text
        held = OPEN_MARK.search(self._held)
        cut = held.start() if held else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._checked(ready)

    def finish(self) -> str:
        """What was held back."""
        ready, self._held = self._held, ""
        return self._checked(ready)

    def _checked(self, ready: str) -> str:
        before, self._seen = self._seen, self._seen + ready
        return MARK.sub(lambda mark: self._replace(mark, before + ready[: mark.start()]), ready)

    def _replace(self, mark: re.Match[str], before: str) -> str:
        claim = normalize(_claim(before)).strip("。 、")
        # Marks that follow one another belong to one claim and name a passage once.
        place = len(_MARKS_AT_END.sub("", before))
        cited = self._cited.setdefault(place, set())
        numbers: list[int] = []
        for written in mark_numbers(mark[0]):
            right = self._right_number(written, claim)
            if right is None:
                self.removed.append(written)
                continue
            if right != written:
                self.corrected.append((written, right))
            if right not in cited:
                cited.add(right)
                numbers.append(right)
        # The model's own spacing before the mark stays.
        space = mark[0][: len(mark[0]) - len(mark[0].lstrip(" \u3000"))]
        return space + "".join(f"[{n}]" for n in numbers) if numbers else ""

    def _right_number(self, written: int, claim: str) -> int | None:
        if not 1 <= written <= len(self._keys):
            return None
        if len(claim) < _SHORTEST_UNIQUE_CLAIM:
            return written
        stated = _whole_words(claim)
        if stated.search(self._keys[written - 1]):
            return written
        containing = [i for i, key in enumerate(self._keys, 1) if stated.search(key)]
        return containing[0] if containing else written


def find_citations(text: str, documents: Sequence[Document]) -> tuple[Citation, ...]:
    """The citations of a whole answer, one for each number, checked against its passage.

    A number that is cited several times is contradicted if one of its sentences is; it is verified
    if one is and none is contradicted.
    """
    found: dict[int, Citation] = {}
    for mark in checked_marks(text, documents):
        number, checked = mark.citation.number, mark.citation
        if number not in found or _weight(checked) > _weight(found[number]):
            found[number] = checked
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class CheckedMark:
    """One number of a mark, checked against its own sentence `text[start:end]`."""

    start: int
    end: int
    citation: Citation


def checked_marks(text: str, documents: Sequence[Document]) -> Iterator[CheckedMark]:
    """Check every number of every mark in a complete answer, in order of appearance."""
    for mark in MARK.finditer(text):
        until = text[: mark.start()]
        claim, before = _claims(until)
        said = claim + _rest_of_clause(text[mark.end() :])
        start = until.rindex(claim)
        for number in mark_numbers(mark[0]):
            if 1 <= number <= len(documents):
                checked = _check(number, documents[number - 1], claim, said, before)
                yield CheckedMark(start, mark.end(), checked)


def _weight(citation: Citation) -> int:
    """What is known about a sentence decides over what is not, and what is wrong over the rest."""
    return 2 * citation.contradicted + citation.verified


def _claim(before: str) -> str:
    return _claims(before)[0]


def _claims(before: str) -> tuple[str, list[str]]:
    """The last sentence before a mark, and those before it that have no mark of their own.

    After 。 or another mark, the last sentence is the one before that.
    """
    for segment in reversed(MARK.sub("\0", before).split("\0")):
        sentences = [segment[start:end].strip() for start, end in sentence_spans(segment)]
        if said := [sentence for sentence in sentences if sentence.strip("。、 \u3000\n")]:
            return said[-1], said[:-1]
    return "", []


def _rest_of_clause(after: str) -> str:
    """What follows a mark within its clause: 「10日[1]ではない」 is not 「10日」."""
    return _CLAUSE_END.split(after, maxsplit=1)[0]


def _check(
    number: int, document: Document, claim: str, said: str, before: Sequence[str]
) -> Citation:
    """Find what a claim took from its passage, and whether the passage says the same.

    Args:
        number: Of the passage.
        document: The passage.
        claim: The sentence before the mark.
        said: The same with the rest of its clause.
        before: Earlier sentences that the mark covers.
    """
    key = normalize_with_offsets(document.page_content)
    span = _quoted(claim, key) or _quoted(said, key)
    context = " ".join(str(document.metadata.get(name, "")) for name in ("title", "headings"))

    def contradicts(sentence: str, span: tuple[int, int]) -> bool:
        return not agrees(sentence, document.page_content, span, context)

    others = ((sentence, _quoted(sentence, key)) for sentence in before)
    if (span and contradicts(said, span)) or any(at and contradicts(s, at) for s, at in others):
        return Citation(number, document, contradicted=True)
    if span is None or _names_another(claim, key.text):
        return Citation(number, document)
    start, end = span
    quote = document.page_content[start:end]
    return Citation(number, document, quote, start, end, verified=True)


def _quoted(claim: str, key: SearchKey) -> tuple[int, int] | None:
    """Where in the passage a claim, or its longest common run, is; `None` if that is too short."""
    wanted = normalize(claim).strip("。 、")
    if not wanted:
        return None
    if (whole := _whole_words(wanted).search(key.text)) is not None:
        return key.span(*whole.span())
    matcher = SequenceMatcher(None, wanted, key.text, autojunk=False)
    run = matcher.find_longest_match()
    if run.size >= max(_SHORTEST_QUOTE, len(wanted) / 2):
        return key.span(run.b, run.b + run.size)
    span = _same_sentence(wanted, key.text) if quantities(wanted) else None
    return key.span(*span) if span else None


def _names_another(claim: str, passage: str) -> bool:
    """Whether what both have begins or ends inside two words: 東京本社 is not 大阪本社."""
    wanted = normalize(claim).strip("。 、")
    run = SequenceMatcher(None, wanted, passage, autojunk=False).find_longest_match()
    both = ((wanted, run.a), (passage, run.b))
    begins = all(_is_in_word(text, i) and not _ends_a_quantity(text[:i]) for text, i in both)
    return begins or all(_is_in_word(text, i + run.size) for text, i in both)


def _is_in_word(text: str, i: int) -> bool:
    return i > 0 and bool(_IN_WORD.match(text, i - 1))


def _ends_a_quantity(text: str) -> bool:
    """Units are compared by value: 6か月以上 is 半年以上."""
    last = text[-20:]
    return not without_quantities(last).endswith(last[-1])


def _same_sentence(claim: str, passage: str) -> tuple[int, int] | None:
    """The sentence that differs from a claim in how its quantities are written: 3千円, 3,000円."""
    words = without_quantities(claim)
    if len(words) < _SHORTEST_WORDS:
        return None
    shares = {
        span: _share(words, without_quantities(passage[slice(*span)]))
        for span in sentence_spans(passage)
    }
    span = max(shares, key=shares.__getitem__, default=None)
    return span if span and shares[span] >= _SAME_WORDS else None


def _share(words: str, sentence: str) -> float:
    """How much of the words is in the sentence, in the same order."""
    blocks = SequenceMatcher(None, words, sentence, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > 1) / len(words)


def _whole_words(claim: str) -> re.Pattern[str]:
    """A claim as it stands in a text: 10日 is not in 110日, and 3.5 not in 3.55."""
    before = r"(?<![0-9])(?<![0-9][.,])" if claim[0].isdigit() else ""
    after = r"(?![.,]?[0-9])" if claim[-1].isdigit() else ""
    return re.compile(f"{before}{re.escape(claim)}{after}")
