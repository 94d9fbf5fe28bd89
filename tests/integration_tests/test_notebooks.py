"""Notebooks, run as a reader runs them; what cannot run here is checked for its names."""

import ast

import pytest

import langchain_swallow
from tests.benchmarks.notebooks import NEEDS_A_GPU
from tests.support.paths import ROOT

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
# Jupyter's client warns about event loops of its own.
pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES = ROOT / "examples"


def notebooks():
    return sorted(EXAMPLES.glob("*.ipynb"))


def outputs(notebook, kind):
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == kind
    ]


def results(notebook, kind):
    """What cells ended with, of a MIME type."""
    shown = [result["data"] for result in outputs(notebook, "execute_result")]
    return [data[kind] for data in shown if kind in data]


def answers_unfold(notebook):
    answers = results(notebook, "text/html")
    assert "<mark>" in answers[0]
    assert "資料からは分かりません。" in answers[1]


def settings_are_compared(notebook):
    (report,) = results(notebook, "text/markdown")
    assert "k=1" in report
    assert "k=4" in report
    (figure,) = results(notebook, "image/png")
    assert len(figure) > 5000


def a_model_chats(notebook):
    said = results(notebook, "text/plain")
    assert said[0].strip("'")
    assert any("Inquiry(" in text for text in said)
    assert "get_weather" in said[-1]


SHOWN = {
    "07_ask_documents": answers_unfold,
    "13_evaluation": settings_are_compared,
    "14_chat": a_model_chats,
}


@pytest.mark.usefixtures("demo_folder")
@pytest.mark.parametrize(
    "path", [p for p in notebooks() if p.name not in NEEDS_A_GPU], ids=lambda p: p.name
)
def test_it_runs(path):
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    SHOWN[path.stem](notebook)
    # Progress bars are there; warnings are not.
    said = "".join(o["text"] for o in outputs(notebook, "stream") if o["name"] == "stderr")
    assert "Warning" not in said


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: p.name)
def test_it_is_saved_with_its_results(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    if path.name in NEEDS_A_GPU:
        assert not any(cell.get("outputs") for cell in notebook.cells)
        return
    SHOWN[path.stem](notebook)
    assert str(ROOT) not in path.read_text("utf-8")
    assert not outputs(notebook, "error")


@pytest.mark.parametrize("name", sorted(NEEDS_A_GPU))
def test_names_are_those_of_the_package(name):
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    code = "\n".join(
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "%" not in cell.source
    )
    imported = [
        alias.name
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module == "langchain_swallow"
        for alias in node.names
    ]
    assert imported
    assert set(imported) <= set(langchain_swallow.__all__)
