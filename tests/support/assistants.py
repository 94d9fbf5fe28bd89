"""An assistant over three sentences, and clients of its API."""

import httpx
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from tests.support.embeddings import CharacterEmbeddings

TEXTS = ["会議室は3階にある。", "食堂のカレーは500円。", "出張の日当は3,000円とする。"]


def store():
    metadatas = [{"source": f"/srv/文書/{i}.md"} for i in range(3)]
    return SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), metadatas)


def assistant(*answers, sleep=None, **options):
    llm = FakeListChatModel(responses=list(answers) or ["3階 [1]"], sleep=sleep)
    return Assistant(llm, store(), splitter=JapaneseTextSplitter(100), **options)


def client(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def new_session(http):
    got = await http.post("/v1/sessions")
    assert got.status_code == 201
    return got.json()["session"]
