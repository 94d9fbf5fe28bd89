"""What becomes of files that users add, without a socket."""

import asyncio
import io
import time
import zipfile

import pytest
from langchain_core.language_models import FakeListChatModel
from PIL import Image

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.serving.api import create_api
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.uploads import Limits, Received
from tests.support.assistants import client, new_session
from tests.support.embeddings import CharacterEmbeddings

TEXT = "電球は12個。".encode()


def assistant(store=None, **options):
    llm = FakeListChatModel(responses=["12個 [1]"])
    kept = store or SwallowFAISS.from_texts(["何か。"], CharacterEmbeddings())
    return Assistant(llm, kept, splitter=JapaneseTextSplitter(100), **options)


async def add(made, session, name, data, **options):
    file = Received(name, len(data), lambda: data)
    (result,) = [row async for row in made.files.add(session, [file], **options)]
    return result


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def word(body):
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
    return zipped(**{"word/document.xml": document})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({}, []),
        ({"壊.pdf": b"%PDF-1.4 nothing"}, ["壊.pdf"]),
        ({"中.zip": zipped()}, ["中.zip is an archive in an archive"]),
        ({"壊.docx": b"PK", "壊.xlsx": b"PK"}, ["壊.docx", "壊.xlsx"]),
        ({"旧.jtd": b"1"}, ["Save .jtd in Ichitaro"]),
        ({"~$旧.jtd": b"1", "絵.png": b"1"}, []),
    ],
    ids=["none", "pdf", "zip", "office", "unknown", "no documents"],
)
async def test_a_file_of_an_archive_that_cannot_be_read_takes_no_other_with_it(files, lines):
    made = assistant()
    data = zipped(**{"備品.txt": TEXT, **files})
    async with client(create_api(made)) as http:
        session = await new_session(http)
        sent = [("files", ("全部.zip", data))]
        (row,) = (await http.post(f"/v1/sessions/{session}/documents", files=sent)).json()
    assert (row["passages"], row["error"]) == (1, "")
    assert len(row["left_out"]) == len(lines)
    assert all(line in said for line, said in zip(lines, row["left_out"], strict=True))


async def test_reasons_are_in_japanese_for_a_japanese_reader(monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "ja")
    made = assistant()
    row = await add(made, made.sessions.create(), "壊.txt", b"\x00\x00")
    assert row.error.startswith("壊.txt には NUL バイトがあり（最初の位置: 位置 0（1 行目））")
    data = zipped(**{"備品.txt": TEXT, "旧.jtd": b"1", "中.zip": zipped()})
    row = await add(made, made.sessions.create(), "全部.zip", data)
    assert sorted(row.left_out) == [
        "全部.zip/中.zip はアーカイブの中のアーカイブです。外側を展開してください。",
        "全部.zip/旧.jtd: .jtd は Ichitaro (一太郎) で .docx か PDF に保存するか、"
        "リーダーを渡してください: readers={'.jtd': …}",
    ]


async def test_only_a_file_without_any_document_fails():
    made = assistant()
    session = made.sessions.create()
    data = zipped(**{"壊.pdf": b"%PDF-1.4 nothing", "壊.docx": b"PK"})
    result = await add(made, session, "全部.zip", data)
    assert "壊.pdf" in result.error
    assert "壊.docx" in result.left_out[0]
    assert session.files == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "where"), [("報告.docx", "報告.docx: "), ("全部.zip", "全部.zip/報告.docx: ")]
)
async def test_what_a_reader_lost_is_said(name, where):
    made = assistant()
    data = word("<w:p><w:r><w:t>電球は12個。</w:t></w:r></w:p><w:altChunk/>")
    if name.endswith(".zip"):
        data = zipped(**{"報告.docx": data})
    result = await add(made, made.sessions.create(), name, data)
    assert (result.passages, result.error) == (1, "")
    (line,) = result.left_out
    assert line.startswith(where)
    assert "altChunk" in line


