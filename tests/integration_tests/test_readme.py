"""The Python of the README, run with the demo model; the guides are in `test_documentation.py`."""

import re

from tests.support.paths import ROOT


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
