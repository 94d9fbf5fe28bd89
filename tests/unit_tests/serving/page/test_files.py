"""The page's files: all of its texts exist and are used, and nothing in them makes HTML of text."""

import json
import re

import pytest

from langchain_swallow._system.language import use_language
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.page.texts import _TEXTS, page_texts
from langchain_swallow.serving.people import People, add_person
from tests.support.assistants import assistant, client
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("japanese")

STATIC = ROOT / "langchain_swallow" / "serving" / "page" / "static"
FILES = {path.name: path.read_text(encoding="utf-8") for path in STATIC.iterdir()}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")


def test_each_text_is_in_two_languages():
    for name, (japanese, english) in _TEXTS.items():
        assert JAPANESE.search(japanese), name
        assert not JAPANESE.search(english), name
        assert re.findall(r"\{\w+\}", japanese) == re.findall(r"\{\w+\}", english), name


def test_each_text_exists_and_is_used():
    blanks = set(re.findall(r"\{\{(\w+)\}\}", FILES["index.html"]))
    # text("a") and text(x ? "a" : "b"), but not text(`status_${…}`).
    calls = [
        call for text in SCRIPTS.values() for call in re.findall(r"\btext\((?!`)([^)]*)", text)
    ]
    called = {name for call in calls for name in re.findall(r'"(\w+)"', call)}
    names = set(page_texts())
    assert called <= names
    values = {"lang", "config", "accept", "shared", "signed"}
    assert blanks - names == values
    used = (blanks - values) | called | {name for name in names if name.startswith("status_")}
    assert names == used


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_scripts_make_no_html_of_text_and_are_short(name):
    text = SCRIPTS[name]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                "new Function", "setHTML", "srcdoc", "createContextualFragment"):  # fmt: skip
        assert way not in text
    assert text.count("\n") < 250


def test_nothing_is_inline_or_from_elsewhere():
    html = FILES["index.html"]
    assert not re.search(r"\s(?:on\w+|style)=", html)
    assert re.findall(r"<script(?![^>]*src=)([^>]*)>", html) == [
        ' type="application/json" id="config"'
    ]
    for name, text in FILES.items():
        addresses = set(re.findall(r"https?://[^\s\"')]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"url\(|@import", text), name


async def test_the_page_is_in_the_browsers_language_and_runs_no_name(tmp_path):
    name = "</script><b>佐藤"
    people = tmp_path / "people.json"
    token = add_person(people, name, [])
    app = create_app(assistant(), people=People(people))
    async with client(app) as http:
        http.headers["Authorization"] = f"Bearer {token}"
        for accepted, lang, said in (("ja", "ja", "文書に質問する"), ("en", "en", "Ask the doc")):
            got = await http.get("/", headers={"Accept-Language": accepted})
            assert f'<html lang="{lang}">' in got.text
            assert said in got.text
            assert "{{" not in got.text
            assert "<b>佐藤" not in got.text
            config = re.search(r'id="config">(.*)</script>', got.text)[1]
            assert json.loads(config)["person"] == name
            assert got.headers["cache-control"] == "no-store"
            # People are known by name, so a browser needs no cookie.
            assert "set-cookie" not in got.headers
    use_language(None)


async def test_files_are_those_of_the_page_and_kept_by_the_browser():
    async with client(create_app(assistant())) as http:
        for name in FILES:
            got = await http.get(f"/static/{name}")
            assert got.status_code == (404 if name == "index.html" else 200)
            assert "unsafe" not in got.headers["content-security-policy"]
            if got.status_code == 200:
                known = {"If-None-Match": got.headers["etag"]}
                assert (await http.get(f"/static/{name}", headers=known)).status_code == 304
        script = await http.get("/static/app.js")
        assert script.headers["content-type"].startswith("text/javascript")
        for other in ("..%2froutes.py", "%2e%2e/texts.py", "nothing.js", "%00", "app.js/x"):
            assert (await http.get(f"/static/{other}")).status_code == 404
    async with client(create_app(assistant(), page=False)) as http:
        assert (await http.get("/")).status_code == (await http.get("/static/app.js")).status_code
