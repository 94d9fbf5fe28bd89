"""Reading documents runs no code from the working directory or from the documents' folder."""

import importlib.metadata
import multiprocessing
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import openpyxl
import pytest
import tqdm
from langchain_core.documents import Document

import langchain_swallow
from langchain_swallow import load_documents
from langchain_swallow._system.isolated import trusted_path, working_directory_forgotten
from langchain_swallow.retrieval.langchain_faiss import read_langchain_faiss
from tests.support.embeddings import CharacterEmbeddings

# Each starts Python, some of them ten times.
pytestmark = pytest.mark.slow
PACKAGE = Path(langchain_swallow.__file__).parent
EXAMPLES = PACKAGE.parent / "examples" / "documents"
# Libraries import these where they are installed.
OPTIONAL = {"brotli", "brotlicffi", "chardet", "simplejson", "cryptography", "defusedxml", "orjson"}
HOSTILE = sorted(
    name
    for name in {
        *sys.stdlib_module_names,
        *importlib.metadata.packages_distributions(),
        *OPTIONAL,
        "langchain_swallow",
        "sitecustomize",
        "usercustomize",
    }
    if name.isidentifier()
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Documents, with modules of all names beside and above them that say that they were run."""
    top = tmp_path_factory.mktemp("共有")
    documents = top / "部" / "文書"
    documents.mkdir(parents=True)
    mark = top.parent / "RUN"
    code = f"open({str(mark)!r}, 'a').write(__name__ + ' ')\n"
    for place in (documents, documents.parent, top):
        for name in HOSTILE:
            (place / f"{name}.py").write_text(code, encoding="utf-8")
        (place / "a.pth").write_text(f"import os; open({str(mark)!r}, 'a').write('pth')")
    for file in EXAMPLES.iterdir():
        shutil.copy(file, documents)
    openpyxl.Workbook().save(documents / "空.xlsx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.vectorstores import FAISS

        store = FAISS.from_documents([Document("本文。")], CharacterEmbeddings())
        store.save_local(str(documents / "faiss"))
    # All that this process needs is imported, from where it should be.
    load_documents(documents)
    read_langchain_faiss(documents / "faiss")
    assert not mark.exists()
    return documents, mark


@pytest.mark.slow
@pytest.mark.parametrize("levels", [0, 1, 2], ids=["folder", "parent", "grandparent"])
@pytest.mark.parametrize("variable", [None, "", ".", ":x", "..", "{documents}", "{documents}/.."])
def test_children_run_nothing_of_the_documents_folder(hostile, monkeypatch, levels, variable):
    documents, mark = hostile
    monkeypatch.chdir(documents.parents[levels - 1] if levels else documents)
    if variable is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", variable.format(documents=documents))
    monkeypatch.setenv("PYTHONSTARTUP", str(documents / "json.py"))
    # As `python -m`, `python -c` and PYTHONPATH have it.
    for entry in (str(documents), os.getcwd(), "."):
        monkeypatch.syspath_prepend(entry)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    found = load_documents(documents.relative_to(Path.cwd()), on_error="skip", processes=1)
    assert not found.failed
    assert {"pdf", "docx", "html", "csv", "md"} <= {d.metadata["format"] for d in found}
    assert read_langchain_faiss(Path(os.path.relpath(documents / "faiss"))).texts == ["本文。"]
    assert not mark.exists(), mark.read_text()


SCRIPT = """
import sys
from langchain_swallow.cli import main
sys.path[:0] = {first!r}
sys.exit(main())
"""


@pytest.mark.parametrize("first", [[], ["", "."]], ids=["script", "search path"])
def test_the_command_imports_nothing_from_the_working_directory(hostile, tmp_path, first):
    """Nothing but what Python imports before the first line, where PYTHONPATH says so."""
    documents, mark = hostile
    script = tmp_path / "langchain-swallow"
    script.write_text(SCRIPT.format(first=first), encoding="utf-8")
    output = str(tmp_path / "索引")
    command = [sys.executable, str(script), "index", "会社案内.pdf", "-o", output]
    command += ["--embeddings", "demo"]
    subprocess.run([sys.executable, "-c", "import json"], cwd=documents, check=True)
    assert mark.read_text() == "json ", "else nothing here can fail"
    mark.unlink()
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        command, cwd=documents, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert not mark.exists(), mark.read_text()
    assert (tmp_path / "索引" / "manifest.json").exists(), done.stderr


PROBE = "import langchain_swallow as a, openpyxl as b\nprint(a.__file__, b.__file__, sep='|')\n"
PARENT = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from langchain_swallow import load_documents
from langchain_swallow._system.isolated import python_child
assert load_documents(sys.argv[2])
subprocess.run(**python_child("langchain_swallow.probe"), check=True)
"""


def installed_in(folder, way):
    """This package somewhere else, with a module that says where; what to add to `sys.path`."""
    place = folder / "packages"
    shutil.copytree(PACKAGE, place / PACKAGE.name)
    (place / PACKAGE.name / "probe.py").write_text(PROBE, encoding="utf-8")
    if way == "with dependencies":
        # The parent has imported one of them.
        for module in (tqdm, openpyxl):
            shutil.copytree(Path(module.__file__).parent, place / module.__name__)
    if way == "in an archive":
        return Path(shutil.make_archive(str(folder / "packages"), "zip", place))
    return place


@pytest.mark.parametrize("way", ["alone", "with dependencies", "in an archive"])
def test_children_find_the_package_where_it_was_imported_from(tmp_path, way):
    """As of `pip install --target`, of an editable install, and of an application in an archive."""
    place = installed_in(tmp_path, way)
    command = [sys.executable, "-c", PARENT, str(place), str(EXAMPLES / "会社案内.pdf")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    own, dependency = map(Path, done.stdout.strip().split("|"))
    assert own.is_relative_to(place)
    assert dependency.is_relative_to(place) == (way == "with dependencies")


def test_only_installed_places_are_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("lib/site-packages", "文書"):
        (tmp_path / name).mkdir(parents=True)
    installed = str(tmp_path / "lib" / "site-packages")
    before = trusted_path()
    monkeypatch.setattr(sys, "path", ["", ".", str(tmp_path / "文書"), installed, *sys.path])
    assert trusted_path() == [installed, *before]
    monkeypatch.chdir(installed)
    assert trusted_path() == before


def test_processes_of_other_libraries_do_not_search_the_working_directory(hostile, monkeypatch):
    documents, mark = hostile
    monkeypatch.chdir(documents)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    path = list(sys.path)
    with working_directory_forgotten(), multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(abs, (-1,)) == 1
    assert sys.path == path
    assert "PYTHONSAFEPATH" not in os.environ
    assert not mark.exists(), mark.read_text()


@pytest.mark.parametrize("safe_path", [None, "", "1"])
@pytest.mark.parametrize("is_nested", [True, False], ids=["nested", "overlapping"])
def test_the_working_directory_is_searched_again_when_the_last_has_ended(
    hostile, monkeypatch, is_nested, safe_path
):
    documents, _ = hostile
    monkeypatch.chdir(documents)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if safe_path is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", safe_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path, ".", str(documents)])
    path = list(sys.path)
    one, other = working_directory_forgotten(), working_directory_forgotten()
    one.__enter__()
    assert sys.path == path[1:-2]
    # Of another thread, such as pytest's.
    sys.path.append("later")
    other.__enter__()
    sys.path.append("/added")
    (other if is_nested else one).__exit__(None, None, None)
    assert sys.path == [*path[1:-2], "/added"]
    assert os.environ["PYTHONSAFEPATH"] == "1"
    (one if is_nested else other).__exit__(None, None, None)
    assert [entry for entry in sys.path if entry in path] == path
    assert sorted(set(sys.path) - set(path)) == ["/added", "later"]
    assert os.environ.get("PYTHONSAFEPATH") == safe_path
