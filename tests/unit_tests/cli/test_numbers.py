"""Numbers that no option takes, and figures that cannot be drawn, are said before any work."""

import argparse
import sys

import pytest
from pydantic import BaseModel, Field

from langchain_swallow import ChatSwallow
from langchain_swallow.cli import main
from langchain_swallow.cli.error_texts import error_text
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.engines import demo
from langchain_swallow.engines.registry import shared_engine
from langchain_swallow.errors import EvaluationError, MissingDependencyError
from langchain_swallow.evaluation.plots import check_plot

ASK = ["ask", "-i", "索引", "問"]


@pytest.mark.parametrize(
    ("command", "option", "value", "limits"),
    [
        (ASK, "-k", "0", "from 1"),
        (ASK, "-k", "-3", "from 1"),
        (ASK, "-k", "四つ", "from 1"),
        (ASK, "-k", "1.5", "from 1"),
        (ASK, "--max-tokens", "0", "from 1"),
        (ASK, "--neighbors", "-1", "from 0"),
        (ASK, "--max-model-len", "0", "from 1"),
        (["chat"], "--max-tokens", "0", "from 1"),
        (["index", "文書", "-o", "索引"], "--chunk-tokens", "0", "from 1"),
        (["sync", "文書", "-i", "索引"], "--chunk-tokens", "0", "from 1"),
        (["bench"], "--prompts", "0", "from 1"),
        (["bench"], "--tokens", "0", "from 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "-k", "0", "from 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "--max-tokens", "0", "from 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "--limit", "0", "from 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "--concurrency", "0", "from 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "--lexical-weight", "2", "from 0 to 1"),
        (["eval", "rag", "-o", "x", "--model", "demo"], "--lexical-weight", "nan", "from 0 to 1"),
    ],
)
def test_a_number_out_of_its_range_is_wrong_usage(capsys, command, option, value, limits):
    with pytest.raises(SystemExit) as ended:
        main([*command, f"{option}={value}" if option.startswith("--") else f"{option}{value}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{option}: must be a number {limits}, not '{value}'" in said
    assert "pydantic" not in said


def test_numbers_within_their_range_are_read():
    assert (at_least(0)("0"), at_least(1)("12"), between(0, 1)("1"), between(2)("2.5")) == (
        *(0, 12, 1.0),
        2.5,
    )
    for read, text in ((at_least(1), "inf"), (between(0), "inf"), (between(0), "x")):
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)


def test_what_pydantic_says_is_said_without_its_links():
    class Inner(BaseModel):
        k: int = Field(ge=1)

    class Outer(BaseModel):
        inner: Inner
        name: str

    with pytest.raises(ValueError) as met:  # noqa: PT011
        Outer(inner={"k": 0}, name=3)
    assert error_text(met.value) == (
        "inner.k=0: Input should be greater than or equal to 1. "
        "name=3: Input should be a valid string."
    )
    assert error_text(OSError("x")) == "x"


def test_an_error_of_a_command_has_no_links(capsys, tmp_path, monkeypatch):
    """A value that only the chat model refuses."""
    assert main(["bench", "--model", "demo", "--quantization", "3bit"]) == 1
    assert "pydantic" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.docx", "x", "none/x.png"])
def test_a_figure_that_cannot_be_saved_is_said_first(tmp_path, name, capsys):
    with pytest.raises(EvaluationError):
        check_plot(tmp_path / name)
    assert main(["bench", "--model", "none", "--plot", str(tmp_path / name)]) == 1
    assert "Unknown Swallow model" not in capsys.readouterr().err


def test_a_missing_matplotlib_is_said_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"langchain-swallow\[plots\]"):
        check_plot(tmp_path / "x.png")
    assert main(["bench", "--model", "none", "--plot", str(tmp_path / "x.png")]) == 1
    assert "langchain-swallow[plots]" in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_said_first(tmp_path, capsys):
    assert main(["bench", "--model", "none", "--output", str(tmp_path / "none" / "x.json")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_the_demo_tokenizer_is_known_to_the_client_of_a_server(monkeypatch, checkpoint):
    monkeypatch.setattr(demo, "demo_model_folder", lambda: checkpoint)
    for fields in ({"model": "demo"}, {"model": str(checkpoint), "tokenizer": "demo"}):
        llm = ChatSwallow(base_url="http://127.0.0.1:1/v1", **fields)
        assert shared_engine(llm.load_settings(llm.model)).tokenizer.encode("東京")
        llm.unload()
