"""Names that are not UTF-8, and halves of characters in texts, stop nothing and stay themselves."""

import json
import os
import sys
import zipfile

import openpyxl
import pytest
from langchain_core.documents import Document

from langchain_swallow import HybridRetriever, SwallowFAISS, load_documents, sync_folder
from langchain_swallow.cli import main
from langchain_swallow.cli.common import print_json
from langchain_swallow.errors import DocumentError
from langchain_swallow.rag.answer import Answer
from langchain_swallow.rag.citation import Citation
from langchain_swallow.serving.answer_json import answer_json
from langchain_swallow.text.json_text import json_text
from langchain_swallow.text.paths import readable_path
from tests.support.embeddings import CharacterEmbeddings

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have no names that are not Unicode"
)
HALF = "\ud83d"


@pytest.fixture
def folder(tmp_path):
    """What `unzip` leaves of an archive of Japanese Windows, in a folder with such a name, too."""
    root = os.fsencode(tmp_path) + b"/" + "表示".encode("cp932")
    os.mkdir(root)
    for name, codec in (("議事録", "cp932"), ("予算表", "euc_jp"), ("普通", "utf-8")):
        with open(root + b"/" + name.encode(codec) + b".txt", "w", encoding="utf-8") as file:
            file.write(f"{name}の文書。")
    return os.fsdecode(root)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("議事録.txt", "議事録.txt"),
        ("a/" + os.fsdecode("表ソ.txt".encode("cp932")), "a/表ソ.txt"),
        (os.fsdecode("規程".encode("cp932")) + "/規程.txt", "規程/規程.txt"),
        (os.fsdecode(b"\xff\xfe") + ".txt", "\ufffd\ufffd.txt"),
        (HALF + ".txt", "\ufffd.txt"),
    ],
    ids=["UTF-8", "trail byte of a backslash", "folder", "no CP932", "another surrogate"],
)
def test_names_for_people(name, shown):
    assert readable_path(name) == shown


def test_files_are_read_and_their_sources_open_them(folder):
    found = load_documents(folder)
    texts = {d.page_content for d in found}
    assert texts == {"予算表の文書。", "普通の文書。", "議事録の文書。"}
    for document in found:
        with open(document.metadata["source"], encoding="utf-8") as file:
            assert file.read() == document.page_content
    assert {"議事録", "普通"} < {d.metadata["title"] for d in found}
    json.dumps([d.metadata["title"] for d in found], ensure_ascii=False).encode()


