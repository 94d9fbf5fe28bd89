"""The index changes while questions are answered: none is lost, and the next one sees it."""

import asyncio
import re
import shutil

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.retrieval.index import folder
from langchain_swallow.retrieval.sync import sync_folder
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from tests.support.assistants import client
from tests.support.embeddings import CharacterEmbeddings

ROUNDS = 25


def indexed(documents, index, number):
    """Bring an index up to date with a folder, as another process does."""
    documents.mkdir(exist_ok=True)
    (documents / "会議室.md").write_text(f"会議室は{number}階にある。", encoding="utf-8")
    store = SwallowFAISS(CharacterEmbeddings(), path=index)
    sync_folder(store, documents, splitter=JapaneseTextSplitter(100))


def synced(tmp_path, number):
    indexed(tmp_path / "文書", tmp_path / "索引", number)


def replaced(tmp_path, number):
    """A new index takes the old one's place, which is removed."""
    made, old = tmp_path / f"新{number}", tmp_path / f"旧{number}"
    indexed(tmp_path / f"文書{number}", made, number)
    (tmp_path / "索引").rename(old)
    made.rename(tmp_path / "索引")
    shutil.rmtree(old)


# Seconds of indexing, again and again.
@pytest.mark.slow
@pytest.mark.parametrize("change", [synced, replaced])
async def test_no_question_is_lost_and_each_sees_what_was_there_before_it(change, tmp_path):
    synced(tmp_path, 0)
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    llm = FakeListChatModel(responses=["会議室の階 [1]"], sleep=0.001)
    app = create_app(Assistant(llm, store, splitter=JapaneseTextSplitter(100)), page=False)
    done = seen = 0

    async def ask(http):
        nonlocal seen
        while seen < ROUNDS:
            least = done
            got = await http.post("/v1/answers", json={"question": "会議室は何階にある？"})
            assert got.status_code == 200, got.text
            (document,) = got.json()["documents"]
            floor = int(re.search(r"会議室は(\d+)階", document["text"])[1])
            assert least <= floor <= done + 1
            seen = max(seen, floor)

    async with client(app) as http:
        asking = [asyncio.create_task(ask(http)) for _ in range(4)]
        for number in range(1, ROUNDS + 1):
            await asyncio.to_thread(change, tmp_path, number)
            done = number
            assert (await http.get("/readyz")).status_code == 200
            while seen < number and not any(task.done() for task in asking):
                await asyncio.sleep(0.001)
        await asyncio.gather(*asking)


def test_while_a_folder_is_moved_the_old_index_answers(tmp_path, monkeypatch):
    synced(tmp_path, 0)
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    synced(tmp_path, 1)
    read = folder.read_manifest

    def moved_away(path):
        path.rename(tmp_path / "旧")
        return read(path)

    monkeypatch.setattr(folder, "read_manifest", moved_away)
    assert store.documents[0].page_content == "会議室は0階にある。"
    monkeypatch.undo()
    assert store.documents[0].page_content == "会議室は0階にある。"
    (tmp_path / "旧").rename(tmp_path / "索引")
    assert store.documents[0].page_content == "会議室は1階にある。"
