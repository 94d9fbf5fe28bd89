"""What the documentation shows is what there is: tables, links, code."""

import ast
import importlib
import re
import shlex
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from langchain_swallow.cli import _parser
from tests.benchmarks import page, pictures
from tests.documentation import DOCS, GUIDES, ROOT, blocks

PAGES = sorted(DOCS.rglob("*.md"))
READMES = sorted(DOCS.parent.glob("README*.md"))
CONTRIBUTING = DOCS.parent / "CONTRIBUTING.md"


@pytest.mark.parametrize("path", page.PAGES, ids=lambda p: p.name)
def test_tables_of_figures_are_those_of_their_files(path):
    if path.name.startswith("commands.") and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse lays out help otherwise in other versions; the page is of 3.11")
    text = path.read_text("utf-8")
    assert page.fill(text) == text, "Run python -m tests.benchmarks.page."


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_pictures_of_figures_are_of_their_files(name):
    _, read = pictures.PICTURES[name]
    shown = pictures.hash_in(pictures.IMAGES / name)
    assert shown == pictures.hash_of(read()), "Run python -m tests.benchmarks.page."


def test_every_extra_that_is_named_exists():
    root = DOCS.parent
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    named = set()
    listed = [root / "pyproject.toml", *READMES, *PAGES, root / "CONTRIBUTING.md"]
    for folder in ("langchain_swallow", "examples"):
        listed += [p for p in (root / folder).rglob("*") if p.suffix in (".py", ".md", ".ipynb")]
    for path in listed:
        # The package by its name, or a checkout.
        for extras in re.findall(
            r"""(?:langchain-swallow|["' ]\.)\[([a-z, -]+)\]""", path.read_text("utf-8")
        ):
            named |= {(path.name, extra.strip()) for extra in extras.split(",")}
    assert len(named) > 10
    assert [pair for pair in named if pair[1] not in project["optional-dependencies"]] == []


def test_guides_install_from_a_checkout():
    """There is nothing on PyPI yet; what is, has its own README."""
    pattern = re.compile(r"pip install [^\n`&]*langchain-swallow")
    examples = (DOCS.parent / "examples").glob("*.ipynb")
    pages = [*READMES, *PAGES, *examples]
    assert [p.name for p in pages if pattern.search(p.read_text("utf-8"))] == []


def test_files_of_figures_name_no_folder_of_a_machine():
    files = list(page.RUNS.glob("*.json"))
    assert files
    for file in files:
        assert not re.search(r'"/(home|work|root|tmp|Users)/', file.read_text("utf-8")), file.name


@pytest.mark.parametrize("path", [CONTRIBUTING, *PAGES], ids=lambda p: p.name)
def test_links_lead_to_files(path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


ARCHITECTURE = [DOCS / "architecture.md", DOCS / "architecture.en.md"]


@pytest.mark.parametrize("path", [CONTRIBUTING, *ARCHITECTURE], ids=lambda p: p.name)
def test_paths_that_newcomers_are_sent_to_exist(path):
    """Seen from the checkout, the package or its readers; capitals are to be replaced."""
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:\w+/)*(?:\w+\.(?:py|md|toml)|\w+/))[`:]", text)
    places = [ROOT, ROOT / "langchain_swallow", ROOT / "langchain_swallow" / "documents"]
    assert len(named) > 10
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert [name for name in missing if "NAME" not in name] == []


@pytest.mark.parametrize("path", ARCHITECTURE, ids=lambda p: p.name)
def test_the_figure_and_the_contract_have_the_same_rooms(path):
    contract = (ROOT / "pyproject.toml").read_text("utf-8").split("layers = [")[1].split("]")[0]
    floors = [re.findall(r"\w+", floor) for floor in re.findall(r'"([^"]+)"', contract)]
    text = path.read_text("utf-8")
    figure = text.split("```text\n")[1].split("```")[0]
    for floor, drawn in zip(
        [floor for floor in floors if "embeddings" not in floor],
        re.split(r"^─+\n", figure, flags=re.M),
        strict=True,
    ):
        rooms = [re.split(r"\s", cell.strip())[0] for cell in drawn.splitlines()[0].split("│")]
        assert set(rooms) == set(floor) - {"_version"}


@pytest.mark.parametrize("path", ARCHITECTURE, ids=lambda p: p.name)
def test_flows_are_of_modules_there_are(path):
    text = path.read_text("utf-8")
    modules = re.findall(r"^  → ([\w.]+)", text, re.M)
    assert len(modules) > 10
    for module in modules:
        path = ROOT / "langchain_swallow" / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), module


@pytest.mark.parametrize("path", [*READMES, *PAGES], ids=lambda p: p.name)
def test_links_keep_to_the_language_of_the_page(path):
    """A page in both languages is linked in the reader's; the two READMEs link each other."""
    is_english = path.name.endswith(".en.md")
    links = {
        link.split("/")[-1] for link in re.findall(r"\]\(([^)#:]+\.md)", path.read_text("utf-8"))
    }
    twins = {page.name for page in PAGES if page.with_name(f"{page.stem}.en.md").exists()}
    other = twins if is_english else {f"{name[:-3]}.en.md" for name in twins}
    assert links & other == set()


@pytest.mark.parametrize("language", ["", ".en"])
def test_troubles_are_looked_up_by_what_is_said(language):
    """Every message in the guide is one of the source's, but for what stands in braces there."""
    source = "\n".join(
        path.read_text("utf-8") for path in (DOCS.parent / "langchain_swallow").rglob("*.py")
    )
    said = re.sub(r'"\s*\n\s*f?"', "", source)
    guide = (DOCS / f"troubleshooting{language}.md").read_text("utf-8")
    messages = re.findall(r"^### .*?`([^`]+)`", guide, re.M)
    assert len(messages) > 10
    assert [message for message in messages if message not in said] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_has_the_same_code_in_both_languages(guide):
    japanese, english = (
        [
            (block.language, block.without_comments, block.reason)
            for block in blocks(path)
            # Drawings have words in them.
            if (guide, block.language) != ("architecture", "text")
        ]
        for path in (DOCS / f"{guide}.md", DOCS / f"{guide}.en.md")
    )
    assert japanese == english


@pytest.mark.parametrize("path", [*READMES, *PAGES], ids=lambda p: p.name)
def test_code_that_is_not_run_is_of_names_and_commands_there_are(path):
    """What cannot run here says why, and is still looked at."""
    for block in (b for b in blocks(path, "python", "bash") if b.reason):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.code)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("langchain_swallow"):
                    module = importlib.import_module(node.module)
                    assert [n.name for n in node.names if not hasattr(module, n.name)] == []
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line.split(" && ")[-1].split("|")[-1], comments=True)
            words = [word for word in words if "=" not in word or word.startswith("-")]
            if words[:1] == ["langchain-swallow"]:
                _parser().parse_args(words[1:])
