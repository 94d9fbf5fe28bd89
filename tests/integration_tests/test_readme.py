"""The Python of the README and the RAG guide, run with the demo model."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_code_of_the_readme_runs(demo_folder, capsys):
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 5
    code = "\n".join(blocks)
    for written, here in (
        ('"tokyotech-llm/Swallow-7b-instruct-v0.1"', '"demo", max_tokens=64'),
        ("社内規程/", (ROOT / "examples" / "documents").as_posix()),
        ("SwallowEmbeddings()", 'SwallowEmbeddings("demo")'),
    ):
        assert written in code
        code = code.replace(written, here)
    names = {}
    exec(code, names)
    assert names["answer"].citations[0].quote
    printed = capsys.readouterr().out
    assert names["answer"].text in printed
    assert names["inquiry"].product
    assert [call["name"] for call in names["calls"]] == ["search_documents"]


def test_the_code_of_the_first_page_runs(demo_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    first = (ROOT / "docs" / "index.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", first, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.startswith("8,000円 [1]\n経費精算規程.txt")


def test_the_code_of_the_rag_guide_runs(demo_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    guide = (ROOT / "docs" / "rag.md").read_text("utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
        exec(block, names)
    printed = capsys.readouterr().out
    assert "8,000円" in printed
    assert "14 added" in printed
    assert {d.metadata["format"] for d in names["documents"]} == {"md", "docx"}
    assert len(names["histories"]["三浦"].messages) == 4
    assert names["found"]
