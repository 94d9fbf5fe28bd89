"""Assistant and API, without a socket: requests go through ASGI."""

import asyncio
import json

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.rag import Answer
from langchain_swallow.serving.api import create_api
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.refusals import (
    BusyError,
    UnknownAnswerError,
    UnknownDocumentError,
    UnknownSessionError,
)
from langchain_swallow.serving.sessions import Sessions
from langchain_swallow.serving.settings import Settings
from langchain_swallow.serving.uploads import Limits, Received
from tests.unit_tests.embeddings import CharacterEmbeddings

TEXTS = ["会議室は3階にある。", "食堂のカレーは500円。", "出張の日当は3,000円とする。"]


def store():
    metadatas = [{"source": f"/srv/文書/{i}.md"} for i in range(3)]
    return SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), metadatas)


def assistant(*answers, **options):
    llm = FakeListChatModel(responses=list(answers) or ["3階 [1]"])
    return Assistant(llm, store(), splitter=JapaneseTextSplitter(100), **options)


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
    return [row async for row in made.add_files(session_of(made, name), files, **options)]


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
    sessions = Sessions(most=8, per_client=3)
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
    sessions = Sessions(most=2, per_client=2, empty_s=0)
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
    made.remove_file(session_of(made), "一.txt")
    (result,) = await added(made, [files["三.txt"]])
    assert not result.error
    found = await asked(made, "甲", "一.txtの電球は何個ですか。", Settings(k=10))
    assert {d.metadata["source"] for d in found.documents} >= {"二.txt", "三.txt"}
    assert "一.txt" not in {d.metadata["source"] for d in found.documents}
    with pytest.raises(UnknownDocumentError):
        made.remove_file(session_of(made), "一.txt")


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


def test_ratings_are_kept(tmp_path):
    file = tmp_path / "評価" / "feedback.jsonl"
    made = assistant(feedback=file)
    assert made.takes_ratings
    session = session_of(made)
    for question, answer, good in (("何階？", "3階", True), ("いくら？", "500円", False)):
        turn = session.new_turn(question)
        session.turns[turn].answer = answer
        made.rate(session, turn, good=good)
    text = file.read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["question"], row["answer"], row["good"]) for row in rows] == [
        ("何階？", "3階", True),
        ("いくら？", "500円", False),
    ]
    # Who has a session's id may use the session.
    assert session.id not in text
    with pytest.raises(UnknownAnswerError):
        made.rate(session_of(made, "乙"), turn, good=True)
    assert not assistant().takes_ratings


# API


def client(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def new_session(http):
    got = await http.post("/v1/sessions")
    assert got.status_code == 201
    return got.json()["session"]


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
            "/ready",
            "/v1/answers",
            "/v1/sessions",
            "/v1/sessions/{session}",
            "/v1/sessions/{session}/documents",
            "/v1/sessions/{session}/documents/{name}",
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
async def test_a_wrong_request_is_told_what_is_wrong(body, said):
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
    assert data[-1]["citations"][0]["verified"]
    async with client(create_api(assistant())) as http:
        got = await http.post("/v1/answers", json={"question": " ", "stream": True})
    assert got.text.startswith("event: error\n")
