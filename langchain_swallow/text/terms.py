"""Terms of Japanese text for lexical search: characters and pairs of them, or words.

LangChain's default BM25 splits at spaces, which Japanese does not have: recall@1 on JSQuAD .02.
Character 1-grams and 2-grams of the search key find .91 without a dictionary, see
docs/benchmarks.md. `index.lexical` counts them.
"""

import re
import threading
from collections.abc import Callable

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.text.normalize import normalize

Tokenizer = Callable[[str], list[str]]

_WORD = re.compile(r"[^\W_]+")
# What only makes a sentence a question; in kana not within another word (ぶどう, いつも, などの).
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
    """1-grams and 2-grams of the search key, not across spaces and punctuation.

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
    """The search key without the words that make a question of it; all of it if nothing is left.

    Documents do not ask. A page that does, like a list of questions, would be found for them.

    >>> strip_question_words("試用期間はどのくらいですか。")
    '試用期間は  '
    """
    key = normalize(question)
    keywords = _QUESTION_WORDS.sub(" ", key)
    return keywords if _WORD.search(keywords) else key


def sudachi_terms() -> Tokenizer:
    """A tokenizer that adds words to the 2-grams: Sudachi's short units, in normalised form.

    Inflected and variant spellings meet (引っ越し, 引越), and particles do not count.

    Raises:
        MissingDependencyError: The `sudachi` extra is not installed.
    """
    try:
        from sudachipy import Dictionary, SplitMode
    except ImportError as error:
        raise MissingDependencyError(
            "Words need SudachiPy, which is not installed. "
            "Install it using `pip install langchain-swallow[sudachi]`."
        ) from error
    dictionary = Dictionary()
    # A tokenizer keeps state while it works; the dictionary does not.
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
