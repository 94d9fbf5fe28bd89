"""The Python of the README, run with the demo model; its shell is in `test_documentation.py`."""

import shutil

from tests.documentation import blocks
from tests.support.paths import ROOT


def test_the_code_of_the_readme_prints_what_it_shows(demo_folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "examples" / "documents", tmp_path / "社内規程")
    monkeypatch.chdir(tmp_path)
    [python] = blocks(ROOT / "README.md", "python")
    exec(python.code, {})
    shown = [line.split("  # ")[1] for line in python.code.splitlines() if "  # " in line]
    assert len(shown) == 2
    assert capsys.readouterr().out.splitlines() == shown
