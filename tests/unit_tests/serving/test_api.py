"""Assistant and API, without a socket: requests go through ASGI."""

import asyncio
import json
import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.errors import IndexStoreError, ServerConnectionError
from langchain_swallow.rag import Answer
from langchain_swallow.rag.citation import Citation
from langchain_swallow.serving.answer_json import _public, answer_json
from langchain_swallow.serving.api import create_api
from langchain_swallow.serving.api_models import AnswerBody
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.guard import Guard
from langchain_swallow.serving.ratings import rate
from langchain_swallow.serving.refusals import (
    BusyError,
    UnknownAnswerError,
    UnknownDocumentError,
    UnknownSessionError,
)
from langchain_swallow.serving.sessions import Sessions
from langchain_swallow.serving.settings import AnswerLengths, Settings
from langchain_swallow.serving.uploads import Limits, Received, file_name
from tests.support.assistants import assistant, client, new_session, store
from tests.support.embeddings import CharacterEmbeddings

pytestmark = pytest.mark.usefixtures("japanese")


def session_of(made, name="甲"):
    """The session that a test calls by this name."""
    named = made.__dict__.setdefault("named", {})
    if name not in named:
        named[name] = made.sessions.create(name)
    return named[name]


def received(path):
    return Received(path.name, path.stat().st_size, path.read_bytes)


async def added(made, paths, name="甲", **options):
    files = [received(path) for path in paths]
    return [row async for row in made.files.add(session_of(made, name), files, **options)]


async def asked(made, name, question, settings=None, *, again=False):
    session = session_of(made, name)
    answer = Answer()
    async for piece in made.answer(session, question, settings, again=again):
        answer += piece
    return answer


# Sessions


async def test_a_conversation_belongs_to_its_session():
    made = assistant("3階 [1]")
    await asked(made, "甲", "会議室は何階ですか。")
    await asked(made, "乙", "食堂のカレーはいくらですか。")
    said = [m.text for m in session_of(made).history.messages]
    assert said == ["会議室は何階ですか。", "3階 [1]"]
    # それ is the last question of this session, not of the other.
    again = await asked(made, "甲", "それはどこですか。")
    assert "会議室" in again.question
    assert "カレー" not in again.question
    made.sessions.forget(session_of(made).id)
    assert session_of(made).history.messages == []


async def test_answered_again_a_question_is_there_once():
    made = assistant(*[f"答え{i}" for i in range(5)])

    def said():
        return [message.text for message in session_of(made).history.messages]

    await asked(made, "甲", "会議室は何階ですか。")
    await asked(made, "甲", "食堂はどこですか。")
    await asked(made, "甲", "食堂はどこですか。", again=True)
    assert said() == ["会議室は何階ですか。", "答え0", "食堂はどこですか。", "答え2"]
    # The last question failed, or was stopped before its first word: nothing is there of it.
    await asked(made, "甲", "会議室は何階ですか。", again=True)
    assert said()[2:] == ["食堂はどこですか。", "答え2", "会議室は何階ですか。", "答え3"]


async def test_an_answer_that_goes_on_is_taken_back_when_it_has_ended():
    made = assistant("一 二 三", "四")
    first = made.answer(session_of(made), "会議室は何階ですか。")
    while not (await anext(first)).text:
        pass
    second = asyncio.create_task(asked(made, "甲", "会議室は何階ですか。", again=True))
    await asyncio.sleep(0.05)
    assert not second.done()
    await first.aclose()
    await second
    said = [message.text for message in session_of(made).history.messages]
    assert said == ["会議室は何階ですか。", "四"]


