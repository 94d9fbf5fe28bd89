"""Documents that LibreOffice converts: old Office formats, RTF and OpenDocument."""

import http.server
import io
import shutil
import subprocess
import tempfile
import threading

import docx
import pptx
import psutil
import pytest

from langchain_swallow.documents.load import load_documents
from langchain_swallow.documents.readers import libreoffice
from langchain_swallow.documents.readers.registry import read_content
from langchain_swallow.documents.readers.sandbox import Sandbox
from langchain_swallow.errors import DocumentError

SOFFICE = shutil.which("soffice")
needs_libreoffice = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")


def saved(document):
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def word():
    made = docx.Document()
    made.add_heading("就業規則", 1)
    made.add_paragraph("試用期間は3か月です。")
    table = made.add_table(2, 2)
    for i, text in enumerate(("品名", "単価", "机", "900円")):
        table.cell(i // 2, i % 2).text = text
    made.add_paragraph("以上")
    return made


def deck():
    made = pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "営業方針", "新規開拓"
    slide.notes_slide.notes_text_frame.text = "ここで事例を話す。"
    return made


@pytest.fixture(scope="module")
def convert(tmp_path_factory):
    """Saves a file in another format, as a user of LibreOffice would."""
    folder = tmp_path_factory.mktemp("saved")

    def convert(data, suffix, target):
        source = folder / f"a{suffix}"
        source.write_bytes(data)
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        command = [
            SOFFICE,
            profile,
            "--headless",
            "--convert-to",
            target,
            "--outdir",
            folder,
            source,
        ]
        subprocess.run(command, check=True, capture_output=True)
        return folder / f"a.{target.partition(':')[0]}"

    return convert


@pytest.mark.slow
@needs_libreoffice
@pytest.mark.parametrize("suffix", ["doc", "rtf", "odt"])
def test_texts(convert, suffix):
    path = convert(saved(word()), ".docx", suffix)
    loaded = load_documents(path)
    assert [(d.page_content, d.metadata["headings"]) for d in loaded] == [
        ("就業規則\n\n試用期間は3か月です。\n\n品名: 机、単価: 900円\n\n以上", "就業規則")
    ]
    assert loaded[0].metadata["format"] == suffix


@pytest.mark.slow
@needs_libreoffice
@pytest.mark.parametrize("suffix", ["ppt", "odp"])
def test_slides(convert, suffix):
    try:
        path = convert(saved(deck()), ".pptx", suffix)
        path.stat()
    except FileNotFoundError:
        pytest.skip("LibreOffice has no Impress here")
    (document,) = load_documents(path)
    for text in ("営業方針", "新規開拓", "ここで事例を話す。"):
        assert text in document.page_content
    assert document.metadata["page"] == 1


# Without its settings, LibreOffice asks for the picture.
LINKS = """<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:xlink="http://www.w3.org/1999/xlink" office:version="1.2"
 office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text>
<text:p>before<draw:frame text:anchor-type="as-char"><draw:image xlink:href="http://x/a.png"
 xlink:type="simple"/></draw:frame>after</text:p>
<text:section text:name="s"><text:section-source xlink:href="http://x/b.odt" xlink:type="simple"/>
</text:section></office:text></office:body></office:document>"""


@pytest.mark.slow
@needs_libreoffice
def test_nothing_is_fetched(tmp_path, socket_enabled):
    """A document of a stranger may link to pictures and documents elsewhere."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_OPTIONS = do_PROPFIND = do_GET

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "a.fodt").write_text(LINKS.replace("http://x", at))
        loaded = load_documents(tmp_path)
        server.shutdown()
    assert "before" in loaded[0].page_content
    assert "after" in loaded[0].page_content
    assert asked == []


@pytest.mark.slow
@needs_libreoffice
def test_what_takes_too_long_ends_with_all_its_processes_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rtf = rb"{\rtf1 " + rb"text \par " * 300_000 + b"}"
    took_too_long = pytest.raises(DocumentError, match="it took over 4 s")
    with Sandbox(1, timeout_s=4) as sandbox, took_too_long:
        sandbox.read(rtf, "a.rtf")
    commands = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in command]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_libreoffice
def test_a_damaged_file_is_one_error(tmp_path):
    (tmp_path / "a.doc").write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + b"\0" * 4000)
    (tmp_path / "b.txt").write_text("読めます。")
    loaded = load_documents(tmp_path, on_error="skip")
    assert [document.page_content for document in loaded] == ["読めます。"]
    assert "could not be converted by LibreOffice" in loaded.failed[str(tmp_path / "a.doc")]


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (saved(word()), "a.doc", "試用期間は3か月です。"),
        (saved(deck()), "a.ppt", "新規開拓"),
        ("<html><meta charset=cp932><p>試用期間".encode("cp932"), "a.doc", "試用期間"),
    ],
)
def test_new_files_and_web_pages_with_an_old_name(data, name, text):
    (content,) = read_content(data, name)
    assert text in content.sections[0].text


def test_without_libreoffice_they_are_ignored_with_what_to_do(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(libreoffice, "_USUAL", ())
    monkeypatch.setenv("PATH", "")
    libreoffice.find_soffice.cache_clear()
    try:
        (tmp_path / "a.doc").write_bytes(b"")
        loaded = load_documents(tmp_path)
        assert loaded.ignored == [str(tmp_path / "a.doc")]
        assert "install it (Debian: apt-get install libreoffice-writer" in caplog.text
        with pytest.raises(DocumentError, match=r"a\.doc has an unknown format.*LibreOffice reads"):
            load_documents(tmp_path / "a.doc")
    finally:
        libreoffice.find_soffice.cache_clear()