def test_an_index_follows_such_a_folder(folder, tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    assert str(sync_folder(store, folder)) == "3 added"
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    assert str(sync_folder(store, folder)) == "3 unchanged"
    minutes = os.path.join(folder, os.fsdecode("議事録.txt".encode("cp932")))
    assert minutes in store.sources()
    with open(minutes, "w", encoding="utf-8") as file:
        file.write("会議は3階。")
    assert sync_folder(store, folder).changed == (minutes,)
    [answer] = store.similarity_search("会議", filter={"source": minutes})
    assert answer.page_content == "会議は3階。"
    os.mkdir(os.path.join(folder, "下"))
    moved = os.path.join(folder, "下", os.path.basename(minutes))
    os.rename(minutes, moved)
    assert sync_folder(store, folder).moved == {minutes: moved}
    store.move_source(moved, "x" + HALF)
    store.delete(source="x" + HALF)
    assert len(store) == 2
    os.remove(os.path.join(folder, os.fsdecode("予算表.txt".encode("euc_jp"))))
    assert str(sync_folder(store, folder)) == "1 added, 1 deleted, 1 unchanged"


def test_messages_name_the_file_in_characters(folder):
    name = os.path.join(folder, os.fsdecode("壊れた.pdf".encode("cp932")))
    with open(name, "wb") as file:
        file.write(b"%PDF broken")
    [(source, reason)] = load_documents(folder, on_error="skip").failed.items()
    assert source == name
    assert "表示/壊れた.pdf" in reason
    assert reason.encode()
    with pytest.raises(DocumentError, match="壊れた"):
        load_documents(folder)


def jsonl(folder):
    records = {"text": f"本文{HALF}。", "title": f"題{HALF}"}, {"text": "\ud83d\ude00絵文字"}
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")


def xlsx(folder):
    book = openpyxl.Workbook()
    book.active.append(["本文_xD83D_。"])
    book.save(folder / "a.xlsx")


def html(folder):
    (folder / "a.html").write_text("<h1>題&#xD83D;</h1><p>本文&#xD83D;。</p>", encoding="utf-8")


def archive(folder):
    with zipfile.ZipFile(folder / "a.zip", "w") as made:
        made.writestr("a.jsonl", json.dumps({"text": f"本文{HALF}。"}))


@pytest.mark.slow
@pytest.mark.parametrize("make", [jsonl, xlsx, html, archive])
def test_half_a_character_in_a_file_does_not_stop_the_others(tmp_path, make):
    make(tmp_path)
    (tmp_path / "普通.txt").write_text("普通の文書。", encoding="utf-8")
    store = SwallowFAISS(CharacterEmbeddings())
    assert not sync_folder(store, tmp_path).failed
    texts = [d.page_content for d in store.documents]
    assert "普通の文書。" in texts
    assert any("本文" in text for text in texts)
    for document in store.documents:
        json.dumps([document.page_content, document.metadata], ensure_ascii=False).encode()


@pytest.mark.parametrize("path", [None, "索引"], ids=["memory", "disk"])
def test_a_store_takes_them_anywhere(tmp_path, path):
    path = path and tmp_path / path
    store = SwallowFAISS(CharacterEmbeddings(), path=path)
    metadata = {"source": f"出所{HALF}", f"鍵{HALF}": [f"値{HALF}", {f"内{HALF}": 1}]}
    ids = [f"番号{HALF}", f"番号{HALF}2"]
    assert store.add_texts([f"本文{HALF}。", "絵\ud83d\ude00"], [metadata, {}], ids=ids) == ids
    if path:
        store = SwallowFAISS(CharacterEmbeddings(), path=path)
    [document] = store.get_by_ids([ids[0]])
    assert (document.id, document.page_content) == (ids[0], "本文\ufffd。")
    assert document.metadata == metadata
    assert store.sources() == {f"出所{HALF}": None}
    for condition in ({f"鍵{HALF}": {"$exists": True}}, {"source": {"$contains": HALF}}):
        assert [d.id for d in store.similarity_search(f"本文{HALF}", filter=condition)] == [ids[0]]
    retriever = HybridRetriever(store=store, k=2)
    assert retriever.invoke(f"本文{HALF}は何ですか")[0].id == ids[0]
    store.optimize()
    store.add_texts(["新しい。"], ids=[ids[0]])
    store.delete(ids=[ids[1]])
    assert [(d.id, d.page_content) for d in store.documents] == [(ids[0], "新しい。")]


def test_the_command_prints_what_it_did(folder, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.setattr(
        "langchain_swallow.retrieval.embeddings.local.SwallowEmbeddings",
        lambda model: CharacterEmbeddings(),
    )
    assert main(["sync", folder, "-i", str(tmp_path / "索引"), "--json"]) == 0
    added = json.loads(capsysbinary.readouterr().out.decode("utf-8"))["added"]
    assert all(os.path.isfile(source) for source in added)
    assert len(added) == 3
    with open(os.path.join(folder, os.fsdecode("壊れた.pdf".encode("cp932"))), "wb") as file:
        file.write(b"%PDF broken")
    assert main(["index", folder, "-o", str(tmp_path / "新"), "--skip-errors"]) == 0
    assert "壊れた.pdf" in capsysbinary.readouterr().err.decode("utf-8")


def test_json_has_characters_where_it_can(capsys):
    print_json({"表": HALF})
    assert json.loads(capsys.readouterr().out) == {"表": HALF}
    assert json_text({"表": "議\n"}) == '{"表": "議\\n"}'
    assert json_text({"表": HALF}).encode()


def test_an_index_in_a_folder_of_such_a_name(folder):
    path = os.path.join(folder, os.fsdecode("索引".encode("cp932")))
    SwallowFAISS.from_texts(["本文。"], CharacterEmbeddings()).save_local(path)
    assert len(SwallowFAISS.load_local(path, CharacterEmbeddings())) == 1


def test_citations_name_the_file_in_characters(folder):
    source = os.path.join(folder, os.fsdecode("表.txt".encode("cp932")))
    citation = Citation(1, Document("本文。", metadata={"source": source}))
    assert citation.place == "表.txt"
    sent = answer_json(
        Answer(text="本文[1]。", documents=[citation.document], citations=[citation])
    )
    assert {d["metadata"]["source"] for d in sent["documents"]} == {"表.txt"}
    assert json.dumps(sent, ensure_ascii=False).encode()
