"""How many answers run and wait, and for how long."""

import asyncio
import gc
import json
import time

import httpx2
import openai
import pytest

from langchain_swallow.serving.admission import Admission
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.refusals import AnswerTimeoutError, BusyError
from langchain_swallow.serving.sessions import Session
from tests.support.assistants import assistant, client, new_session
from tests.support.openai_server import QUESTION

pytestmark = pytest.mark.usefixtures("japanese")

ASKED = "会議室は何階ですか。"
LONG = "一二三四五六七八九十" * 20


def app(made):
    return create_app(made, page=False)


async def whole(pieces):
    return [piece async for piece in pieces]


async def test_no_more_answers_run_than_may_and_the_others_follow_in_order():
    admission, order, most = Admission(2, 10), [], 0

    async def answer(number):
        nonlocal most
        async with admission.place().turn():
            order.append(number)
            most = max(most, admission.running)
            await asyncio.sleep(0.01)

    await asyncio.gather(*map(answer, range(8)))
    assert (order, most) == (list(range(8)), 2)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_beyond_the_queue_questions_are_told_when_to_come_again():
    made = assistant(LONG, sleep=0.05, max_running=1, max_waiting=1)
    body = {"question": ASKED, "stream": True}
    completion = {"model": "FakeListChatModel", "messages": QUESTION}
    async with client(app(made)) as http:
        asking = [asyncio.create_task(http.post("/v1/answers", json=body)) for _ in range(2)]
        while made.admission.running < 1:
            await asyncio.sleep(0.01)
        assert (made.admission.running, made.admission.waiting) == (1, 1)
        for stream in (False, True):
            got = await http.post("/v1/answers", json={**body, "stream": stream})
            assert (got.status_code, "混んでいます" in got.json()["detail"]) == (429, True)
            assert 1 <= int(got.headers["retry-after"]) <= 60
            for model in ("FakeListChatModel", "swallow-rag"):
                sent = {**completion, "model": model, "stream": stream}
                got = await http.post("/v1/chat/completions", json=sent)
                assert got.status_code == 429
                assert got.json()["error"]["code"] == "rate_limit_exceeded"
                assert int(got.headers["retry-after"]) >= 1
        # Who leaves makes room, running or waiting.
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert (made.admission.running, made.admission.waiting) == (0, 0)
        made.llm.sleep = None
        assert (await http.post("/v1/answers", json=body)).status_code == 200


# Retry-After is whole seconds.
@pytest.mark.slow
async def test_openais_client_tries_again_until_there_is_room():
    made = assistant("一", sleep=0.2, max_running=1, max_waiting=0)
    transport = httpx2.ASGITransport(app(made))
    async with httpx2.AsyncClient(transport=transport) as http:
        asking = openai.AsyncOpenAI(
            base_url="http://127.0.0.1/v1", api_key="x", http_client=http, max_retries=3
        ).chat.completions.create
        tasks = [asking(model="FakeListChatModel", messages=QUESTION) for _ in range(2)]
        answers = await asyncio.gather(*tasks)
    assert [answer.choices[0].message.content for answer in answers] == ["一", "一"]


async def test_a_session_waits_for_its_earlier_answer_and_takes_no_turn_meanwhile():
    made = assistant("一二三", sleep=0.03, max_running=2)
    session = Session()
    tasks = [asyncio.create_task(whole(made.answer(session, ASKED))) for _ in range(3)]
    await asyncio.sleep(0.03)
    assert (made.admission.running, made.admission.waiting) == (1, 2)
    other = await whole(made.answer(Session(), ASKED))
    assert "".join(piece.text for piece in other) == "一二三"
    await asyncio.gather(*tasks)


async def test_a_stream_that_nobody_reads_takes_no_place_for_ever():
    made = assistant(max_running=1, max_waiting=0)
    unread = made.answer(Session(), ASKED)
    with pytest.raises(BusyError):
        made.answer(Session(), ASKED)
    del unread
    gc.collect()
    assert await whole(made.answer(Session(), ASKED))


async def test_an_answer_ends_after_its_time():
    made = assistant(LONG, sleep=0.02, request_timeout_s=0.5)
    chat = {"model": "FakeListChatModel", "messages": QUESTION}
    async with client(app(made)) as http:
        session = await new_session(http)
        whole, events, completion, chunks = await asyncio.gather(
            http.post("/v1/answers", json={"question": ASKED}),
            http.post("/v1/answers", json={"question": ASKED, "session": session, "stream": True}),
            http.post("/v1/chat/completions", json=chat),
            http.post("/v1/chat/completions", json={**chat, "stream": True}),
        )
        # What was shown is what was said.
        assert len(made.sessions.find(session).history.messages) == 2
    assert (whole.status_code, "0.5 秒以内" in whole.json()["detail"]) == (504, True)
    last = events.text.strip().split("\n\n")[-1]
    assert (last[:13], "0.5 秒以内" in last) == ("event: error\n", True)
    assert (completion.status_code, completion.json()["error"]["type"]) == (504, "server_error")
    *_, last = [line for line in chunks.text.splitlines() if line]
    assert "0.5 秒以内" in json.loads(last.removeprefix("data: "))["error"]["message"]
    assert (made.admission.running, made.admission.waiting, made._answering) == (0, 0, 0)


async def test_waiting_counts_towards_the_time():
    made = assistant(LONG, sleep=0.02, max_running=1, request_timeout_s=0.2)
    answers = [whole(made.answer(Session(), ASKED)) for _ in range(3)]
    began = time.monotonic()
    ended = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(error) for error in ended] == [AnswerTimeoutError] * 3
    # Together, not one after the other.
    assert time.monotonic() - began < 0.6
    assert (made.admission.running, made.admission.waiting) == (0, 0)
