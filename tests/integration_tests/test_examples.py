"""Examples that do not end by themselves: what they would serve, asked here."""

import importlib.util
import sys

import pytest
from fastapi.testclient import TestClient

from tests.support.paths import ROOT


@pytest.fixture
def example(demo_folder, monkeypatch):
    """An example as a module, by its number."""

    def load(number):
        (path,) = (ROOT / "examples").glob(f"{number}_*.py")
        monkeypatch.setattr(sys, "argv", [path.name])
        spec = importlib.util.spec_from_file_location(f"example_{number}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_a_service_answers_below_its_own_path_to_who_has_the_token(example, monkeypatch):
    monkeypatch.setenv("SWALLOW_TOKEN", "my-secret")
    with TestClient(example(18).app) as client:
        assert client.get("/").json()["chunks"] > 10
        asked = {"question": "試用期間はどのくらいですか。"}
        assert client.post("/rag/v1/answers", json=asked).status_code == 401
        headers = {"Authorization": "Bearer my-secret"}
        answer = client.post("/rag/v1/answers", json=asked, headers=headers).json()
    assert answer["text"] == "3か月 [1]"


def test_the_bot_answers_a_mention_and_remembers_its_thread(example):
    bot = example(19)
    assert bot.reply("<@U0123> 試用期間はどのくらいですか。", "a").startswith("3か月 [1]\n[1] ")
    bot.reply("それは延長できますか。", "a")
    assert {name: len(history.messages) for name, history in bot.histories.items()} == {"a": 4}


def test_the_bot_shows_what_documents_say_as_text(example):
    bot = example(19)
    assert bot.plain("<!channel> & <https://example.com|ここ>") == (
        "&lt;!channel&gt; &amp; &lt;https://example.com|ここ&gt;"
    )