@pytest.mark.parametrize(
    "metadata",
    [{}, {"uploaded": "yes"}, {"uploaded": True}],
    ids=["a document", "with a field", "of a file"],
)
async def test_no_user_replaces_the_owners_documents(metadata, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if metadata.get("uploaded") is True:
        (tmp_path / "規程.txt").write_text("日当は3,000円。", encoding="utf-8")
    own = {"source": "規程.txt", **metadata}
    store = SwallowFAISS.from_texts(["日当は3,000円。"], CharacterEmbeddings(), [own])
    made = assistant(store, shared_uploads=True)
    result = await add(made, made.sessions.create(), "規程.txt", TEXT, shared=True)
    assert result.passages == 0
    assert "Rename the file" in result.error
    assert [document.page_content for document in store.documents] == ["日当は3,000円。"]


@pytest.mark.slow
async def test_uploads_of_everyone_are_replaced_and_are_no_files_of_the_server(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "備品.txt").write_text("倉庫の表。", encoding="utf-8")
    made = assistant(shared_uploads=True)
    for text in ("電球は12個。", "電球は9個。"):
        session = made.sessions.create()
        result = await add(made, session, "備品.txt", text.encode(), shared=True)
        assert not result.error
    passages, _ = made.store.snapshot().of_sources(["備品.txt"])
    assert [(p.text, p.origin) for p in passages] == [("電球は9個。", "")]


def sections(count):
    return "\n\n".join(f"# 見出し{i}\n\n電球は{i}個。" for i in range(count)).encode()


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["own", "everyone's"])
async def test_a_full_share_lets_files_be_replaced_and_none_be_added(shared):
    made = assistant(limits=Limits(all_passages=3), shared_uploads=True)
    first, second = made.sessions.create(), made.sessions.create()
    for _ in range(2):
        assert (await add(made, first, "一.md", sections(3), shared=shared)).passages == 3
    for other in (False, True):
        result = await add(made, second, "二.md", TEXT, shared=other)
        assert "there is room for 0" in result.error
    made.sessions.forget(first.id)
    # Everyone's documents are still there.
    assert bool((await add(made, second, "二.md", TEXT)).error) == shared
    assert bool((await add(made, second, "一.md", sections(2), shared=shared)).error) is False


@pytest.mark.slow
async def test_files_for_everyone_count_for_their_session():
    made = assistant(limits=Limits(session_passages=3), shared_uploads=True)
    session = made.sessions.create()
    assert (await add(made, session, "一.md", sections(3), shared=True)).passages == 3
    assert "there is room for 0" in (await add(made, session, "二.md", TEXT)).error
    assert (await add(made, made.sessions.create(), "一.md", TEXT, shared=True)).passages == 1
    assert (await add(made, session, "二.md", TEXT)).passages == 1


class SlowEmbeddings(CharacterEmbeddings):
    """Takes its time, so that two files are read at the same time."""

    def embed_documents(self, texts):
        time.sleep(0.3)
        return super().embed_documents(texts)


@pytest.mark.slow
async def test_files_that_are_being_read_count():
    store = SwallowFAISS.from_texts(["何か。"], SlowEmbeddings())
    made = assistant(store, limits=Limits(all_passages=3))
    sessions = [made.sessions.create() for _ in range(2)]
    adding = (add(made, session, "一.md", sections(3)) for session in sessions)
    results = await asyncio.gather(*adding)
    assert sorted(result.passages for result in results) == [0, 3]
    assert [session.pending for session in sessions] == [{}, {}]
    # What failed gives its room back.
    made.sessions.forget(next(s.id for s in sessions if s.files))
    assert (await add(made, made.sessions.create(), "二.md", sections(3))).passages == 3


async def test_pictures_are_read_with_ocr_up_to_a_number():
    class Engine:
        def read(self, image):
            return OcrText("電球は12個。", 0.9)

    pages = [Image.new("L", (40, 20), 255) for _ in range(3)]
    pages[0].save(written := io.BytesIO(), "TIFF", save_all=True, append_images=pages[1:])
    made = assistant(ocr=Engine(), limits=Limits(pictures=2))
    session = made.sessions.create()
    result = await add(made, session, "備品.tif", written.getvalue())
    assert result.passages == 2
    assert "only 2 pages" in result.left_out[0]
