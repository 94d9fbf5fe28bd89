"""Conversations in PostgreSQL: while it is away and afterwards, its connections, and its URL."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_swallow.rag import Answer
from langchain_swallow.serving import readiness
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.conversations import Conversations, Owner, Turn
from langchain_swallow.serving.refusals import ConversationsUnavailableError
from tests.support.assistants import assistant, client, new_session

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("postgres"),
    pytest.mark.usefixtures("japanese"),
]

AWAY = "会話を保存するデータベースを使えません。少し待ってから、もう一度試してください。"
SATO = Owner("sato")


@pytest.fixture
def url(postgres):
    return postgres.new_database()


@pytest.fixture
def served(url, monkeypatch):
    """A server whose probes are not cached, and which tries to connect at each request."""
    monkeypatch.setattr(readiness, "_CACHED_S", 0.0)
    monkeypatch.setattr("langchain_swallow.serving.postgres._PAUSE_S", 0.0)
    made = assistant(conversations=url)
    yield made
    made.close()


async def test_requests_that_need_the_database_are_refused_while_it_is_away(
    served, postgres, caplog
):
    async with client(create_app(served)) as http:
        await http.get("/")
        session = await new_session(http)
        asks = {"question": "会議室は何階ですか。", "session": session}
        assert (await http.post("/v1/answers", json=asks)).status_code == 200
        with postgres.stopped():
            for method, path, body in (
                ("POST", "/v1/sessions", None),
                ("GET", "/v1/sessions", None),
                ("DELETE", "/v1/sessions", None),
                ("GET", f"/v1/sessions/{session}", None),
                ("PATCH", f"/v1/sessions/{session}", {"title": "部屋"}),
                ("DELETE", f"/v1/sessions/{session}", None),
                ("GET", f"/v1/sessions/{session}/documents", None),
                ("GET", f"/v1/sessions/{session}/answers/1/sources/1", None),
                ("POST", "/v1/answers", asks),
            ):
                got = await http.request(method, path, json=body)
                assert (got.status_code, got.json()["detail"]) == (503, AWAY), path
                assert int(got.headers["retry-after"]) > 0
            # A question without a conversation needs no database.
            got = await http.post("/v1/answers", json={"question": "会議室は何階ですか。"})
            assert got.status_code == 200
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["conversations"]) == (503, False)
            assert ready.json()["reason"] == AWAY
            assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.post("/v1/answers", json=asks)).status_code == 200
        (listed,) = (await http.get("/v1/sessions")).json()
        assert (listed["session"], listed["questions"]) == (session, 2)
    assert "PGSQL" in caplog.text


async def test_an_answer_goes_on_while_the_database_is_away(served, postgres, caplog):
    session = served.sessions.create()
    pieces = served.answer(session, "会議室は何階ですか。", answer_id="1")
    answer = await anext(pieces)
    with postgres.stopped():
        async for piece in pieces:
            answer += piece
    assert answer.text == "3階 [1]"
    assert "An answer was not kept." in caplog.text
    assert served.sessions.conversations.turns(session.id) == []


def test_more_threads_than_connections_wait_for_each_other(url, opened, monkeypatch):
    monkeypatch.setattr("langchain_swallow.serving.postgres._WAIT_S", 120)
    kept = opened(url)
    kept.add("a", SATO)

    def keep(number):
        kept.keep("a", Turn(str(number), "何？", Answer("3階").as_dict()))
        return kept.list_own(SATO)[0].questions

    with ThreadPoolExecutor(40) as threads:
        assert max(threads.map(keep, range(80))) == 80
    ((connections,),) = kept._read(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'langchain-swallow'"
    )
    assert connections <= 8


def test_a_locked_table_is_not_waited_for_without_limit(url, monkeypatch):
    psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    monkeypatch.setattr("langchain_swallow.serving.postgres._STATEMENT_MS", 3000)
    kept = Conversations(url)
    kept.add("a", SATO)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE conversations")
        with pytest.raises(ConversationsUnavailableError):
            kept.owner("a")
    assert kept.owner("a") == SATO
    kept.close()


def test_a_database_that_cannot_keep_japanese_is_refused(postgres):
    url = postgres.new_database("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(ValueError, match="SQL_ASCII"):
        Conversations(url)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE conversations(id TEXT)", "database of its own"),
        ("UPDATE langchain_swallow SET version = 99", "version 99"),
    ],
)
def test_a_database_of_something_else_is_refused(url, statement, message):
    psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if "UPDATE" in statement:
        Conversations(url).close()
    with psycopg.connect(url) as connection:
        connection.execute(statement)
    with pytest.raises(ValueError, match=message):
        Conversations(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://sato:geheim/x@localhost/kept",
        "postgresql://sato:ge heim@localhost/kept",
        "postgresql://sato:ge@heim@localhost/kept",
        "postgresql://sato:12/heim@localhost/kept",
        "postgresql://sato:geheim@localhost:heim/kept",
        "postgresql://sato:geheim@localhost/kept?heim=1",
    ],
)
def test_an_unreadable_url_is_not_repeated(url, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ValueError, match="%40 for @") as error:
        Conversations(url)
    assert "heim" not in f"{error.value}{capfd.readouterr()}{caplog.text}"


def test_a_server_that_is_away_at_the_start_is_named_without_its_password(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    url = f"postgresql://sato:geheim@/kept?host={tmp_path}"
    with pytest.raises(ConnectionError, match=re.escape(str(tmp_path))) as error:
        Conversations(url)
    assert "geheim" not in f"{error.value}{caplog.text}"
