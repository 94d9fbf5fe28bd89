"""A follow-up question → a question that stands alone, so that it can be searched.

The model is asked only when the question leans on what was said before, and its rewrite is taken
only when it is a question about the same thing; else the last question is put before this one.
"""

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_swallow.prompts.presets import get_preset
from langchain_swallow.text.terms import character_ngrams

# Words that point back, and beginnings that go on from the last answer.
_POINTS_BACK = re.compile(
    r"それ|その|そこ|そちら|これ|この|ここ|あれ|あの|同じ|上記|先ほど|さっき|ほかに|他に|他は|ほかは"
    r"|^(?:では|じゃあ|じゃ|なら|あと|また|で、)"
)
# Without a predicate: 大阪は。 海外の場合は。
_FRAGMENT = re.compile(r"^.{1,12}(?:は|の場合|だと|なら|も)[。？?]?$")
_ASKS = re.compile(r"[かは。]?[？?]$|[かはのを][。]?$|ください[。]?$|何|誰|どこ|いつ|いくら|どの")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_TURNS = 3
_CHARACTERS_OF_AN_ANSWER = 200


def stands_alone(question: str) -> bool:
    """Whether a question can be understood without the conversation.

    >>> stands_alone("有給休暇は何日ですか。"), stands_alone("それはいつもらえますか。")
    (True, False)
    """
    return not (_POINTS_BACK.search(question) or _FRAGMENT.search(question))


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
    """The rewrite if it is one, else the last question of the history and this one."""
    lines = rewrite.strip().splitlines()
    first = lines[0].strip() if lines else ""
    asked = [str(m.text).strip() for m in history if isinstance(m, HumanMessage)]
    last = asked[-1] if asked else ""
    shared = set(character_ngrams(first)) & set(character_ngrams(question + last))
    is_question = bool(
        _JAPANESE.search(first)
        and _ASKS.search(first)
        and len(first) <= 3 * (len(question) + len(last))
        and any(len(gram) == 2 for gram in shared)
    )
    return first if is_question else f"{last} {question}".strip()
