"""What the documentation shows is what there is: tables, links, code."""

import re
import sys
from pathlib import Path

import pytest

from tests.benchmarks import page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("path", page.PAGES, ids=lambda p: p.name)
def test_tables_of_figures_are_those_of_their_files(path):
    if path.name == "commands.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse lays out help otherwise in other versions; the page is of 3.11")
    text = path.read_text("utf-8")
    assert page.fill(text) == text, "Run python tests/benchmarks/page.py."


def test_files_of_figures_name_no_folder_of_a_machine():
    files = list(page.RUNS.glob("*.json"))
    assert files
    for file in files:
        assert not re.search(r'"/(home|work|root|tmp|Users)/', file.read_text("utf-8")), file.name


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (DOCS / link).exists()]
    assert missing == []


def test_troubles_are_looked_up_by_what_is_said():
    """Every message in the guide is one of the source's, but for what stands in braces there."""
    source = "\n".join(
        path.read_text("utf-8") for path in (DOCS.parent / "langchain_swallow").rglob("*.py")
    )
    said = re.sub(r'"\s*\n\s*f?"', "", source)
    messages = re.findall(
        r"^### .*?`([^`]+)`", (DOCS / "troubleshooting.md").read_text("utf-8"), re.M
    )
    assert len(messages) > 10
    assert [message for message in messages if message not in said] == []


def test_the_code_on_evaluation_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(DOCS.parent / "examples")
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "evaluation.md").read_text("utf-8"), re.S)
    exec(code, {})
    assert capsys.readouterr().out == "1.0\n"
