"""The thought of an answer in the API's events."""

import json

from langchain_swallow.rag import Answer
from langchain_swallow.serving.api import _events

PIECES = [Answer(question="問"), Answer(reasoning="<b>考え"), Answer(reasoning="た。"),
          Answer("答え。")]  # fmt: skip


async def test_a_thought_is_an_event_of_its_own():
    async def pieces():
        for piece in PIECES:
            yield piece

    lines = [event.split("\n")[:2] async for event in _events(pieces(), "a1")]
    sent = [(kind.removeprefix("event: "), json.loads(data[6:])) for kind, data in lines]
    assert [kind for kind, _ in sent] == ["reasoning", "reasoning", "text", "answer"]
    assert [data["text"] for _, data in sent] == ["<b>考え", "た。", "答え。", "答え。"]
    assert sent[-1][1]["reasoning"] == "<b>考えた。"
    assert sent[-1][1]["answer_id"] == "a1"
