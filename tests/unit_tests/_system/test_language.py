"""Which language a person reads, and that each text is in both."""

import ast
import re
import time
from contextvars import copy_context
from pathlib import Path

import pytest

import langchain_swallow
from langchain_swallow._system.language import (
    accepted_language,
    current_language,
    in_language,
    use_language,
)

PACKAGE = Path(langchain_swallow.__file__).parent
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


@pytest.fixture(autouse=True)
def no_language(monkeypatch):
    for name in ("SWALLOW_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "jam_JM"}, "en"),
        ({"LANG": "en_US", "LC_ALL": "ja_JP"}, "ja"),
        ({"LANG": "ja_JP", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "en_US", "SWALLOW_LANG": "ja"}, "ja"),
        ({"LANG": "ja_JP", "SWALLOW_LANG": "en"}, "en"),
        ({"LANG": "ja_JP", "SWALLOW_LANG": ""}, "ja"),
    ],
)
def test_the_variable_goes_before_the_locale(monkeypatch, variables, chosen):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert current_language() == chosen
    assert in_language("日本語", "English") == {"ja": "日本語", "en": "English"}[chosen]


def test_without_variables_the_systems_locale_decides(monkeypatch):
    for name, chosen in (("Japanese_Japan", "ja"), ("English_United States", "en"), (None, "en")):
        monkeypatch.setattr("locale.getlocale", lambda name=name: (name, "cp932"))
        assert current_language() == chosen


def test_a_language_that_there_is_not_is_an_error(monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "fr")
    with pytest.raises(ValueError, match=r"SWALLOW_LANG='fr' is not .*Use ja or en\."):
        current_language()


def test_a_request_has_its_own_language(monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "en")

    def answered(header):
        use_language(accepted_language(header))
        return current_language()

    run = copy_context().run
    assert [run(answered, header) for header in ("ja", "en", "fr", "")] == ["ja", "en", "en", "en"]
    assert current_language() == "en"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("en;q=0.2, ja;q=0.3", "ja"),
        ("fr-FR, de;q=0.5", None),
        ("ja;q=0", None),
        ("JA", "ja"),
        ("javanese", None),
        ("*", None),
        ("en;q=nonsense", None),
        ("", None),
    ],
)
def test_the_header_of_a_browser_names_its_language(header, chosen):
    assert accepted_language(header) == chosen


def pairs():
    """Both texts of every call of `in_language` in the package that has them as literals."""
    for path in sorted(PACKAGE.rglob("*.py")):
        code = path.read_text("utf-8")
        for node in ast.walk(ast.parse(code)) if "in_language(" in code else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "in_language":
                ja, *en = node.args
                if en and isinstance(ja, ast.Constant | ast.JoinedStr):
                    yield pytest.param(ja, *en, id=f"{path.stem}:{node.lineno}")


def read(node):
    """The fixed text of a string, and the names that are put into it."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(part.value for part in parts if isinstance(part, ast.Constant))
    return text, {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}


@pytest.mark.parametrize(("ja", "en"), list(pairs()))
def test_a_pair_says_the_same_in_two_languages(ja, en):
    (japanese, names), (english, same_names) = read(ja), read(en)
    assert JAPANESE.search(japanese)
    assert not JAPANESE.search(english.replace('"部署": "総務"', ""))
    assert names == same_names


@pytest.mark.parametrize("filling", [" ", ";", ",", "q=", "ja;", "a-", "\t"])
def test_a_header_of_any_length_is_read_at_once(filling):
    """Tried as it was found: a regular expression took minutes of 60,000 spaces."""
    began = time.process_time()
    accepted_language("ja" + filling * 60_000 + "x")
    assert time.process_time() - began < 0.1
