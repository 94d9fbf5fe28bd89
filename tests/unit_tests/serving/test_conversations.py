"""Conversations are kept for their owner, over restarts where a file keeps them, and deleted."""

import os
import sqlite3
import stat
import sys

import pytest
from langchain_core.messages import HumanMessage

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.rag import Answer
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.conversations import Conversations, Owner, Turn
from langchain_swallow.serving.identity import NOBODY, Person
from langchain_swallow.serving.people import People, add_person
from langchain_swallow.serving.refusals import BusyError, UnknownSessionError
from langchain_swallow.serving.sessions import Sessions
from tests.support.assistants import assistant, client, new_session

pytestmark = pytest.mark.usefixtures("japanese")

SATO, SUZUKI = Owner("sato"), Owner("suzuki")


def turn(question, answer="3階 [1]", name="t1"):
    return Turn(name, question, Answer(answer).as_dict())


@pytest.fixture
def kept(place, opened):
    made = opened(place)
    for name, owner, question in (
        ("a", SATO, "会議室は何階ですか。"),
        ("b", SATO, "ＷｉＦｉのパスワードは？"),
        ("c", SUZUKI, "合併の相手は？"),
        ("d", Owner(visitor="v1"), "食堂はどこ？"),
    ):
        made.add(name, owner)
        made.keep(name, turn(question))
    return made


def test_a_list_has_the_conversations_of_its_owner_and_no_others(kept):
    assert [one.id for one in kept.list_own(SATO)] == ["b", "a"]
    assert [one.title for one in kept.list_own(SUZUKI)] == ["合併の相手は？"]
    assert [one.id for one in kept.list_own(Owner(visitor="v1"))] == ["d"]
    # Nobody is not everybody, and a browser is not the person of that name.
    assert kept.list_own(Owner()) == kept.list_own(Owner(visitor="sato")) == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("wifi", ["b"]),
        ("３階", ["b", "a"]),
        ("会議室", ["a"]),
        ("合併", []),
        ("%", []),
        ("表", ["a"]),
    ],
)
def test_questions_answers_and_titles_are_searched(kept, words, found):
    kept.rename("a", "階の表")
    assert [one.id for one in kept.list_own(SATO, words)] == found


def test_a_conversation_has_a_name_until_it_is_taken_away(kept):
    kept.rename("a", "会議室")
    assert kept.title("a") == "会議室"
    kept.rename("a", "")
    assert kept.title("a") == "会議室は何階ですか。"


def test_an_answer_is_taken_back_and_rated(kept):
    kept.keep("a", turn("二つめ", name="t2"))
    kept.take_back("a", "会議室は何階ですか。")
    assert [one.id for one in kept.turns("a")] == ["t1", "t2"]
    kept.take_back("a", "二つめ")
    kept.rate("a", "t1", good=False)
    assert [(one.id, one.good) for one in kept.turns("a")] == [("t1", False)]
    assert kept.turn("b", "t1").good is None
    assert kept.turn("a", "t2") is None


def test_the_last_hundred_answers_are_kept(kept):
    for number in range(120):
        kept.keep("a", turn(f"質問{number}", name=str(number)))
    assert [one.id for one in kept.turns("a")] == [str(number) for number in range(20, 120)]


def test_a_deleted_conversation_takes_no_answers(kept):
    kept.delete("c")
    kept.keep("c", turn("合併の相手は？"))
    assert kept.turns("c") == []
    assert kept.owner("c") is None


def test_characters_that_a_database_does_not_take_are_replaced(kept):
    kept.keep("a", turn("何\0\ud83d", answer="\0\ud83d", name="t2"))
    assert kept.turns("a")[1].question == "何\ufffd\ufffd"
    assert [one.id for one in kept.list_own(SATO, "何\0\ud83d")] == ["a"]
    kept.rename("a", "\0\ud83d")
    assert kept.title("a") == "\ufffd\ufffd"
    kept.take_back("a", "何\0\ud83d")
    assert len(kept.turns("a")) == 1
    assert kept.owner("\0\ud83d") is None


def test_what_is_deleted_is_not_in_the_file(tmp_path):
    path = tmp_path / "会話" / "kept.db"
    made = Conversations(path)
    for name, question in (("a", "会議室は何階ですか。"), ("c", "合併の相手は？")):
        made.add(name, SATO)
        made.keep(name, turn(question))
    made.delete("c")
    made.close()
    data = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert "会議室は何階ですか。".encode() in data
    assert "合併".encode() not in data
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_conversations_without_a_way_back_are_deleted(kept):
    kept.add("e", SATO)
    kept.add("f", Owner())
    kept.keep("f", turn("何？"))
    ages = {"a": 9e8, "c": 2, "d": 366 * 86400, "e": 90_000, "f": 90_000}
    for name, age in ages.items():
        kept._change("UPDATE conversations SET used = used - ? WHERE id = ?", age, name)
    kept.delete_unreachable()
    assert {name for name in "abcdef" if kept.owner(name)} == {"a", "b", "c"}


