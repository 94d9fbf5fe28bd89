"""The thought of an answer on the page, which folds it, and in the API's events."""

import json

from langchain_swallow.rag import Answer
from langchain_swallow.serving.api import _events
from langchain_swallow.serving.page_turns import _body

PIECES = [Answer(question="問"), Answer(reasoning="<b>考え"), Answer(reasoning="た。"),
          Answer("答え。")]  # fmt: skip


async def test_a_thought_is_an_event_of_its_own():
    async def pieces():
        for piece in PIECES:
            yield piece

    lines = [event.split("\n")[:2] async for event in _events(pieces())]
    sent = [(kind.removeprefix("event: "), json.loads(data[6:])) for kind, data in lines]
    assert [kind for kind, _ in sent] == ["reasoning", "reasoning", "text", "answer"]
    assert [data["text"] for _, data in sent] == ["<b>考え", "た。", "答え。", "答え。"]
    assert sent[-1][1]["reasoning"] == "<b>考えた。"


def test_the_page_sends_a_thought_once_and_folded():
    answer = PIECES[1] + PIECES[2] + PIECES[3]
    growing, whole = _body("1", answer), _body("1", answer, is_whole=True)
    assert "考えた。" not in growing
    assert "Thinking (7 characters)" in growing
    assert "<details><summary>" in whole
    assert "&lt;b&gt;考えた。" in whole.split("</details>")[0]
    assert "答え。" in whole.split("</details>")[1]
