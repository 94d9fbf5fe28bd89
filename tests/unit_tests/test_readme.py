"""The README says what the package does."""

from langchain_swallow import list_models
from tests.benchmarks import page
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_of_models_is_the_catalogs_with_a_score():
    scored = [model for model in list_models() if model.japanese_mt_bench]
    assert page.models_table(scored) in README


def test_code_comes_before_line_25():
    assert any(line.startswith("```python") for line in README.splitlines()[:24])


def test_its_two_commands_are_those_of_ci():
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ('pip install -q -e ".[demo,test]"', "langchain-swallow demo", "\npytest\n"):
        assert command in run
        assert command.strip().replace(" -q", "") in README


def test_its_links_lead_to_files():
    links = [part.split(")")[0] for part in README.split("](")[1:]]
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []
