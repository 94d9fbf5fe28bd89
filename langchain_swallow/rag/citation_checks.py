"""Citation marks in an answer: checked while it streams, located when it is whole.

A mark's *claim* is what stands before it: the words since the last mark, in their sentence.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from langchain_core.documents import Document

from langchain_swallow.rag.agreement import agrees
from langchain_swallow.rag.citation import Citation, CitationStatus
from langchain_swallow.rag.places import context, find_places
from langchain_swallow.rag.question_terms import QuestionTerms, question_terms
from langchain_swallow.rag.quotes import find_quotes, names_another, whole_words
from langchain_swallow.rag.support import answers
from langchain_swallow.text.citation_marks import MARK, MARK_PATTERN, OPEN_MARK, mark_numbers
from langchain_swallow.text.normalize import SearchKey, normalize, normalize_with_offsets
from langchain_swallow.text.sentences import sentence_spans

_MARKS_AT_END = re.compile(f"(?:{MARK_PATTERN})+$")
_CLAUSE_END = re.compile(rf"[、。，．,;；!?！？\n)）」』]|{MARK_PATTERN}")
_SENTENCE_ENDS = ("。", "！", "？", "!", "?")
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
        stated = whole_words(claim)
        if stated.search(self._keys[written - 1]):
            return written
        containing = [i for i, key in enumerate(self._keys, 1) if stated.search(key)]
        return containing[0] if containing else written


def find_citations(
    text: str,
    documents: Sequence[Document],
    question: str,
    unconfirmed: Collection[tuple[int, str]] = (),
) -> tuple[Citation, ...]:
    """The citations of a whole answer, one for each number, checked against its passage.

    Of the sentences that cite a number, a contradicted one decides, then a supported one, then a
    quoted one.

    Args:
        text: The answer.
        documents: The passages in the prompt; mark [1] is the first.
        question: As it was searched, so that it stands alone.
        unconfirmed: As in `Answer`; these claims are `"quoted"` at most.
    """
    found: dict[int, Citation] = {}
    for mark in checked_marks(text, documents, question, unconfirmed):
        number, checked = mark.citation.number, mark.citation
        if number not in found or _weight(checked) > _weight(found[number]):
            found[number] = checked
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class CheckedMark:
    """One number of a mark, checked against its own sentence `text[start:end]`.

    `claim` is the sentence with the rest of the clause after the mark.
    """

    start: int
    end: int
    claim: str
    citation: Citation


def checked_marks(
    text: str,
    documents: Sequence[Document],
    question: str,
    unconfirmed: Collection[tuple[int, str]] = (),
) -> Iterator[CheckedMark]:
    """Check every number of every mark in a complete answer, in order of appearance."""
    check = _Check(documents, question_terms(question))
    marks = list(MARK.finditer(text))
    claims = [_claims(text[: mark.start()]) for mark in marks]
    for mark, (claim, before) in zip(marks, claims, strict=True):
        is_whole = claim.endswith(_SENTENCE_ENDS)
        said = claim if is_whole else claim + _rest_of_clause(text[mark.end() :])
        start = text.rindex(claim, 0, mark.start())
        others = "\n".join(other for other, _ in claims if other != claim)
        for number in mark_numbers(mark[0]):
            if 1 <= number <= len(documents):
                checked = check.citation(number, claim, said, before, others)
                if checked.status == "supported" and (number, said) in unconfirmed:
                    checked = replace(checked, status="quoted")
                yield CheckedMark(start, mark.end(), said, checked)


def _weight(citation: Citation) -> int:
    """What is known about a sentence decides over what is not, and what is wrong over the rest."""
    if citation.contradicted:
        return 3
    return ("not_found", "quoted", "supported").index(citation.status)


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


class _Check:
    """Compares claims with passages, and their quotes with the question.

    Args:
        documents: The passages in the prompt.
        terms: Of the question.
    """

    def __init__(self, documents: Sequence[Document], terms: QuestionTerms) -> None:
        self._documents, self._terms = documents, terms
        self._keys: dict[int, SearchKey] = {}
        self._places = [find_places(document) for document in documents]

    def citation(
        self, number: int, claim: str, said: str, before: Sequence[str], others: str
    ) -> Citation:
        """Find what a claim took from its passage, and whether the passage says the same.

        Args:
            number: Of the passage.
            claim: The sentence before the mark.
            said: The same with the rest of its clause.
            before: Earlier sentences that the mark covers.
            others: The claims of other marks.
        """
        document = self._documents[number - 1]
        if number not in self._keys:
            self._keys[number] = normalize_with_offsets(document.page_content)
        key = self._keys[number]
        text, places = document.page_content, self._places[number - 1]

        def contradicts(sentence: str, span: tuple[int, int]) -> bool:
            return not agrees(sentence, text, span, context(document))

        quotes = find_quotes(claim, key, places) or find_quotes(said, key, places)
        spans = [span for span in quotes if not contradicts(said, span)]
        earlier = ((s, find_quotes(s, key, places)) for s in before)
        if (quotes and not spans) or any(at and contradicts(s, at[0]) for s, at in earlier):
            return Citation(number, document, contradicted=True)
        if not spans or names_another(claim, key.text):
            return Citation(number, document)
        answering = (span for span in spans if self._answers(number, said, span, others))
        supporting = next(answering, None)
        start, end = supporting or spans[0]
        status: CitationStatus = "supported" if supporting else "quoted"
        return Citation(number, document, text[start:end], start, end, status)

    def _answers(self, number: int, said: str, span: tuple[int, int], others: str) -> bool:
        places = self._places[number - 1]
        at = next((place for place in places if place.start <= span[0] < place.end), None)
        if at is None:
            return False
        rivals = [place for places in self._places for place in places if place is not at]
        return answers(self._terms, said, at, rivals, others)
