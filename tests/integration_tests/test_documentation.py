"""The code of the guides, Python and shell, run as a reader runs it: with the demo model.

Blocks that cannot run here say why, in the page itself; `test_docs.py` looks at those.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation import DOCS, GUIDES, ROOT, blocks


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Where someone begins: an empty folder, the package installed, nothing set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWALLOW_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("SWALLOW_LANG", "ja")
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    )
    return tmp_path


@pytest.fixture
def checkout(empty):
    """The same in a checkout."""
    shutil.copytree(ROOT / "examples", empty / "examples")
    return empty


@pytest.fixture
def folder(checkout, monkeypatch):
    """Where a reader of the guides stands: in a checkout, with documents of his own."""
    shutil.copytree(checkout / "examples" / "documents", checkout / "社内規程")
    # The models of the hub are not to be had here.
    monkeypatch.setenv("SWALLOW_MODEL", "demo")
    monkeypatch.setenv("SWALLOW_EMBEDDINGS", "demo")
    return checkout


def run_page(path, names=None):
    """Run a page from top to bottom; without `names` each block as it is when read alone."""
    for number, block in enumerate(blocks(path, "python", "bash"), 1):
        if block.reason:
            continue
        if block.language == "python":
            code = compile(block.code, f"{path.name}#{number}", "exec")
            exec(code, {} if names is None else names)
        else:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500,
            )  # fmt: skip
            assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"
            print(done.stdout, done.stderr, sep="\n")


@pytest.mark.usefixtures("demo_folder", "empty")
def test_the_quickstart_runs_in_an_empty_folder(capsys):
    run_page(DOCS / "index.md")
    printed = capsys.readouterr().out
    assert "\n3か月 [1]" in printed
    assert "\n8,000円 [1]\n経費精算規程.txt" in printed


@pytest.mark.usefixtures("demo_folder", "folder")
@pytest.mark.parametrize(
    "guide",
    [n for n in GUIDES if n != "index" and blocks(DOCS / f"{n}.md", "python", "bash")],
)
def test_a_guide_runs(guide, capfd):
    # Servers that a guide starts write to stderr, so it must be a file.
    path = DOCS / f"{guide}.md"
    names = {}
    run_page(path, None if guide == "howto" else names)
    printed = capfd.readouterr().out
    if guide == "serve":
        assert "有給休暇" in printed
        assert "就業規則.md" in printed
    if guide == "rag":
        assert "8,000円" in printed
        assert {d.metadata["format"] for d in names["documents"]} == {"md", "docx"}
        assert len(names["histories"]["三浦"].messages) == 4
        assert names["found"]
        assert "added" in printed
    if guide == "tutorial":
        # What it shows below a block that runs is what one sees.
        shown = blocks(path, "bash", "text")
        for block, below in itertools.pairwise(shown):
            if block.language == "bash" and not block.reason and below.language == "text":
                assert below.code.strip() in printed
        [counted] = re.findall(r"`([^`]+ → 索引)`", path.read_text("utf-8"))
        assert counted in printed
    if guide == "howto":
        assert "超える" in printed
        assert printed.count("3か月 [1]") >= 2


@pytest.mark.usefixtures("demo_folder", "empty")
def test_the_shell_of_the_readme_prints_what_it_shows():
    readme = ROOT / "README.md"
    shell = [block.code for block in blocks(readme, "bash") if not block.reason]
    [shown] = blocks(readme, "text")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(shell)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.endswith(shown.code)
