"""Both READMEs say what the package does, in as many words as someone reads."""

import json
import re

import pytest

from langchain_swallow import list_models
from tests.benchmarks import page
from tests.benchmarks.cards import CARDS
from tests.documentation import blocks
from tests.support.paths import ROOT

PATHS = (ROOT / "README.md", ROOT / "README.en.md")
READMES = [pytest.param(path.read_text("utf-8"), id=path.name) for path in PATHS]
SECTIONS = {
    "README.md": [
        *(
            "なぜ使うか",
            "何を実行して確かめたか",
            "インストール",
            "GPU なしで三分",
            "GPU で Swallow",
        ),
        *("Python で九行", "本番で使う", "ベンチマーク", "文書", "ライセンスと引用"),
    ],
    "README.en.md": [
        *("Why use it", "What was run", "Installation", "Three minutes without a GPU"),
        *("Swallow on a GPU", "Nine lines of Python", "In production", "Benchmarks"),
        *("Documentation", "License and citation"),
    ],
}
_NUMBER = re.compile(r"(?<![A-Za-z])\d[\d,]*(?:\.\d+)?")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_it_is_short_and_has_its_sections(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 120
    assert [line[3:] for line in lines if line.startswith("## ")] == SECTIONS[path.name]


def test_both_languages_have_the_same_code():
    japanese, english = (
        [(block.language, block.without_comments, block.reason) for block in blocks(path)]
        for path in PATHS
    )
    assert japanese == english


def test_nine_lines_are_nine():
    [block] = blocks(PATHS[0], "python")
    assert len([line for line in block.code.splitlines() if line]) == 9


@pytest.mark.parametrize("readme", READMES)
def test_checkpoints_have_their_table_on_the_page_of_models_alone(readme):
    rows = page.models_table(list_models()).splitlines()[2:]
    assert [row for row in rows if row in readme] == []


@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{card.gigabytes}-{card.model}")
def test_a_card_holds_its_model_with_context_embeddings_and_reranker(card):
    assert card.needed_gib < card.usable_gib
    assert card.info.prompt_format


def _measured(readme):
    """Rows with a command: the command, and the numbers between the second column and it."""
    for line in readme.splitlines():
        cells = line.strip("|").split("|")
        command = re.fullmatch(r" `((?:tests/benchmarks/|langchain-swallow bench).*)` ", cells[-1])
        if command:
            yield command[1], _NUMBER.findall(" ".join(cells[2:-1]))


@pytest.mark.parametrize("readme", READMES)
def test_figures_are_those_of_their_commands(readme):
    runs = [json.loads(path.read_text("utf-8")) for path in page.RUNS.glob("*.json")]
    rows = list(_measured(readme))
    assert len(rows) == 9
    for command, numbers in rows:
        [run] = [run for run in runs if run["command"].startswith(command)]
        known = _NUMBER.findall(json.dumps(run["tables"], ensure_ascii=False))
        # Of a benchmark of the package the whole command; a script's other arguments are its data.
        assert not command.startswith("langchain") or command == run["command"].split(" --out")[0]
        assert numbers, command
        assert [number for number in numbers if number not in known] == [], command


@pytest.mark.parametrize("readme", READMES)
def test_its_two_commands_are_those_of_ci(readme):
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ('pip install -q -e ".[demo,test]"', "langchain-swallow demo", "\npytest\n"):
        assert command in run
        assert command.strip().replace(" -q", "") in readme


@pytest.mark.parametrize("readme", READMES)
def test_its_links_lead_to_files(readme):
    links = [part.split(")")[0] for part in readme.split("](")[1:]]
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []
