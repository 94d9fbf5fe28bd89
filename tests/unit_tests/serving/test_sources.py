"""The source of a citation: what is shown of a document, to whom, and where it is on its page."""

import io
import time

import pypdfium2
import pytest
from langchain_core.language_models import FakeListChatModel
from PIL import Image

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS, load_documents
from langchain_swallow.documents.page_image import render_page
from langchain_swallow.errors import DocumentError
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.people import People, add_person, remove_person
from tests.support.assistants import client, new_session
from tests.support.embeddings import CharacterEmbeddings
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("japanese")

PDF = ROOT / "examples" / "documents" / "会社案内.pdf"
SECTION = "第1条。会議室は3階にある。\n第2条。食堂は地下1階にある。\n第3条。倉庫は2階にある。\n"


def served(store, answer="3階 [1]", **options):
    made = Assistant(
        FakeListChatModel(responses=[answer]), store, splitter=JapaneseTextSplitter(100)
    )
    return create_app(made, **options), made


async def ask(http, question, k=1):
    session = await new_session(http)
    body = {"question": question, "session": session, "k": k}
    answer = (await http.post("/v1/answers", json=body)).json()
    return f"/v1/sessions/{session}/answers/{answer['answer_id']}", answer


def chunks(**metadata):
    """Three chunks of one section, one after another."""
    texts = SECTION.splitlines(keepends=True)
    places, start = [], 0
    for text in texts:
        place = {"start_index": start, "end_index": start + len(text)}
        places.append({"source": "/srv/秘密/規程.txt", **place, **metadata})
        start += len(text)
    return texts, places


async def test_a_source_is_the_passage_and_what_is_around_it():
    texts, places = chunks(headings="建物")
    app, _ = served(
        SwallowFAISS.from_texts(texts, CharacterEmbeddings(), places), "地下1階です [1]"
    )
    async with client(app) as http:
        path, _ = await ask(http, "食堂は何階ですか。")
        got = (await http.get(f"{path}/sources/1")).json()
        assert got["before"] + got["text"] + got["after"] == SECTION
        ((start, end),) = got["marks"]
        assert got["text"][start:end] == "地下1階"
        assert (got["name"], got["place"], got["status"]) == (
            "規程.txt",
            "規程.txt 建物",
            "supported",
        )
        assert (got["has_image"], got["boxes"]) == (False, [])
        assert "/srv" not in str(got)
        assert (await http.get(f"{path}/sources/1/image")).status_code == 404
        for number, status in (("2", 404), ("0", 422), ("-1", 422), ("x", 422), ("1e3", 422)):
            assert (await http.get(f"{path}/sources/{number}")).status_code == status


async def test_what_a_refusal_has_found_has_a_source_and_no_mark():
    texts, places = chunks()
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), places)
    app, _ = served(store, REFUSAL)
    async with client(app) as http:
        path, answer = await ask(http, "社長は誰ですか。", k=2)
        assert answer["refused"]
        got = (await http.get(f"{path}/sources/2")).json()
        assert (got["status"], got["marks"]) == (None, [])
        assert got["text"] == answer["documents"][1]["text"]


async def test_an_upload_has_a_source_for_its_session_only():
    app, _ = served(SwallowFAISS.from_texts(["何か。"], CharacterEmbeddings()), "12個です [1]")
    async with client(app) as http, client(app) as other:
        session = await new_session(http)
        files = [("files", ("備品.txt", "電球は倉庫に12個ある。".encode()))]
        await http.post(f"/v1/sessions/{session}/documents", files=files)
        body = {"question": "電球は何個ですか。", "session": session, "k": 1}
        answer = (await http.post("/v1/answers", json=body)).json()
        end = f"answers/{answer['answer_id']}/sources/1"
        got = (await http.get(f"/v1/sessions/{session}/{end}")).json()
        assert got["text"] == "電球は倉庫に12個ある。"
        elsewhere = await new_session(other)
        assert (await other.get(f"/v1/sessions/{elsewhere}/{end}")).status_code == 404
        await http.delete(f"/v1/sessions/{session}/documents/備品.txt")
        assert (await http.get(f"/v1/sessions/{session}/{end}")).status_code == 404


async def test_a_source_is_shown_while_its_person_may_see_it(tmp_path):
    people = tmp_path / "people.json"

    def headers(name, groups):
        return {"Authorization": f"Bearer {add_person(people, name, groups)}"}

    # One file, whose records are of different groups.
    texts = ["合併の相手は秘密の会社。", "社内報は月曜に出る。"]
    places = [{"source": "a.jsonl", "groups": ["役員"]}, {"source": "a.jsonl", "groups": ["*"]}]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), places)
    sato, suzuki = headers("sato", ["役員"]), headers("suzuki", [])
    app, _ = served(store, "秘密の会社 [1]", people=People(people))
    async with client(app) as http:
        http.headers.update(sato)
        path, _ = await ask(http, "合併の相手はどこですか。")
        seen = await http.get(f"{path}/sources/1")
        assert seen.json()["text"] == texts[0]
        # Nobody else, not even with all ids.
        http.headers.update(suzuki)
        assert (await http.get(f"{path}/sources/1")).status_code == 404
        remove_person(people, "sato")
        http.headers.update(headers("sato", []))
        lost = await http.get(f"{path}/sources/1")
        assert (lost.status_code, texts[0] in lost.text) == (404, False)


async def test_a_passage_that_is_no_longer_in_the_index_has_no_source():
    texts, places = chunks()
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), places)
    app, _ = served(store)
    async with client(app) as http:
        path, _ = await ask(http, "会議室は何階ですか。")
        assert (await http.get(f"{path}/sources/1")).status_code == 200
        store.delete(source="/srv/秘密/規程.txt")
        assert (await http.get(f"{path}/sources/1")).status_code == 404


@pytest.fixture(scope="module")
def pages():
    documents = load_documents(PDF)
    return JapaneseTextSplitter(200).split_documents(documents)


@pytest.mark.slow
def test_the_words_of_a_quote_are_in_its_boxes(pages):
    """pdfium reads what is in the boxes: the quote, and no more than the ends of its line."""
    data = PDF.read_bytes()
    found = 0
    page = pages[0].metadata["page"]
    texts = [chunk.page_content for chunk in pages if chunk.metadata["page"] == page]
    text = "\n".join(texts)
    spans = [(start, start + 8) for start in range(0, len(text) - 8, max(1, len(text) // 6))]
    drawn = render_page(data, page, text, spans)
    assert len(drawn.pixels) == 3 * drawn.width * drawn.height
    with pypdfium2.PdfDocument(data) as document:
        width, height = document[page - 1].get_size()
        textpage = document[page - 1].get_textpage()
        for left, top, wide, high in drawn.boxes:
            bounds = (
                left * width,
                (1 - top - high) * height,
                (left + wide) * width,
                (1 - top) * height,
            )
            inside = "".join(textpage.get_text_bounded(*bounds).split())
            found += bool(inside) and inside in "".join(text.split())
    assert found >= len(spans)


@pytest.mark.slow
def test_boxes_turn_with_their_page(pages):
    page, text = pages[0].metadata["page"], pages[0].page_content
    with pypdfium2.PdfDocument(PDF.read_bytes()) as document:
        upright = render_page(PDF.read_bytes(), page, text, [(0, 12)])
        document[page - 1].set_rotation(90)
        saved = io.BytesIO()
        document.save(saved)
    turned = render_page(saved.getvalue(), page, text, [(0, 12)])
    assert turned.width / turned.height == pytest.approx(upright.height / upright.width, rel=0.01)
    for (left, top, wide, high), box in zip(upright.boxes, turned.boxes, strict=True):
        assert box == pytest.approx([1 - top - high, left, high, wide], abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 nothing", b"PK\x03\x04", PDF.read_bytes()[:999]])
def test_a_file_that_cannot_be_rendered_is_an_error(data):
    began = time.monotonic()
    with pytest.raises(DocumentError, match="cannot be rendered"):
        render_page(data, 1, "", [])
    assert time.monotonic() - began < 10


@pytest.mark.slow
async def test_a_pdf_is_shown_as_it_is_while_it_is_the_one_in_the_index(pages, tmp_path):
    path = tmp_path / "案内.pdf"
    path.write_bytes(PDF.read_bytes())
    copies = JapaneseTextSplitter(200).split_documents(load_documents(path))
    app, _ = served(SwallowFAISS.from_documents(copies, CharacterEmbeddings()), REFUSAL)
    async with client(app) as http:
        address, _ = await ask(http, copies[0].page_content[:30])
        got = (await http.get(f"{address}/sources/1")).json()
        assert got["has_image"]
        image = await http.get(f"{address}/sources/1/image")
        assert image.headers["content-type"] == "image/png"
        assert image.headers["cache-control"] == "no-store"
        with Image.open(io.BytesIO(image.content)) as shown:
            assert shown.width > 1000
        # Another file of that name is not what was indexed.
        path.write_bytes(PDF.with_name("防災マニュアル.pdf").read_bytes())
        address, _ = await ask(http, copies[1].page_content[:30])
        got = (await http.get(f"{address}/sources/1")).json()
        assert (got["has_image"], bool(got["text"])) == (False, True)