@pytest.mark.parametrize("content", [b"not a database" * 100, None])
def test_another_file_is_refused_and_not_changed(tmp_path, content):
    path = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version=99")
        database.close()
        content = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="--conversations"):
        Conversations(path)
    assert path.read_bytes() == content


def test_without_its_extra_postgresql_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "langchain_swallow.serving.postgres", raising=False)
    with pytest.raises(MissingDependencyError, match=r'"langchain-swallow\[postgres\]"'):
        Conversations("postgresql://db/kept")


def test_a_session_comes_back_for_its_person_only(place, opened):
    before = Sessions(conversations=opened(place))
    session = before.create("10.0.0.1", Person("sato"))
    before.conversations.keep(session.id, turn("会議室は何階ですか。"))
    session.history.add_messages([HumanMessage("会議室は何階ですか。")])
    empty = before.create("10.0.0.1", Person("sato"))
    before.close()
    after = Sessions(conversations=opened(place))
    for other in (NOBODY, Person("suzuki")):
        with pytest.raises(UnknownSessionError):
            after.find(session.id, other)
    found = after.find(session.id, Person("sato"))
    assert [message.text for message in found.history.messages] == [
        "会議室は何階ですか。",
        "3階 [1]",
    ]
    # Empty ones are not kept.
    assert after.conversations.owner(empty.id) is None
    after.forget(session.id)
    with pytest.raises(UnknownSessionError):
        after.find(session.id, Person("sato"))


def test_a_kept_conversation_makes_room_and_one_in_memory_does_not(place, opened):
    for path in (place, None):
        sessions = Sessions(max_sessions=2, empty_s=0, conversations=opened(path))
        made = [sessions.create(str(number)) for number in range(2)]
        for session in made:
            session.history.add_messages([HumanMessage("何？")])
        if path is None:
            with pytest.raises(BusyError, match="いっぱい"):
                sessions.create("2")
        else:
            sessions.create("2")
        assert [session.closed for session in made] == [path is not None] * 2


async def test_a_browser_lists_its_conversations_after_a_restart(place):
    cookies = {}
    for number in range(2):
        made = assistant("3階 [1]", conversations=place)
        app = create_app(made)
        async with client(app) as mine, client(app) as other:
            mine.cookies.update(cookies)
            for http in (mine, other):
                await http.get("/")
            assert len(mine.cookies) == 1
            cookies = dict(mine.cookies)
            listed = (await mine.get("/v1/sessions")).json()
            assert [one["questions"] for one in listed] == [1] * number
            assert (await other.get("/v1/sessions")).json() == []
            assert (await client(app).get("/v1/sessions")).status_code == 403
            session = listed[0]["session"] if listed else await new_session(mine)
            body = {"question": f"会議室は何階ですか、{number}。", "session": session, "k": 1}
            answered = (await mine.post("/v1/answers", json=body)).json()
            shown = (await mine.get(f"/v1/sessions/{session}")).json()
            assert [row["asked"][-2] for row in shown["questions"]] == list("01"[: number + 1])
            assert shown["questions"][-1]["answer"] == answered
        made.close()


async def test_a_conversation_is_renamed_found_and_deleted(tmp_path):
    people = tmp_path / "people.json"
    tokens = {name: add_person(people, name, []) for name in ("sato", "suzuki")}
    app = create_app(assistant("3階 [1]"), people=People(people))
    async with client(app) as http, client(app) as other:
        for one, name in ((http, "sato"), (other, "suzuki")):
            one.headers["Authorization"] = f"Bearer {tokens[name]}"
        session = await new_session(http)
        body = {"question": "会議室は何階ですか。", "session": session}
        first = (await http.post("/v1/answers", json=body)).json()["answer_id"]
        path = f"/v1/sessions/{session}"
        assert (await other.patch(path, json={"title": "盗"})).status_code == 404
        assert (await http.patch(path, json={"title": "長" * 101})).status_code == 422
        half = {"content": '{"title": "\\ud83d"}', "headers": {"Content-Type": "application/json"}}
        assert (await http.patch(path, **half)).status_code == 204
        assert (await http.get(path)).json()["title"] == "\ufffd"
        assert (await http.patch(path, json={"title": " 部屋 "})).status_code == 204
        (found,) = (await http.get("/v1/sessions", params={"q": "部屋"})).json()
        assert (found["session"], found["title"]) == (session, "部屋")
        assert (await http.get("/v1/sessions", params={"q": "無い"})).json() == []
        again = (await http.post("/v1/answers", json={**body, "again": True})).json()
        shown = (await http.get(path)).json()
        assert [row["answer"]["answer_id"] for row in shown["questions"]] == [again["answer_id"]]
        assert first != again["answer_id"]
        # A conversation without questions is deleted, too.
        await new_session(http)
        assert (await http.delete("/v1/sessions")).json() == {"deleted": 2}
        assert (await http.get(path)).status_code == 404
