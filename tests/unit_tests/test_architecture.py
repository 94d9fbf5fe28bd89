"""What an import may load, which paths users import from, and what lies where.

Which room may import which is a contract of import-linter in pyproject.toml.
"""

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "langchain_swallow"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("langchain_swallow.chat_models", ["ChatSwallow"]),
        ("langchain_swallow.documents", ["load_documents", "JapaneseTextSplitter"]),
        ("langchain_swallow.embeddings", ["SwallowEmbeddings"]),
        ("langchain_swallow.retrievers", ["HybridRetriever"]),
        ("langchain_swallow.vectorstores", ["SwallowFAISS"]),
    ],
)
def test_the_paths_that_users_of_langchain_write(module, names):
    code = f"from {module} import {', '.join(names)}\nprint({names[0]}.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == names[0]


def test_unit_tests_lie_as_the_package_does():
    tests = ROOT / "tests" / "unit_tests"
    folders = [p.relative_to(tests) for p in tests.rglob("*") if p.is_dir() and p.name[:2] != "__"]
    assert [folder for folder in folders if not (PACKAGE / folder).is_dir()] == []
    packages = [path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*/__init__.py")]
    assert [package for package in packages if package not in folders] == []


def test_no_test_module_imports_from_another():
    """What they share is in tests/support, or in a conftest.py."""
    modules = sorted((ROOT / "tests").rglob("test_*.py"))
    assert modules
    found = re.compile(r"^ *(?:from|import) tests\.(?:unit|integration)_tests", re.MULTILINE)
    assert [module for module in modules if found.search(module.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "statement",
    [
        "import langchain_swallow",
        "from langchain_swallow import list_models, get_preset; list_models()",
        "from langchain_swallow.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "catalogue and presets", "--help"],
)
def test_light_imports(statement):
    """Neither the engines' libraries nor those of retrieval are loaded before they are used."""
    heavy = ["torch", "transformers", "sentence_transformers", "faiss", "scipy", "lxml"]
    code = f"import sys\n{statement}\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_constructing_a_chat_model_loads_no_engine():
    code = (
        "import sys; from langchain_swallow import ChatSwallow; ChatSwallow(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_nothing_else_is_committed_at_the_top():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    top = {path.split("/")[0] for path in listed.stdout.split("\0") if path}
    shown = {name for name in top if not name.startswith(".")}
    assert shown <= {
        *("langchain_swallow", "examples", "tests", "docs", "pyproject.toml", "noxfile.py"),
        *("README.md", "README.en.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "NOTICE"),
    }
