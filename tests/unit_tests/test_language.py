"""What people read is in the field's words: banned phrases, short sentences, です・ます.

Code, tables and generated blocks are not prose.
"""

import json
import re
import statistics

import pytest

from tests.documentation import DOCS, GUIDES, ROOT

# Phrases of a private English; what to write instead.
BANNED = {
    r"(?<!here )\bis no [a-z]": "is not a …",
    r"\bso many\b": "this many, or the number",
    r"\btold\b": "tells, reports, shows",
    r"\banew\b": "again",
    r"\bmended\b": "fixed",
    r"\bof before\b": "old, earlier",
    r"\bfor ever\b": "without end",
    # A format of a number (+.3f, %.3g) is not a figure.
    r"(?<![\w.\])}*/:,-])\.\d(?![fg]\b)": "0.85, with its zero",
}
BANNED_IN_GUIDES = {
    r"\bstands?\b": "is",
    r"\bmeets?\b": "matches",
    r"\bbeside\b": "next to, with, compared with",
    r"\bencoder\b": "embedding model",
    r"\b(?:quanti|summari|recogni|organi|normali)s(?:e|ed|es|ing|ation)\b": "American spelling",
    r"\blicence\b": "license",
}
BANNED_IN_CODE = {
    r"_AT_ONCE\b": "_MAX_IN_FLIGHT, _BATCH_SIZE",
    r"_MOST_|_LEAST_|_LONGEST|_WORTH\b": "_MAX_…, _MIN_…",
    r"\bdef \w+_of\(": "a verb: build_…, parse_…",
}
BANNED_IN_JAPANESE = {
    "メモリー": "メモリ",
    "リポジトリー": "リポジトリ",
    "プロキシー": "プロキシ",
    "コンテナー": "コンテナ",
    "(?:サーバ|ユーザ)(?!ー)": "サーバー、ユーザー",
    "利用者": "ユーザー、クライアント",
    "採点者|判定者": "評価モデル",
    "保管先": "ベクトルストア",
    "道具": "ツール",
    "機械(?!学習)": "マシン",
    "頁": "ページ",
    "窓": "コンテキスト長",
    "標準では|標準の値|（標準": "デフォルト",
    "断る|断られ|断り": "拒否",
    "要求(?!する|され)": "リクエスト",
    r"(?<![\d\w.])\.\d": "0.59",
}
# Rooms whose docstrings, comments, errors and names follow the rules; the others are to come.
CLEAN_ROOMS = (
    "cli",
    *("_system", "catalog", "errors", "rag"),
    *("documents", "embeddings", "retrievers", "vectorstores"),
    *("engines", "serving", "chat_models", "prompts"),
    *("evaluation", "retrieval", "text"),
)

# The others are generated, or are records of decisions.
ENGLISH = [DOCS / f"{name}.en.md" for name in GUIDES] + [ROOT / "README.en.md"]
JAPANESE = [DOCS / f"{name}.md" for name in GUIDES] + [ROOT / "README.md"]
RECORDS = sorted((DOCS / "decisions").glob("*.md"))
PAGES = [*ENGLISH, *RECORDS, ROOT / "CONTRIBUTING.md"]

_NOT_PROSE = re.compile(
    r"<!-- (?:\w[\w ]*)(?:: [\w #-]+)? -->\n.*?<!-- end -->|^```.*?^```|<!--.*?-->|`[^`]*`"
    r"|\]\([^)]*\)|<https?:[^>]*>",
    re.DOTALL | re.MULTILINE,
)


def prose(path):
    """Paragraphs of a page, without code, tables, addresses and generated blocks."""
    text = _NOT_PROSE.sub(lambda m: "x" if m[0].startswith("`") else "", path.read_text("utf-8"))
    paragraphs, current = [], []
    for line in [*text.splitlines(), ""]:
        starts = re.match(r"\s*(?:[*-] |\d+\. |#)", line)
        if current and (starts or not line.strip() or line.startswith("|")):
            paragraphs.append(" ".join(current))
            current = []
        if line.strip() and not line.startswith(("|", "#", "    ", "![")):
            current.append(re.sub(r"^\s*(?:[*-] |\d+\. )", "", line).strip())
    return paragraphs


def found(patterns, text):
    return [f"{m[0]} → {better}" for p, better in patterns.items() for m in re.finditer(p, text)]


def notebook_text(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_have_no_banned_phrase(path):
    text = "\n".join(prose(path))
    in_guides = BANNED_IN_GUIDES if path in ENGLISH else {}
    assert found({**BANNED, **in_guides}, text) == []


@pytest.mark.parametrize("path", JAPANESE, ids=lambda path: path.name)
def test_japanese_guides_have_no_banned_word(path):
    text = _NOT_PROSE.sub("", path.read_text("utf-8"))
    assert found(BANNED_IN_JAPANESE, text) == []


@pytest.mark.parametrize(
    "path",
    [p for p in sorted((ROOT / "examples").iterdir()) if p.suffix in (".py", ".ipynb", ".sh")],
    ids=lambda path: path.name,
)
def test_examples_have_no_banned_phrase(path):
    text = notebook_text(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
    words = {p: BANNED_IN_JAPANESE[p] for p in ("利用者", "道具", "機械(?!学習)", "頁", "メモリー")}
    assert found({**BANNED, **BANNED_IN_CODE, **words}, text) == []


@pytest.mark.parametrize("room", CLEAN_ROOMS)
def test_rooms_have_no_banned_phrase(room):
    place = ROOT / "langchain_swallow" / room
    files = [place.with_suffix(".py")] if not place.is_dir() else sorted(place.rglob("*.py"))
    assert {
        path.name: said
        for path in files
        if (said := found({**BANNED, **BANNED_IN_CODE}, path.read_text("utf-8")))
    } == {}


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.name)
def test_sentences_of_guides_are_short(path):
    sentences = [
        sentence.split()
        for paragraph in prose(path)
        for sentence in re.split(r"(?<=[.!?:;])\s+", paragraph)
        if len(sentence.split()) > 2
    ]
    assert statistics.mean(map(len, sentences)) <= 20
    too_long = [" ".join(words) for words in sentences if len(words) > 35]
    assert too_long == []


def without_brackets(text):
    """Quotations and remarks end as they like."""
    shorter = re.sub(r"[「（][^「」（）]*[」）]", "", text)
    return shorter if shorter == text else without_brackets(shorter)


@pytest.mark.parametrize("path", JAPANESE, ids=lambda path: path.name)
def test_japanese_guides_are_polite(path):
    sentences = [
        sentence
        for paragraph in prose(path)
        for sentence in re.findall(r"[^。]+。", without_brackets(paragraph))
    ]
    polite = re.compile(r"(?:です|ます|ません|ました|でした|ください)か?\s*。$")
    assert [sentence for sentence in sentences if not polite.search(sentence)] == []
