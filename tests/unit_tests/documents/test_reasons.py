"""Every reason for which readers leave out a file, or a part of one, has a Japanese text."""

import ast
import re

import pytest

from langchain_swallow._system.language import use_language
from langchain_swallow.documents.readers.formats import _SAVED_BY, what_to_do
from langchain_swallow.documents.readers.libreoffice import CONVERTED, how_to_read
from langchain_swallow.documents.reasons import JAPANESE, in_readers_language, translated
from tests.support.paths import ROOT

DOCUMENTS = ROOT / "langchain_swallow" / "documents"


def template(node, constants):
    """The text of an expression, with letters for its values; `None` if it is a value alone."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "X" for p in node.values]
        # Before a reason of another reader there is only a name.
        return "".join(parts) if re.search(r"[a-z]{2}", "".join(parts)) else None
    return None


def reasons():
    """The reasons that `DocumentError` and `LeftOut` are given in the readers' sources."""
    for path in sorted(DOCUMENTS.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            name = getattr(getattr(node, "func", None), "id", None)
            if name in ("DocumentError", "LeftOut") and node.args:
                text = template(node.args[0], constants)
                if text:
                    yield pytest.param(text, id=f"{path.stem}:{node.lineno}")


@pytest.mark.parametrize("reason", list(reasons()))
def test_every_reason_in_the_sources_has_a_japanese_text(reason):
    assert translated(reason) is not None


def test_every_format_that_is_not_read_says_in_japanese_what_to_do():
    for suffix in (*_SAVED_BY, *CONVERTED, ".xyz"):
        assert translated(what_to_do(suffix)) is not None, suffix
    assert all(translated(how_to_read(suffix)) is not None for suffix in CONVERTED)


def test_texts_are_japanese_and_have_the_same_values():
    for english, japanese in JAPANESE.items():
        assert re.search(r"[ぁ-んァ-ヶ一-龠]", japanese)
        assert not re.search(r"[ぁ-んァ-ヶ一-龠]", english)
        assert english.count("{}") == japanese.count("{}"), english


@pytest.mark.parametrize(
    ("line", "japanese"),
    [
        (
            "no text layer; the page needs OCR: pages 2-4, 9",
            "テキスト層なし。OCR が必要です: 2-4、9 ページ",
        ),
        ("comment (3): page 1", "注釈（3 件）: 1 ページ"),
        ("規程.zip/a.pdf: blank page", "規程.zip/a.pdf: 白紙のページ"),
        (
            "a.csv: it is not a valid table from line 3 on: unexpected end.",
            "a.csv: 3 行目から正しい表ではありません: unexpected end",
        ),
        (
            "a.pdf has no readable text (no text; the page may need OCR). It needs another export.",
            "a.pdf に読めるテキストがありません（テキストなし。OCR が必要かもしれません）。"
            "別の方法で書き出してください。",
        ),
        ("自分のリーダーの理由: 不明", "自分のリーダーの理由: 不明"),
        (": " * 5000, ": " * 5000),
    ],
)
def test_a_line_is_in_the_language_of_its_reader(line, japanese):
    assert in_readers_language(line) == line
    use_language("ja")
    try:
        assert in_readers_language(line) == japanese
    finally:
        use_language(None)
