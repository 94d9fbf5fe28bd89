"""The README says what the package does."""

import pytest

from langchain_swallow import list_models
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def row(model):
    return (
        f"| {model.name} | {model.parameters / 1e9:.1f} B | {model.prompt_format or 'base model'} "
        f"| {model.context_window:,} | {model.weights_gib(16):.1f} | {model.weights_gib(8):.1f} "
        f"| {model.weights_gib(4):.1f} | {model.kv_cache_gib_per_1000_tokens:.2f} "
        f"| {model.licence} |"
    )


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.name)
def test_the_table_of_models_is_the_catalogue(model):
    assert row(model) in README.splitlines()


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
