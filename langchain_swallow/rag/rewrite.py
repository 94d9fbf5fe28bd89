"""A follow-up question → a question that stands alone, so that it can be searched.

The model is asked only when the question leans on what was said before. Its rewrite is taken only
when it is a question with the words of this one and of the conversation; else the last question
that stands alone is put before this one.
"""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_swallow.prompts.presets import get_preset
from langchain_swallow.rag.agreement import content_pairs, has_all
from langchain_swallow.rag.question_terms import question_terms
from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.quantities import quantities

# Words that point back, and beginnings that go on from the last answer.
_POINTS_BACK = re.compile(
    r"それ|その|そこ|そちら|これ|この|ここ|あれ|あの|同じ|上記|先ほど|さっき|ほかに|他に|他は|ほかは"
    r"|^(?:では|じゃあ|じゃ|なら|あと|また|で、)"
)
# Without a predicate: 大阪は。 海外の場合は。
_FRAGMENT = re.compile(r"^.{1,12}(?:は|の場合|だと|なら|も)[。？?]?$")
# Without a topic: いつまで？ 何日前までですか。
_ONLY_ASKS = re.compile(
    r"^(?:いつ|いくら|いくつ|どこ|どれ|どう|どの|だれ|誰|なぜ|何[一-龯]{0,2})[ぁ-ん]*[。？?]?$"
)
_ASKS = re.compile(r"[かは。]?[？?]$|[かはのを][。]?$|ください[。]?$|何|誰|どこ|いつ|いくら|どの")
_QUESTION_WORD = re.compile("いくら|いくつ|いつ|どこ|だれ|なぜ|どう|どれ")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_TURNS = 3
_CHARACTERS_OF_AN_ANSWER = 200


def stands_alone(question: str) -> bool:
    """Whether a question can be understood without the conversation.

    >>> stands_alone("有給休暇は何日ですか。"), stands_alone("それはいつもらえますか。")
    (True, False)
    """
    leans = (_POINTS_BACK.search, _FRAGMENT.search, _ONLY_ASKS.search)
    return not any(search(question.strip()) for search in leans)


def rewrite_messages(history: Sequence[BaseMessage], question: str) -> list[BaseMessage]:
    """The prompt that asks a model for the rewrite, with the last turns."""
    lines = [
        f"{'質問' if isinstance(message, HumanMessage) else '回答'}: "
        f"{str(message.text)[:_CHARACTERS_OF_AN_ANSWER]}"
        for message in history
        if isinstance(message, HumanMessage | AIMessage)
    ]
    template = get_preset("会話の書き換え").template
    return template.format_messages(history="\n".join(lines[-2 * _TURNS :]), question=question)


def accepted(rewrite: str, history: Sequence[BaseMessage], question: str) -> str:
    """The rewrite if it is one, else the last question that stands alone, and this one."""
    lines = rewrite.strip().splitlines()
    first = lines[0].strip() if lines else ""
    asked = [str(m.text).strip() for m in reversed(history) if isinstance(m, HumanMessage)]
    last = next(filter(stands_alone, asked), asked[0] if asked else "")
    is_question = bool(
        _JAPANESE.search(first)
        and _ASKS.search(first)
        and len(first) <= 3 * (len(question) + len(last))
        and _keeps(first, question)
        and _goes_back(first, history, question)
    )
    return first if is_question and first != last else f"{last} {question}".strip()


def _keeps(rewrite: str, question: str) -> bool:
    """Whether a rewrite has what the question names: 部長 of では部長は？"""
    named, key = question_terms(question), normalize(rewrite)
    return all(word in key for word in named.required) and has_all(
        quantities(key), named.quantities
    )


def _goes_back(rewrite: str, history: Sequence[BaseMessage], question: str) -> bool:
    """Whether a rewrite has words of the conversation that the question leaves out."""
    said = _content("\n".join(str(message.text) for message in history))
    return bool(_content(rewrite) & (said - _content(question)))


def _content(text: str) -> set[str]:
    key = normalize(text)
    return content_pairs(key) | set(_QUESTION_WORD.findall(key))