async def test_what_was_sent_before_the_client_left_is_kept_though_no_thread_is_free():
    made = assistant("一 二 三", sleep=0.05)
    session = made.sessions.create()
    pieces = made.answer(session, "会議室は何階ですか。", answer_id="1")
    while not (await anext(pieces)).text:
        pass
    leave, loop = threading.Event(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    blocked = loop.run_in_executor(None, leave.wait)
    try:
        await asyncio.wait_for(pieces.aclose(), 5)
        assert [message.type for message in session.history.messages] == ["human", "ai"]
        assert [turn.id for turn in made.sessions.conversations.turns(session.id)] == ["1"]
    finally:
        leave.set()
        await blocked


async def test_answers_of_a_session_wait_for_each_other():
    made = assistant(*[f"答え{i}" for i in range(6)])
    questions = [f"会議室は何階ですか、その{i}。" for i in range(6)]
    await asyncio.gather(*(asked(made, "甲", question) for question in questions))
    said = [message.text for message in session_of(made).history.messages]
    assert sorted(said[::2]) == questions
    assert all(answer.startswith("答え") for answer in said[1::2])


def test_a_session_has_an_id_that_nobody_guesses():
    sessions = Sessions()
    ids = {sessions.create().id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(session_id) >= 32 for session_id in ids)
    for made_up in ("甲", "", "bot-1", "../", next(iter(ids)).swapcase()):
        with pytest.raises(UnknownSessionError):
            sessions.find(made_up)


def test_a_client_has_its_share_of_sessions_and_no_more():
    sessions = Sessions(max_sessions=8, per_client=3)
    hers = sessions.create("三浦")
    hers.history.add_messages([HumanMessage("合併の相手は？")])
    for _ in range(3):
        sessions.create("攻撃")
    with pytest.raises(BusyError) as refused:
        sessions.create("攻撃")
    assert (refused.value.status, refused.value.retry_after_s) == (429, 60)
    for i in range(4):
        sessions.create(f"client {i}")
    with pytest.raises(BusyError) as refused:
        sessions.create("一人多い")
    assert refused.value.status == 503
    # Nobody lost anything by this.
    assert sessions.find(hers.id) is hers
    assert len(hers.history.messages) == 1


def test_sessions_that_nobody_would_miss_make_room():
    sessions = Sessions(max_sessions=2, per_client=2, empty_s=0)
    empty, used = sessions.create("一"), sessions.create("一")
    used.files["備品.txt"] = 1
    third = sessions.create("一")
    assert sessions.find(used.id) is used
    assert sessions.find(third.id) is third
    with pytest.raises(UnknownSessionError):
        sessions.find(empty.id)
    idle = Sessions(idle_s=0.0)
    forgotten = idle.create()
    forgotten.history.add_messages([HumanMessage("何？")])
    with pytest.raises(UnknownSessionError):
        idle.find(forgotten.id)
    idle.create()
    assert len(idle) == 1
    assert forgotten.closed


async def test_settings_have_bounds():
    made = assistant()
    for wrong in (
        {"k": 0},
        {"k": 11},
        {"max_tokens": 2000},
        {"temperature": 9},
        {"preset": "要約"},
        {"system_prompt": "長" * 1001},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Settings(**wrong)
    with pytest.raises(ValueError, match="2000 文字まで"):
        await asked(made, "甲", "長" * 2001)
    answer = await asked(
        made, "甲", "会議室は？", Settings(system_prompt="{変数}でなく{text}", k=1)
    )
    assert len(answer.documents) == 1


# Uploads


@pytest.mark.slow
async def test_uploads_are_of_one_session(tmp_path):
    made = assistant("12個 [1]", limits=Limits(passages=5))
    good, bad = tmp_path / "備品.txt", tmp_path / "壊れた.pdf"
    good.write_bytes("予備の電球は倉庫に12個ある。".encode("cp932"))
    bad.write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / "絵.png").write_bytes(b"\x89PNG")
    results = await added(made, [good, bad, tmp_path / "絵.png", good])
    assert [(r.name, r.passages) for r in results] == [
        ("備品.txt", 1),
        ("壊れた.pdf", 0),
        ("絵.png", 0),
        ("備品.txt", 1),
    ]
    assert "読めない形式" in results[2].error
    assert str(tmp_path) not in " ".join(result.error for result in results)
    own = await asked(made, "甲", "予備の電球は何個ありますか。")
    assert own.documents[0].page_content == "予備の電球は倉庫に12個ある。"
    assert own.citations[0].place == "備品.txt"
    other = await asked(made, "乙", "予備の電球は何個ありますか。")
    assert all("電球" not in document.page_content for document in other.documents)
    assert len(made.store) == 3


@pytest.mark.slow
async def test_a_file_counts_once_and_only_where_it_was_added(tmp_path):
    made = assistant(limits=Limits(files=2))
    files = {name: tmp_path / name for name in ("一.txt", "二.txt", "三.txt", "絵.png")}
    for name, path in files.items():
        path.write_text(f"{name}の電球は12個。", encoding="utf-8")
    for name in ("絵.png", "一.txt", "一.txt", "絵.png", "一.txt", "二.txt", "二.txt"):
        (result,) = await added(made, [files[name]])
        assert bool(result.error) == (name == "絵.png")
    (result,) = await added(made, [files["三.txt"]])
    assert "2 個まで" in result.error
    # A removed one makes room, and is not answered from.
    made.files.remove(session_of(made), "一.txt")
    (result,) = await added(made, [files["三.txt"]])
    assert not result.error
    found = await asked(made, "甲", "一.txtの電球は何個ですか。", Settings(k=10))
    assert {d.metadata["source"] for d in found.documents} >= {"二.txt", "三.txt"}
    assert "一.txt" not in {d.metadata["source"] for d in found.documents}
    with pytest.raises(UnknownDocumentError):
        made.files.remove(session_of(made), "一.txt")


async def test_a_new_conversation_has_no_documents(tmp_path):
    made = assistant()
    (tmp_path / "備品.txt").write_text("電球は12個。", encoding="utf-8")
    await added(made, [tmp_path / "備品.txt"])
    session_of(made).clear()
    found = await asked(made, "甲", "電球は何個ですか。")
    assert "備品.txt" not in {d.metadata["source"] for d in found.documents}


async def test_a_file_of_the_same_name_is_replaced(tmp_path):
    made = assistant()
    path = tmp_path / "備品.txt"
    for text in ("電球は12個。", "電球は9個。"):
        path.write_text(text, encoding="utf-8")
        assert [r.passages for r in await added(made, [path])] == [1]
    documents = session_of(made).documents.documents
    assert [document.page_content for document in documents] == ["電球は9個。"]


async def test_everyones_documents_change_by_permission_only(tmp_path):
    path = tmp_path / "備品.txt"
    path.write_text("電球は12個。", encoding="utf-8")
    with pytest.raises(PermissionError, match="--shared-uploads"):
        await added(assistant(), [path], shared=True)
    made = assistant(shared_uploads=True)
    assert [r.passages for r in await added(made, [path], shared=True)] == [1]
    assert len(made.store) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(passages=2), "2 を超えます"),
        (Limits(session_passages=3), "3 を超えます"),
        (Limits(all_passages=4), "4 を超えます"),
        (Limits(file_mb=0.001), "0.001 MiB"),
    ],
    ids=["of a file", "of a session", "of all sessions", "bytes"],
)
async def test_long_files_are_refused(tmp_path, limits, said):
    made = assistant(limits=limits)
    path = tmp_path / "長い.txt"
    path.write_text("\n\n".join(f"第{i}条。{'長い文。' * 40}" for i in range(9)), encoding="utf-8")
    (result,) = await added(made, [path])
    assert said in result.error
    assert session_of(made).files == {}


