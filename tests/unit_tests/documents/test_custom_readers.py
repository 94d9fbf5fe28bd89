"""Readers that users and other packages add."""

import io
import sys
import zipfile

import pytest
from langchain_core.documents import Document

from langchain_swallow import SwallowFAISS, load_documents, sync_folder
from langchain_swallow.documents import custom_readers
from langchain_swallow.documents.load import lazy_load_documents
from langchain_swallow.errors import DocumentError
from tests.support.embeddings import CharacterEmbeddings


def read_jtd(data, name):
    return data.decode("cp932").removeprefix("JTD:")


def read_pages(data, name):
    pages = data.decode().split("|")
    return (Document(p, metadata={"page": i, "source": "?"}) for i, p in enumerate(pages, 1))


def test_a_reader_for_an_unknown_format(tmp_path):
    (tmp_path / "通知.JTD").write_bytes("JTD:休業のお知らせ。".encode("cp932"))
    for load in (load_documents, lazy_load_documents):
        (document,) = load(tmp_path, readers={".jtd": read_jtd})
        assert document.page_content == "休業のお知らせ。"
        assert document.metadata["source"] == str(tmp_path / "通知.JTD")
        assert (document.metadata["title"], document.metadata["format"]) == ("通知", "jtd")
    loaded = load_documents(tmp_path)
    assert loaded.ignored == [str(tmp_path / "通知.JTD")]


def test_documents_of_a_reader_keep_their_metadata(tmp_path):
    (tmp_path / "a.pages").write_text("一|二")
    loaded = load_documents(tmp_path, readers={".pages": read_pages})
    assert [(d.page_content, d.metadata["page"], d.metadata["source"]) for d in loaded] == [
        ("一", 1, str(tmp_path / "a.pages")),
        ("二", 2, str(tmp_path / "a.pages")),
    ]


def test_a_reader_comes_before_that_of_the_package(tmp_path):
    (tmp_path / "a.txt").write_text("一|二")
    assert len(load_documents(tmp_path, readers={".txt": read_pages})) == 2


def test_files_in_archives_are_read_too(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("中/a.jtd", "JTD:中の文書。".encode("cp932"))
        archive.writestr("b.jtd", b"\x81")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    loaded = load_documents(tmp_path, readers={".jtd": read_jtd}, on_error="skip")
    assert [(d.page_content, d.metadata["inside"]) for d in loaded] == [("中の文書。", "中/a.jtd")]
    ((place, reason),) = loaded.failed.items()
    assert place == f"{tmp_path}/a.zip/b.jtd"
    assert "the reader for .jtd failed: UnicodeDecodeError" in reason


@pytest.mark.parametrize("result", [None, [1], 5])
def test_what_a_reader_must_not_return(tmp_path, result):
    (tmp_path / "a.jtd").write_bytes(b"")
    with pytest.raises(DocumentError, match=r"a\.jtd was not read: the reader for \.jtd failed"):
        load_documents(tmp_path, readers={".jtd": lambda data, name: result})


@pytest.mark.parametrize("readers", [{"jtd": read_jtd}, {".jtd": "read_jtd"}])
def test_what_is_not_a_reader(tmp_path, readers):
    with pytest.raises(ValueError, match="is not a reader by extension"):
        load_documents(tmp_path, readers=readers)


def test_sync_uses_the_readers(tmp_path):
    (tmp_path / "a.jtd").write_bytes("JTD:休業のお知らせ。".encode("cp932"))
    store = SwallowFAISS(CharacterEmbeddings())
    summary = sync_folder(store, tmp_path, readers={".jtd": read_jtd})
    assert summary.added == (str(tmp_path / "a.jtd"),)
    assert store.similarity_search("休業", k=1)[0].page_content == "休業のお知らせ。"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package with an entry point for an extension, in a place for packages."""

    def install(suffix, place="site-packages"):
        packages = tmp_path / "environment" / place
        described = packages / "jtd_reader-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: jtd-reader\nVersion: 1.0\n"
        )
        points = f"[langchain_swallow.readers]\n{suffix} = jtd_reader_of_tests:read\n"
        (described / "entry_points.txt").write_text(points)
        module = "def read(data, name):\n    return 'plugin: ' + data.decode()\n"
        (packages / "jtd_reader_of_tests.py").write_text(module)
        monkeypatch.syspath_prepend(packages)
        custom_readers._installed.cache_clear()

    yield install
    custom_readers._installed.cache_clear()
    sys.modules.pop("jtd_reader_of_tests", None)


def test_readers_of_installed_packages(tmp_path, install):
    install(".jtd")
    (tmp_path / "a.jtd").write_bytes(b"text")
    (document,) = load_documents(tmp_path / "a.jtd")
    assert document.page_content == "plugin: text"
    (document,) = load_documents(tmp_path / "a.jtd", readers={".jtd": lambda d, n: "given"})
    assert document.page_content == "given"


def test_an_installed_package_does_not_replace_a_reader(tmp_path, install):
    install(".txt")
    (tmp_path / "a.txt").write_bytes(b"text")
    assert load_documents(tmp_path / "a.txt")[0].page_content == "text"


def test_a_package_in_a_folder_of_documents_is_not_run(tmp_path, install):
    install(".jtd", place="documents")
    (tmp_path / "a.jtd").write_bytes(b"text")
    with pytest.raises(DocumentError, match="unknown format"):
        load_documents(tmp_path / "a.jtd")
