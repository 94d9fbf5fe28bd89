"""Several servers share conversations: none is lost, and none comes to another person."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_swallow.rag import Answer
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.conversations import Conversations, Owner, Turn
from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.people import People, add_person
from langchain_swallow.serving.refusals import UnknownSessionError
from langchain_swallow.serving.sessions import Sessions
from tests.support.assistants import assistant, client, new_session

pytestmark = pytest.mark.usefixtures("japanese")

SATO = Owner("sato")


def turn(question, name="t"):
    return Turn(name, question, Answer("3階 [1]").as_dict())


@pytest.fixture
def hosts(place, tmp_path):
    """Two servers with the same people and conversations; makes a client of one for a person."""
    people = tmp_path / "people.json"
    tokens = {name: add_person(people, name, []) for name in ("sato", "suzuki")}
    servers = [
        assistant(*(f"答え{host}-{i} [1]" for i in range(9)), conversations=place)
        for host in range(2)
    ]
    apps = [create_app(server, people=People(people)) for server in servers]

    def connect(host, person):
        made = client(apps[host])
        made.headers["Authorization"] = f"Bearer {tokens[person]}"
        return made

    connect.servers = servers
    yield connect
    for server in servers:
        server.close()


async def ask(http, session, question, **options):
    body = {"question": question, "session": session, **options}
    return await http.post("/v1/answers", json=body)


async def exported(http, session):
    got = (await http.get(f"/v1/sessions/{session}")).json()
    return [row["asked"] for row in got["questions"]], [row["content"] for row in got["messages"]]


async def test_a_conversation_goes_on_at_another_server(hosts):
    async with hosts(0, "sato") as first, hosts(1, "sato") as second:
        session = await new_session(first)
        for number, http in enumerate((second, first, first, second)):
            assert (await ask(http, session, f"会議室は何階ですか、{number}。")).status_code == 200
        # The last one at the second server replaces what the first one answers now.
        again = await ask(first, session, "会議室は何階ですか、3。", again=True)
        assert again.json()["text"] == "答え0-2 [1]"
        asked = [f"会議室は何階ですか、{number}。" for number in range(4)]
        answers = ["答え1-0 [1]", "答え0-0 [1]", "答え0-1 [1]", "答え0-2 [1]"]
        said = [text for pair in zip(asked, answers, strict=True) for text in pair]
        for http in (first, second):
            assert await exported(http, session) == (asked, said)
        # What the model was given is what was said at both.
        messages = hosts.servers[0].sessions.find(session, Person("sato")).history.messages
        assert [message.text for message in messages] == said


async def test_a_server_sees_what_another_has_renamed_and_deleted(hosts):
    async with hosts(0, "sato") as first, hosts(1, "sato") as second, hosts(1, "suzuki") as other:
        sessions = [await new_session(first) for _ in range(3)]
        for session in sessions:
            assert (await ask(first, session, "会議室は何階ですか。")).status_code == 200
            assert (await ask(second, session, "食堂は？")).status_code == 200
            for request in ("GET", "DELETE"):
                got = await other.request(request, f"/v1/sessions/{session}")
                assert got.status_code == 404
        assert (await other.get("/v1/sessions")).json() == []
        path = f"/v1/sessions/{sessions[0]}"
        assert (await second.patch(path, json={"title": "部屋"})).status_code == 204
        assert (await first.get(path)).json()["title"] == "部屋"
        assert (await second.delete(path)).status_code == 204
        for http in (first, second):
            assert (await http.get(path)).status_code == 404
            assert (await ask(http, sessions[0], "会議室は？")).status_code == 404
            assert len((await http.get("/v1/sessions")).json()) == 2
        assert (await second.delete("/v1/sessions")).json() == {"deleted": 2}
        assert (await first.get("/v1/sessions")).json() == []
        assert (await ask(first, sessions[1], "会議室は？")).status_code == 404


async def test_answers_of_two_servers_at_the_same_time_are_both_kept(hosts):
    async with hosts(0, "sato") as first, hosts(1, "sato") as second:
        session = await new_session(first)
        questions = [f"質問{number}" for number in range(8)]
        got = await asyncio.gather(
            *(ask((first, second)[i % 2], session, text) for i, text in enumerate(questions))
        )
        assert {answer.status_code for answer in got} == {200}
        assert sorted((await exported(second, session))[0]) == questions


def test_a_server_that_stops_deletes_no_conversation_that_another_uses(place, opened):
    first, second, third = (Sessions(conversations=opened(place)) for _ in range(3))
    sato = Person("sato")
    unused, uploads, asks = (first.create("10.0.0.1", sato) for _ in range(3))
    second.find(uploads.id, sato)
    second.begin(second.find(asks.id, sato), "会議室は？", again=False)
    first.close()
    second.conversations.keep(asks.id, turn("会議室は？"))
    assert [message.text for message in third.find(asks.id, sato).history.messages] == [
        "会議室は？",
        "3階 [1]",
    ]
    assert third.find(uploads.id, sato).history.messages == []
    # Opening a conversation does not move it up in the list.
    second.conversations.keep(uploads.id, turn("食堂は？"))
    fourth = Sessions(conversations=opened(place))
    fourth.find(asks.id, sato)
    assert [one.id for one in fourth.conversations.list_own(SATO)] == [uploads.id, asks.id]
    with pytest.raises(UnknownSessionError):
        third.find(unused.id, sato)


WRITER = """
import sys
from pathlib import Path
from langchain_swallow.serving.conversations import Conversations, Owner, Turn

place, number = sys.argv[1:]
place = place if "://" in place else Path(place)
print("imported", flush=True)
sys.stdin.readline()
kept = Conversations(place)
print("open", flush=True)
sys.stdin.readline()
mine, shared = f"own{number}", Owner("sato")
kept.add(mine, Owner(f"person{number}"))
for step in range(20):
    kept.keep("shared", Turn(f"{number}-{step}", f"{number}-{step}", {"text": "3階"}))
    kept.keep(mine, Turn(str(step), f"{number}の{step}", {"text": "秘密"}))
    kept.add(f"{number}-{step}", shared)
    kept.delete(f"{number}-{step}")
    assert [one.id for one in kept.turns(mine)] == list(map(str, range(step + 1)))
    assert {one.questions for one in kept.list_own(Owner(f"person{number}"), "秘密")} == {step + 1}
    assert not kept.list_own(shared, "秘密")
kept.close()
"""


def test_who_opens_a_new_file_at_the_same_time_waits(tmp_path):
    """SQLite reports a lock at once where two connections begin to write ahead."""

    def open_one(path):
        Conversations(path).close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(60):
            list(pool.map(open_one, [tmp_path / f"{number}.db"] * 8))


@pytest.mark.slow
def test_processes_that_start_and_write_at_once_lose_nothing(place, opened):
    command = [sys.executable, "-c", WRITER, str(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, str(number)], **pipes) for number in range(4)]

    def go(after):
        assert [writer.stdout.readline() for writer in writers] == [after] * 4
        for writer in writers:
            writer.stdin.write("\n")
            writer.stdin.flush()

    try:
        # None of them has found tables when the others begin to make them.
        go("imported\n")
        kept = opened(place)
        kept.add("shared", SATO)
        go("open\n")
        assert [writer.wait(120) for writer in writers] == [0] * 4
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert [(one.id, one.questions) for one in kept.list_own(SATO)] == [("shared", 80)]
    for number in range(4):
        (own,) = kept.list_own(Owner(f"person{number}"))
        assert (own.id, own.questions) == (f"own{number}", 20)
