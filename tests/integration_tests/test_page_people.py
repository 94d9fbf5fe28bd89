"""What the page of a server that knows its people shows each of them, as its requests do."""

import contextlib
import json

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.people import People, add_person, remove_person
from tests.support.embeddings import CharacterEmbeddings
from tests.support.served import serving

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


def ask(http, question, session=None):
    """The session, and the answer's events, as the page receives them."""
    session = session or http.post("/v1/sessions").json()["session"]
    body = {"question": question, "session": session, "stream": True}
    got = http.post("/v1/answers", json=body)
    return session, got


@pytest.mark.parametrize("name", ["人事", "役員", "営業"])
def test_each_person_is_shown_their_documents(served, name):
    with browser(served, name) as http:
        page, suggested = http.get("/").text, http.get("/v1/suggestions").text
        listed = http.get("/v1/documents").json()
        session, answered = ask(http, "秘密は何ですか")
        kept = http.get(f"/v1/sessions/{session}").text
        answer = json.loads(answered.text.split("event: answer\ndata: ")[1])
        sources = "".join(
            http.get(f"/v1/sessions/{session}/answers/{answer['answer_id']}/sources/{n}").text
            for n in (1, 2, 3)
        )
    for group in {"人事", "役員"} - {name}:
        for seen in (page, suggested, str(listed), answered.text, kept, sources):
            assert TEXTS[group] not in seen
            assert f"{group}の章" not in seen
    own = f"{name}の「{name}の章」には何が書かれていますか。"
    assert (own in suggested) == (name in TEXTS)
    visible = {group for group in (name, "*") if group in TEXTS}
    for seen in (answered.text, kept, sources):
        assert {text for text in TEXTS.values() if text in seen} == {TEXTS[g] for g in visible}
    assert listed == {"names": sorted(f"{g}.md" for g in visible), "total": len(visible)}


def test_a_page_of_one_person_is_not_continued_by_another(served):
    with browser(served, "人事") as http:
        session, _ = ask(http, "秘密は何ですか")
        assert ask(http, "続けて", session)[1].status_code == 200
    with browser(served, "役員") as http:
        assert ask(http, "続けて", session)[1].status_code == 404
        assert session not in http.get("/v1/sessions").text
        for method in ("GET", "DELETE"):
            assert http.request(method, f"/v1/sessions/{session}").status_code == 404
    found = served.assistant.sessions.find(session, Person("人事"))
    assert [m.text for m in found.history.messages][::2] == ["秘密は何ですか", "続けて"]


def test_a_removed_person_is_out_at_once(served):
    with browser(served, "営業") as http:
        assert http.get("/").status_code == 200
        remove_person(served.people, "営業")
        assert http.get("/").status_code == 401
