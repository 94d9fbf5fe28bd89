"""Metrics, as Prometheus reads them."""

import asyncio

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from langchain_swallow import ChatSwallow, JapaneseTextSplitter
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.protocol import EngineLoad
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.people import People, add_person
from tests.support.assistants import assistant, client, new_session, store
from tests.support.openai_server import CHAT
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.usefixtures("japanese")

QUESTION = {"question": "会議室は何階ですか。"}


async def scraped(http, **headers):
    got = await http.get("/metrics", headers=headers)
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("text/plain; version=")
    samples = {}
    for family in text_string_to_metric_families(got.text):
        for sample in family.samples:
            # Labels in the order of their names.
            samples[(sample.name, *sample.labels.values())] = sample.value
    return samples


class Loaded(FakeEngine):
    def measure(self):
        return EngineLoad(running=3, waiting=2, kv_cache_usage=0.25)


async def test_what_happened_can_be_scraped():
    engine = Loaded(["3階 [1]", "3階 [1]"], trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model=CHAT)
    made = Assistant(llm, store(), splitter=JapaneseTextSplitter(100), requests_per_minute=5)
    async with client(create_app(made, page=False)) as http:
        assert (await http.post("/v1/answers", json=QUESTION)).status_code == 200
        await http.post("/v1/answers", json={**QUESTION, "stream": True})
        session = await new_session(http)
        path = f"/v1/sessions/{session}/documents"
        files = [("files", ("一.txt", "電球は12個。".encode())), ("files", ("絵.png", b"\x89PNG"))]
        await http.post(path, files=files)
        await http.post("/v1/answers", json={})
        await http.get("/v1/none")
        await http.request("BREW", "/v1/answers")
        chat = {"model": CHAT, "messages": [{"role": "user", "content": "こんにちは"}]}
        await http.post("/v1/chat/completions", json=chat)
        await http.post("/v1/answers", json=QUESTION)
        for _ in range(2):
            assert (await http.post("/v1/answers", json=QUESTION)).status_code == 429
        seen = await scraped(http)
        got = await http.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        families = list(openmetrics.text_string_to_metric_families(got.text))
    requests = "http_server_request_duration_seconds_count"
    answers = "gen_ai_server_request_duration_seconds_count"
    assert {name: value for name, value in seen.items() if name[0] == requests} == {
        (requests, "POST", "200", "/v1/answers"): 2,
        (requests, "POST", "422", "/v1/answers"): 1,
        (requests, "POST", "429", "/v1/answers"): 2,
        (requests, "POST", "503", "/v1/answers"): 1,
        (requests, "POST", "201", "/v1/sessions"): 1,
        (requests, "POST", "200", "/v1/sessions/{session}/documents"): 1,
        (requests, "POST", "503", "/v1/chat/completions"): 1,
        (requests, "GET", "404", ""): 1,
        (requests, "_OTHER", "405", "/v1/answers"): 1,
    }
    assert seen[answers, "answered"] == 2
    # The fake has two answers only.
    assert seen[answers, "failed"] == 2
    assert seen["gen_ai_server_time_to_first_token_seconds_count",] == 2
    assert seen["swallow_retrieval_duration_seconds_count",] == 3
    assert seen["swallow_retrieval_duration_seconds_sum",] > 0
    used = engine.requests
    assert seen["swallow_tokens_total", "input"] == sum(len(r.prompt_ids) for r in used[:2])
    assert seen["swallow_tokens_total", "output"] > 0
    assert seen["swallow_refused_requests_total", "quota"] == 2
    assert seen["swallow_uploaded_files_total", "added"] == 1
    assert seen["swallow_uploaded_files_total", "failed"] == 1
    assert seen["swallow_sessions",] == 1
    assert (seen["swallow_engine_running",], seen["swallow_engine_waiting",]) == (3, 2)
    assert seen["swallow_engine_kv_cache_usage_ratio",] == 0.25
    assert "swallow_tokens" in {family.name for family in families}


async def test_the_queue_and_how_answers_end():
    made = assistant(
        "一" * 50, "資料からは分かりません。", "三", sleep=0.02, max_running=1, max_waiting=1
    )
    async with client(create_app(made, page=False)) as http:
        asking = [asyncio.create_task(http.post("/v1/answers", json=QUESTION)) for _ in range(2)]
        while made.llm.i < 1:
            await asyncio.sleep(0.01)
        assert (await http.post("/v1/answers", json=QUESTION)).status_code == 429
        seen = await scraped(http)
        assert (seen["swallow_answers_running",], seen["swallow_answers_waiting",]) == (1, 1)
        assert seen["swallow_refused_requests_total", "queue"] == 1
        asking[0].cancel()
        await asking[1]
        made._request_timeout_s = 0.01
        assert (await http.post("/v1/answers", json=QUESTION)).status_code == 504
        seen = await scraped(http)
    ended = "gen_ai_server_request_duration_seconds_count"
    found = {name[1]: value for name, value in seen.items() if name[0] == ended}
    assert found == {"left": 1, "refused": 1, "timeout": 1}


async def test_two_servers_of_a_process_count_apart():
    apps = [create_app(assistant(), page=False) for _ in range(2)]
    async with client(apps[0]) as http:
        await http.get("/livez")
    async with client(apps[1]) as http:
        seen = await scraped(http)
    assert not any(name[0].startswith("http_server") for name in seen)


async def test_metrics_are_the_operators(tmp_path):
    people = tmp_path / "people.json"
    person = add_person(people, "佐藤", ["役員"])
    made = assistant()
    app = create_app(
        made, page=False, token="own", people=People(people), metrics_token="scrape"
    )  # fmt: skip
    async with client(app) as http:
        for token, status in {"own": 200, "scrape": 200, person: 403, "no": 401, "": 401}.items():
            got = await http.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert got.status_code == status, token
        headers = {"Authorization": "Bearer scrape"}
        for path in ("/v1/models", "/v1/sessions", "/metrics/x", "/openapi.json"):
            assert (await http.get(path, headers=headers)).status_code == 401, path
    async with client(create_app(made, page=False, token="own")) as http:
        assert (await http.get("/metrics")).status_code == 401
    async with client(create_app(made, page=False)) as http:
        assert (await http.get("/metrics")).status_code == 200
