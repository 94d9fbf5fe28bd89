"""The page of a server that knows its people, asked over its own endpoints."""

import contextlib
import re
import secrets

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.people import People, add_person, remove_person
from tests.support.embeddings import CharacterEmbeddings
from tests.support.served import page_of, serving

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEXTS = {
    "人事": "給与表は秘密の引き出し。",
    "役員": "合併の相手は秘密の会社。",
    "*": "会議室は3階。",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    people = tmp_path_factory.mktemp("people") / "people.json"
    tokens = {name: add_person(people, name, [name]) for name in ("人事", "役員", "営業")}
    metadatas = [{"source": f"{g}.md", "headings": f"{g}の章", "groups": [g]} for g in TEXTS]
    store = SwallowFAISS.from_texts(list(TEXTS.values()), CharacterEmbeddings(), metadatas)
    llm = FakeListChatModel(responses=["秘密です [1][2]"])
    assistant = Assistant(llm, store, splitter=JapaneseTextSplitter(100))
    with serving(assistant, people=People(people)) as made:
        made.tokens, made.people = tokens, people
        yield made


def browser(served, name):
    """A browser in which a person has logged in."""
    headers = {"accept-language": "ja"}
    http = httpx.Client(base_url=served.url, headers=headers, follow_redirects=True, timeout=60)
    assert http.post("/login", data={"token": served.tokens[name]}).status_code == 200
    return contextlib.closing(http)


def event(http, served, function, data=(), session_hash=None):
    """All that the page receives of an event."""
    functions = page_of(served).get_blocks().fns
    number = next(n for n, f in functions.items() if f.name == function)
    session_hash = session_hash or secrets.token_hex(6)
    body = {"data": list(data), "fn_index": number, "session_hash": session_hash}
    body["event_data"] = {"index": 1, "value": ""}
    assert http.post("/gradio_api/queue/join", json=body).status_code == 200
    return http.get("/gradio_api/queue/data", params={"session_hash": session_hash}).text


def asking(question, session=""):
    return [question, session, "質問応答", "", 4, 16, 0]


def session_id(answered):
    return re.findall(r'session\\": \\"([^"\\]+)', answered)[0]


@pytest.mark.parametrize("name", ["人事", "役員", "営業"])
def test_each_person_is_shown_their_documents(served, name):
    with browser(served, name) as http:
        page = http.get("/").text
        suggested, picked = event(http, served, "suggest"), event(http, served, "picked")
        answered = event(http, served, "ask", asking("秘密は何ですか"))
    # What is cited is marked.
    answered = re.sub("</?mark[^>]*>", "", answered)
    for group in {"人事", "役員"} - {name}:
        for seen in (page, suggested, picked, answered):
            assert TEXTS[group] not in seen
            assert f"{group}の章" not in seen
    own = f"{name}の「{name}の章」には何が書かれていますか。"
    assert (own in suggested, own in picked) == (name in TEXTS, name in TEXTS)
    assert {text for text in TEXTS.values() if text in answered} == {
        TEXTS[group] for group in (name, "*") if group in TEXTS
    }


def test_a_page_of_one_person_is_not_continued_by_another(served):
    with browser(served, "人事") as http:
        session = session_id(event(http, served, "ask", asking("秘密は何ですか"), "same1"))
        again = event(http, served, "ask", asking("続けて", session), "same1")
        assert session_id(again) == session
    with browser(served, "役員") as http:
        for body in (asking("続けて", session), asking("続けて")):
            assert session_id(event(http, served, "ask", body, "same1")) != session
    found = served.assistant.sessions.find(session, Person("人事"))
    assert [m.text for m in found.history.messages][::2] == ["秘密は何ですか", "続けて"]


def test_a_removed_person_is_out_at_once(served):
    with browser(served, "営業") as http:
        assert http.get("/").status_code == 200
        remove_person(served.people, "営業")
        assert http.get("/").status_code == 401
