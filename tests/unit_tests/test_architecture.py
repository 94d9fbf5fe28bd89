"""One direction of imports, and what an import may load."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "langchain_swallow"
# A module may import lower layers and its own folder, never a sibling of its layer.
LAYERS = {
    "_version": 0,
    "errors": 0,
    "forks": 0,
    "isolated": 0,
    "locations": 0,
    "machine": 0,
    "catalog": 1,
    "presets": 1,
    "text": 1,
    "prompts": 2,
    "messages": 2,
    "overflow": 2,
    "json_schemas": 1,
    "typed_dicts": 0,
    "json_values": 1,
    "tool_calls": 2,
    "tool_schemas": 2,
    "index": 2,
    "vector_cache": 2,
    "batches": 2,
    "formats": 2,
    # Takes Runnables: nothing that generates or retrieves is below it.
    "evaluation": 2,
    "engines": 3,
    "chat_loading": 4,
    "chat_tools": 4,
    "structured_output": 4,
    "cache_keys": 5,
    "chat_batches": 5,
    "chat_binding": 5,
    "chat_requests": 5,
    "chat_results": 5,
    "chat_engines": 6,
    "chat_models": 7,
    "documents": 6,
    "splitters": 6,
    "embeddings": 6,
    "vectorstores": 6,
    "rerankers": 6,
    "sync_plan": 6,
    "retrievers": 7,
    "query_expansion": 8,
    "migration": 7,
    "sync": 7,
    "rag": 8,
    "benchmark": 8,
    "serving": 9,
    "cli": 10,
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def unit(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Top-level units a module imports, inside functions too, but not for types only."""
    tree = parsed(path)
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "langchain_swallow":
                names |= {f"langchain_swallow.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {ast.literal_eval(a) for a in node.args if isinstance(a, ast.Constant)}
    prefix = "langchain_swallow."
    return {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_import_lower_layers_only(path):
    own = unit(path)
    if own == "__init__":
        return
    for other in imported(path) - {own}:
        assert LAYERS[other] < LAYERS[own], f"{own} imports {other}"


def test_every_unit_has_a_layer():
    assert {unit(path) for path in MODULES} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_and_transformers_are_imported_in_engines_only(path):
    if unit(path) == "engines":
        return
    tree = parsed(path)
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not names & {"torch", "transformers"}


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
    root = PACKAGE.parent
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    top = {path.split("/")[0] for path in listed.stdout.split("\0") if path}
    assert {name for name in top if not name.startswith(".")} == {
        *("langchain_swallow", "examples", "tests", "docs", "pyproject.toml", "README.md"),
        *("LICENSE", "NOTICE", "CHANGELOG.md"),
    }