async def test_ratings_are_kept(tmp_path):
    file = tmp_path / "評価" / "feedback.jsonl"
    made = assistant(feedback=file)
    assert made.takes_ratings
    session = session_of(made)
    for question, good, reason in (("何階？", True, ""), ("いくら？", False, "古い。")):
        pieces = made.answer(session, question, answer_id=f"{question}1")
        assert [piece async for piece in pieces]
        rate(made, session, f"{question}1", good=good, reason=reason)
    text = file.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["question"], row["good"], row.get("reason")) for row in rows] == [
        ("何階？", True, None),
        ("いくら？", False, "古い。"),
    ]
    assert all(row["answer"].startswith("3階 [") for row in rows)
    # Who has a session's id may use the session.
    assert session.id not in text
    with pytest.raises(UnknownAnswerError):
        rate(made, session_of(made, "乙"), "何階？1", good=True)
    without = assistant()
    async for _ in without.answer(session_of(without), "何階？", answer_id="1"):
        pass
    with pytest.raises(PermissionError, match="--feedback"):
        rate(without, session_of(without), "1", good=True)


# API


async def test_an_answer_as_json():
    made = assistant()
    async with client(create_api(made)) as http:
        got = await http.post("/v1/answers", json={"question": "会議室は何階ですか。"})
        assert got.status_code == 200
        assert got.json()["text"] == "3階 [1]"
        assert got.json()["citations"][0]["quote"] == "3階"
        assert got.json()["citations"][0]["source"] == "0.md"
        assert "/srv" not in got.text
        # Without a session nothing is remembered.
        assert len(made.sessions) == 0
        session = await new_session(http)
        body = {"question": "会議室は何階ですか。", "session": session}
        assert (await http.post("/v1/answers", json=body)).status_code == 200
        assert len(made.sessions.find(session).history.messages) == 2
        assert (await http.delete(f"/v1/sessions/{session}")).status_code == 204
        assert len(made.sessions) == 0
        assert (await http.post("/v1/answers", json=body)).status_code == 404
        assert (await http.get("/health")).json() == {"status": "ok", "passages": 3}
        schema = (await http.get("/openapi.json")).json()
        assert set(schema["paths"]) == {
            "/health",
            "/livez",
            "/readyz",
            "/v1/answers",
            "/v1/chat/completions",
            "/v1/documents",
            "/v1/embeddings",
            "/v1/models",
            "/v1/models/{model}",
            "/v1/feedback",
            "/v1/sessions",
            "/v1/sessions/{session}",
            "/v1/sessions/{session}/answers/{answer}/rating",
            "/v1/sessions/{session}/answers/{answer}/sources/{number}",
            "/v1/sessions/{session}/answers/{answer}/sources/{number}/image",
            "/v1/sessions/{session}/documents",
            "/v1/sessions/{session}/documents/{name}",
            "/v1/suggestions",
        }
        assert (await http.get("/docs")).status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "question"),
        ({"question": ""}, "question"),
        ({"question": "   "}, "No question"),
        ({"question": "会議室は？", "k": 99}, "less than or equal to 10"),
        ({"question": "会議室は？", "temperature": -1}, "greater than or equal to 0"),
        ({"question": "会議室は？", "preset": "要約"}, "preset must be one of"),
        ({"question": "会議室は？", "unknown": 1}, "unknown"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(body, said, monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "en")
    async with client(create_api(assistant())) as http:
        got = await http.post("/v1/answers", json=body)
        assert got.status_code == 422
        assert said in got.text
        assert all({"loc", "msg", "type"} == row.keys() for row in got.json()["detail"])


async def test_files_come_by_the_api():
    made = assistant("12個 [1]")
    files = [
        ("files", ("../../備品.txt", "予備の電球は倉庫に12個ある。".encode("cp932"))),
        ("files", ("絵.png", b"\x89PNG")),
    ]
    async with client(create_api(made)) as http:
        session = await new_session(http)
        documents = f"/v1/sessions/{session}/documents"
        got = await http.post(documents, files=files)
        assert [(row["name"], row["passages"]) for row in got.json()] == [
            ("備品.txt", 1),
            ("絵.png", 0),
        ]
        assert (await http.get(documents)).json() == [{"name": "備品.txt", "passages": 1}]
        body = {"question": "予備の電球は何個ありますか。", "session": session}
        answer = (await http.post("/v1/answers", json=body)).json()
        assert answer["documents"][0]["metadata"]["source"] == "備品.txt"
        got = await http.post(f"{documents}?shared=true", files=files)
        assert got.status_code == 403
        assert (await http.delete(f"{documents}/備品.txt")).status_code == 204
        assert (await http.delete(f"{documents}/備品.txt")).status_code == 404
        assert (await http.get(documents)).json() == []


async def test_an_answer_as_events():
    llm = GenericFakeChatModel(messages=iter([AIMessage("会議室は 3階 [1] です。")]))
    made = Assistant(llm, store(), splitter=JapaneseTextSplitter(100))
    body = {"question": "会議室は何階ですか。", "stream": True}
    async with client(create_api(made)) as http:
        got = await http.post("/v1/answers", json=body)
    events = [block.split("\n") for block in got.text.strip().split("\n\n")]
    kinds = [event[0].removeprefix("event: ") for event in events]
    data = [json.loads(event[1].removeprefix("data: ")) for event in events]
    assert kinds[0] == "documents"
    assert kinds[-1] == "answer"
    assert set(kinds[1:-1]) == {"text"}
    assert "".join(piece["text"] for piece in data[1:-1]) == data[-1]["text"]
    assert data[-1]["citations"][0]["status"] == "supported"
    async with client(create_api(assistant())) as http:
        got = await http.post("/v1/answers", json={"question": " ", "stream": True})
    # Before the stream begins, an error still has a status.
    assert (got.status_code, got.json()["detail"][0]["msg"]) == (422, "質問がありません。")


async def test_answers_end_with_an_error_when_the_server_stops():
    made = assistant("一 二 三 四 五 六 七 八", sleep=0.05)
    body = {"question": "会議室は何階ですか。"}
    async with client(create_api(made)) as http:
        stream = asyncio.create_task(http.post("/v1/answers", json={**body, "stream": True}))
        whole = asyncio.create_task(http.post("/v1/answers", json=body))
        await asyncio.sleep(0.2)
        made.end_answers()
        events = (await stream).text.strip().split("\n\n")
        assert events[-1].startswith("event: error\n")
        assert "サーバーが停止します" in events[-1]
        assert (await whole).status_code == 503
        assert (await http.post("/v1/answers", json=body)).status_code == 503


async def left(app, path, body, after_s, content_type=b"application/json"):
    """Send a request, and leave before its answer."""
    messages = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent = []

    async def send(message):
        sent.append(message)

    asking = asyncio.create_task(app(scope, messages.get, send))
    await asyncio.sleep(after_s)
    messages.put_nowait({"type": "http.disconnect"})
    began = time.monotonic()
    await asyncio.wait_for(asking, 5)
    return time.monotonic() - began, sent


@pytest.mark.parametrize("stream", [False, True], ids=["json", "events"])
async def test_a_client_that_leaves_ends_its_answer(stream):
    made = assistant("あ" * 200, sleep=0.05)
    body = json.dumps({"question": "会議室は何階ですか。", "stream": stream}).encode()
    waited, _ = await left(create_api(made), "/v1/answers", body, 0.5)
    assert waited < 1
    assert made._answering == 0


async def test_a_client_that_leaves_while_it_waits_for_its_turn_asks_nothing():
    made = assistant("一")
    session = session_of(made)
    body = {"question": "会議室は何階ですか。", "session": session.id}
    async with session.lock:
        waited, _ = await left(create_api(made), "/v1/answers", json.dumps(body).encode(), 0.2)
        assert waited < 1
    await asyncio.sleep(0.1)
    assert session.history.messages == []


class SlowEmbeddings(CharacterEmbeddings):
    """Takes a tenth of a second for each text."""

    def embed_documents(self, texts):
        self.number = getattr(self, "number", 0) + len(texts)
        time.sleep(0.1 * len(texts))
        return super().embed_documents(texts)


def form(name, data):
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n"


@pytest.mark.slow
async def test_a_client_that_leaves_ends_its_upload():
    embeddings = SlowEmbeddings()
    store = SwallowFAISS.from_texts(["何か。"], embeddings)
    made = Assistant(FakeListChatModel(responses=["一"]), store, splitter=JapaneseTextSplitter(20))
    session = session_of(made)
    text = "\n\n".join(f"第{i}条。これは長い文です。" for i in range(300)).encode()
    path = f"/v1/sessions/{session.id}/documents"
    content = b"multipart/form-data; boundary=b"
    waited, _ = await left(create_api(made), path, form("長い.txt", text), 4.0, content)
    assert waited < 1
    await asyncio.sleep(2)
    embedded = embeddings.number
    await asyncio.sleep(1)
    # Neither is it added, nor does the work go on.
    assert embeddings.number == embedded < 200
    assert session.files == {}
    assert session.uploading == 0
    assert not made._uploads._taken


class FailingEmbeddings(CharacterEmbeddings):
    """Cannot embed some texts, as a GPU without memory cannot."""

    error: Exception = RuntimeError("out of memory in /srv/models")

    def embed_documents(self, texts):
        if any("象" in text for text in texts):
            raise self.error
        return super().embed_documents(texts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory: /srv/models"),
        ValueError("/srv/models/config.json is wrong"),
        MemoryError(),
        sqlite3.OperationalError("/srv/索引 is read-only"),
        KeyError("/srv"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_file_that_fails_takes_no_other_with_it(error):
    embeddings = FailingEmbeddings()
    embeddings.error = error
    kept = SwallowFAISS.from_texts(["何か。"], embeddings)
    made = Assistant(FakeListChatModel(responses=["一"]), kept, splitter=JapaneseTextSplitter(100))
    texts = {"一.txt": "電球は12個。", "二.txt": "象は重い。", "三.txt": "机は4台。"}
    files = [("files", (name, text.encode())) for name, text in texts.items()]
    async with client(create_api(made)) as http:
        session = await new_session(http)
        got = await http.post(f"/v1/sessions/{session}/documents", files=files)
    assert got.status_code == 200
    assert [row["passages"] for row in got.json()] == [1, 0, 1]
    assert "追加できません" in got.json()[1]["error"]
    assert "/srv" not in got.text


async def test_uploads_have_places_and_those_without_one_are_told_to_wait():
    made = assistant(limits=Limits(concurrent_uploads=3, concurrent_client_uploads=2))
    async with client(create_api(made)) as http:
        mine, other = await new_session(http), made.sessions.create("10.0.0.2")
        third = made.sessions.create("10.0.0.3")
        files = [("files", ("備品.txt", "電球は12個。".encode()))]
        path = f"/v1/sessions/{mine}/documents"
        with made.admitted(made.sessions.find(mine)), made.admitted(made.sessions.find(mine)):
            got = await http.post(path, files=files)
            assert (got.status_code, got.headers["retry-after"]) == (429, "5")
            with made.admitted(other):
                got = await http.post(f"/v1/sessions/{third.id}/documents", files=files)
                assert (got.status_code, got.headers["retry-after"]) == (503, "10")
        assert (await http.post(path, files=files)).status_code == 200
        assert not made._uploads._taken


JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


@pytest.mark.parametrize("accepted", ["ja-JP,ja;q=0.9", "en-US,en;q=0.9"])
async def test_a_refusal_is_in_the_clients_language(accepted):
    made = assistant(limits=Limits(files=1))
    async with client(Guard(create_api(made))) as http:
        http.headers["Accept-Language"] = accepted
        session = await new_session(http)
        path = f"/v1/sessions/{session}/documents"
        files = [("files", (name, b"a")) for name in ("a.png", "b.txt")]
        asked = {"question": "x", "session": session}
        told = [
            (await http.post("/v1/answers", json={"question": "x", "session": "none"})).text,
            (await http.post("/v1/answers", json={**asked, "question": " "})).text,
            (await http.post(path, files=files[:1])).text,
            (await http.post(path, files=files)).text,
            (await http.delete(f"{path}/none.txt")).text,
            (await http.post("/v1/answers", headers={"Origin": "http://elsewhere"})).text,
        ]
    for text in told:
        assert bool(JAPANESE.search(text)) == accepted.startswith("ja"), text
        assert " / " not in text


NAMES = {
    "..": "..",
    ".": ".",
    "": "file",
    "../../etc/passwd": "passwd",
    "..\\..\\boot.txt": "boot.txt",
    "CON.txt": "CON.txt",
    "備品.txt...": "備品.txt...",
    "あ" * 300 + ".txt": "あ" * 251 + ".txt",
    "a\x00b.txt": "a\ufffdb.txt",
    "a\nb.txt": "a\ufffdb.txt",
    "\ud83d.txt": "\ufffd.txt",
    " .txt": ".txt",
}


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "name"), NAMES.items(), ids=range(len(NAMES)))
async def test_names_of_files_are_names_only(sent, name):
    made = assistant()
    assert file_name(sent) == name
    file = Received(file_name(sent), 10, "電球は12個。".encode)
    (result,) = [row async for row in made.files.add(session_of(made), [file])]
    assert result.name == name
    assert bool(result.passages) != bool(result.error)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["..", "a" * 300 + ".txt", "CON.txt", "x"])
