"""Where in a passage the words of a claim are: as they stand, by their values, or most of them."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from langchain_swallow.rag.agreement import content_pairs, has_all, measure_share
from langchain_swallow.rag.places import Place
from langchain_swallow.rag.question_terms import WORD
from langchain_swallow.text.normalize import SearchKey, normalize
from langchain_swallow.text.quantities import quantities, without_quantities
from langchain_swallow.text.sentences import sentence_spans

# Shorter common runs are particles and chance.
_SHORTEST_QUOTE = 4
# A shorter rest, such as は, names no subject.
_SHORTEST_WORDS = 3
_IN_WORD = re.compile("[一-龯々ァ-ヶーa-z]{2}")
# With their quantities cut out, two sentences that say the same share most of what is left.
_SAME_WORDS = 0.6
COPULA = re.compile("(?:です|でした|である|であった|だ|となります|になります)$")


def find_quotes(claim: str, key: SearchKey, places: Sequence[Place]) -> list[tuple[int, int]]:
    """Half-open spans of the passage that a claim may be from; empty if there is none.

    Args:
        claim: A sentence of an answer, without its mark.
        key: The search key of the passage.
        places: The rows and sentences of the passage.
    """
    wanted = normalize(claim).strip("。 、")
    core = COPULA.sub("", wanted)
    for words in filter(None, dict.fromkeys((wanted, core))):
        if whole := list(whole_words(words).finditer(key.text)):
            return [key.span(*match.span()) for match in whole]
    if not core:
        return []
    matcher = SequenceMatcher(None, wanted, key.text, autojunk=False)
    run = matcher.find_longest_match()
    is_long = run.size >= max(_SHORTEST_QUOTE, len(wanted) / 2)
    longest = [key.span(run.b, run.b + run.size)] if is_long else []
    if same := [(place.start, place.end) for place in places if _has_values(core, place)]:
        within = [(a, b) for a, b in longest for start, end in same if start <= a and b <= end]
        return within or same
    if longest:
        return longest
    span = _same_sentence(wanted, key.text) if quantities(wanted) else None
    return [key.span(*span)] if span else []


def _has_values(claim: str, place: Place) -> bool:
    """Whether a place has all quantities of a claim, and with its headings most of its words.

    Of a claim without quantities, it must have all words: the rest may be the wrong name.
    """
    wanted, where = quantities(claim), f"{place.text}\n{place.headings}"
    if not wanted:
        words = [word for word in WORD.findall(claim) if len(word) > 1]
        return len(words) > 1 and all(word in where for word in words)
    if not has_all(quantities(place.text), wanted):
        return False
    content = content_pairs(claim)
    return not content or measure_share(content, where) >= _SAME_WORDS


def names_another(claim: str, passage: str) -> bool:
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


def whole_words(claim: str) -> re.Pattern[str]:
    """A claim as it stands in a text: 10日 is not in 110日, and 3.5 not in 3.55."""
    before = r"(?<![0-9])(?<![0-9][.,])" if claim[0].isdigit() else ""
    after = r"(?![.,]?[0-9])" if claim[-1].isdigit() else ""
    return re.compile(f"{before}{re.escape(claim)}{after}")
