"""Tokenize Japanese text for lexical search: character n-grams, or words.

LangChain's default BM25 splits at spaces, which Japanese does not have: its recall@1 on JSQuAD is
0.02. Character 1-grams and 2-grams of the search key reach 0.91 without a dictionary (see
docs/benchmarks.md). `retrieval.index.bm25` counts the terms.
"""

import functools
import re
import threading
from collections.abc import Callable

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.text.normalize import normalize

Tokenizer = Callable[[str], list[str]]

_WORD = re.compile(r"[^\W_]+")
# Question words in kana only count at the start of a word, not inside ぶどう, いつも or などの.
_WORD_START = r"(?:(?<![ぁ-ん])|(?<=[はがをにでともの]))"
_QUESTION_WORDS = re.compile(
    _WORD_START
    + r"(?:ど[のれ][くぐ]らい|いくら|いくつ|いつ(?!も)|どこ|だれ|どれ|どの|どんな|どちら|"
    r"どう(?:やって|すれば|したら)?|なぜ|なに|なん)"
    r"|誰|何故|(?<!幾)何"
    r"|(?:でしょう|です|ます|ました|ません)か[。?]*$|か[。?]+$"
    r"|教えて(?:ください|下さい)?[。?]*$"
)
_CONTENT_WORDS = frozenset(
    {"名詞", "動詞", "形容詞", "形状詞", "副詞", "接頭辞", "接尾辞", "代名詞"}
)


def character_ngrams(text: str) -> list[str]:
    """1-grams and 2-grams of the search key; none spans a space or punctuation.

    >>> character_ngrams("有給 休暇")
    ['有', '有給', '給', '休', '休暇', '暇']
    """
    return [
        gram
        for word in _WORD.findall(normalize(text))
        for i in range(len(word))
        for gram in (word[i], word[i : i + 2])[: 2 if i + 1 < len(word) else 1]
    ]


def strip_question_words(question: str) -> str:
    """Return the search key without question words; the whole key if nothing else is left.

    Documents rarely contain question words. If they counted, a page that is a list of questions
    would match every question.

    >>> strip_question_words("試用期間はどのくらいですか。")
    '試用期間は  '
    """
    key = normalize(question)
    keywords = _QUESTION_WORDS.sub(" ", key)
    return keywords if _WORD.search(keywords) else key


@functools.cache
def sudachi_terms() -> Tokenizer:
    """Return a tokenizer that adds words to the 2-grams: Sudachi's short units, normalized.

    Inflected forms and spelling variants become the same term (引っ越し, 引越). Particles are left
    out. There is one tokenizer per process, which several threads may use at the same time.

    Raises:
        MissingDependencyError: The `sudachi` extra is not installed.
    """
    try:
        from sudachipy import Dictionary, SplitMode
    except ImportError as error:
        raise MissingDependencyError(
            "Word terms need SudachiPy, which is not installed. "
            "Install it using `pip install langchain-swallow[sudachi]`."
        ) from error
    dictionary = Dictionary()
    # A Sudachi tokenizer is stateful, so each thread has its own. They share the dictionary.
    local = threading.local()

    def terms(text: str) -> list[str]:
        if not hasattr(local, "tokenizer"):
            local.tokenizer = dictionary.tokenizer(SplitMode.A)
        words = [
            normalize(morpheme.normalized_form())
            for morpheme in local.tokenizer.tokenize(normalize(text))
            if morpheme.part_of_speech()[0] in _CONTENT_WORDS
        ]
        return words + [gram for gram in character_ngrams(text) if len(gram) == 2]

    return terms