async def test_a_file_with_any_name_fails_alone(name):
    made = assistant()
    files = [("files", (name, b"x")), ("files", ("備品.txt", "電球は12個。".encode()))]
    async with client(create_api(made)) as http:
        got = await http.post(f"/v1/sessions/{await new_session(http)}/documents", files=files)
    assert got.status_code == 200
    assert got.json()[1] == {"name": "備品.txt", "passages": 1, "error": "", "left_out": []}


@pytest.mark.slow
@pytest.mark.parametrize("field", ["question", "session", "preset", "system_prompt", "k", "\ud83d"])
@pytest.mark.parametrize("value", ["\ud83d", "a\udc00b", "\udfff\ud800"])
async def test_half_a_surrogate_pair_is_no_error_of_the_server(field, value):
    body = {"question": "会議室は何階ですか。", field: value}
    async with client(create_api(assistant())) as http:
        sent = {"Content-Type": "application/json"}
        got = await http.post("/v1/answers", content=json.dumps(body), headers=sent)
    assert got.status_code in (200, 404, 422)


class Failing(FakeListChatModel):
    error: Exception

    async def _astream(self, *args, **options):
        raise self.error
        yield


@pytest.mark.parametrize(
    "error",
    [
        ServerConnectionError(
            "http://10.0.0.7:8000/v1/completions cannot be reached: ConnectError"
        ),
        IndexStoreError("/srv/索引/manifest.json is damaged"),
        OSError(30, "Read-only file system", "/srv/索引/.lock"),
        ValueError("/root/.cache/huggingface has no x"),
        RuntimeError("secret internals of http://10.0.0.7"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "events"])
async def test_clients_are_not_told_where_things_are(error, stream, caplog):
    made = assistant()
    made.llm = Failing(responses=["x"], error=error)
    transport = httpx.ASGITransport(create_api(made), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        got = await http.post("/v1/answers", json={"question": "会議室は？", "stream": stream})
    assert got.status_code in ((200,) if stream else (500, 503))
    assert "detail" in got.text
    for part in ("10.0.0.7", "/srv", "/root", "Error", "secret", "Read-only"):
        assert part not in got.text
    # The operator is.
    assert str(error) in caplog.text


@pytest.mark.parametrize(
    ("metadata", "shown"),
    [
        ({"file_path": "file:///srv/秘/a.md"}, {"file_path": "a.md"}),
        ({"file_path": "~/秘/a.md"}, {"file_path": "a.md"}),
        ({"loc": {"source": "秘/a.md", "line": 3}}, {"loc": {"source": "a.md", "line": 3}}),
        ({"paths": ["/srv/秘/a.md", "x"]}, {"paths": ["a.md", "x"]}),
        ({"path": "D:\\秘\\a.md"}, {"path": "a.md"}),
        ({"endpoint": "/health", "tags": ["/a/b"]}, {"endpoint": "/health", "tags": ["/a/b"]}),
        ({"endpoint": "~/.bashrc を読む"}, {"endpoint": "~/.bashrc を読む"}),
        ({"content_hash": "0", "path": "/v1/health"}, {"path": "/v1/health"}),
        ({"headings": "/v1/answers > 例"}, {"headings": "/v1/answers > 例"}),
        ({"title": "/etc の説明"}, {"title": "/etc の説明"}),
    ],
    ids=[
        *("file", "home", "nested", "list", "windows", "field", "home in a field", "record"),
        *("headings", "title"),
    ],
)
def test_folders_are_left_out_and_texts_are_not(metadata, shown):
    """Loaders of others have names of their own for paths; a text may begin as a path does."""
    assert _public(metadata) == shown


@pytest.mark.parametrize(
    "quote", ["/health は状態を返す", "C:\\Temp を消す", "file:///etc を開く", "~/a/b"]
)
def test_a_quote_is_sent_as_its_offsets_count_it(quote):
    document = Document(f"説明。{quote}。", metadata={"source": "/srv/秘/a.md", "title": quote})
    citation = Citation(1, document, quote, 3, 3 + len(quote), "quoted")
    sent = answer_json(Answer("一 [1]", (citation,), (document,)))
    (cited,), (shown,) = sent["citations"], sent["documents"]
    assert cited["quote"] == shown["text"][cited["start"] : cited["end"]] == quote
    assert cited["source"] == "a.md"
    assert shown["metadata"] == {"source": "a.md", "title": quote}


def test_the_schema_has_all_that_is_sent_of_an_answer():
    document = Document("電球は9個。", metadata={"source": "a.md"})
    citation = Citation(1, document, contradicted=True)
    sent = answer_json(Answer("電球は12個 [1]", (citation,), (document,)))
    assert AnswerBody.model_validate(sent).model_dump() == sent


async def test_the_schema_says_what_comes_back():
    made = assistant(lengths=AnswerLengths(300, 5000))
    async with client(create_api(made)) as http:
        schema = (await http.get("/openapi.json")).json()
    answers = schema["paths"]["/v1/answers"]["post"]
    assert {"200", "400", "401", "403", "404", "413", "421", "422", "503"} <= set(
        answers["responses"]
    )
    assert "text/event-stream" in answers["responses"]["200"]["content"]
    upload = schema["paths"]["/v1/sessions/{session}/documents"]["post"]
    assert {"200", "400", "404", "408", "413", "429", "503"} <= set(upload["responses"])
    assert answers["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    fields = schema["components"]["schemas"]["Question"]["properties"]
    assert (fields["k"]["minimum"], fields["k"]["maximum"]) == (1, 10)
    length = fields["max_tokens"]
    assert (length["minimum"], length["default"], length["maximum"]) == (16, 300, 5000)
    assert schema["components"]["securitySchemes"]
    for path, methods in schema["paths"].items():
        for method, what in methods.items():
            for status, response in what["responses"].items():
                if status not in ("204",):
                    assert response.get("content"), (path, method, status)
