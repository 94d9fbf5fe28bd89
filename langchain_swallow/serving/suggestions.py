"""Suggests questions that the documents can answer, from their headings."""

import re
from pathlib import PurePath

from langchain_swallow._system.language import in_language
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.paths import readable_path
from langchain_swallow.text.surrogates import replace_surrogates

_MAX_SUGGESTIONS = 4
# Both 第3条（領収書） and ■領収書 are about 領収書.
_IN_BRACKETS = re.compile(r"[（(]([^（）()]+)[）)]$")
_IS_QUESTION = re.compile(r"(?:か|[?？])。?$")
_IS_SENTENCE = re.compile("(?:ません|ます|です|ました|ない|たい)。?$")
_MARKS = "■◆●○□◇・【】 \u3000"


def suggestions(store: SwallowFAISS) -> list[str]:
    """Return example questions from headings of different files, which the documents can answer."""
    headings: dict[str, str] = {}
    pairs = store.snapshot().distinct("source", "headings")
    for source, path in sorted(pairs, key=str):
        last = str(path or "").split(" > ")[-1]
        named = _IN_BRACKETS.search(last)
        subject = (named[1] if named else last).strip(_MARKS)
        if source and subject and source not in headings:
            title = PurePath(readable_path(str(source))).stem
            headings[str(source)] = _question_about(subject, title)
    return list(map(replace_surrogates, headings.values()))[:_MAX_SUGGESTIONS]


def _question_about(subject: str, title: str) -> str:
    """A question about the text below a heading, which the heading may be itself."""
    if _IS_QUESTION.search(subject):
        return subject
    if subject == title:
        return in_language(f"{title}には何が書かれていますか。", f"What does {title} say?")
    japanese = (
        f"{subject}。どうすればよいですか。"
        if _IS_SENTENCE.search(subject)
        else f"{title}の「{subject}」には何が書かれていますか。"
    )
    return in_language(japanese, f'What does {title} say about "{subject}"?')
