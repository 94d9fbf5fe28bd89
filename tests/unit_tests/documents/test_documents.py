"""Files of every format and encoding → Documents → chunks."""

import zipfile
from pathlib import Path

import docx
import openpyxl
import pytest
from langchain_core.documents import Document

from langchain_swallow import JapaneseTextSplitter, load_documents
from langchain_swallow.documents.load import lazy_load_documents
from langchain_swallow.documents.readers.formats import readable_suffixes
from langchain_swallow.documents.split import as_counter
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.chunks import estimate_tokens
from langchain_swallow.text.passages import passage_text
from tests.support.paths import DOCUMENTS
from tests.support.tokenizers import trained_tokenizer
from tests.support.unreadable import shared_folder, unreadable


@pytest.fixture(scope="module")
def examples():
    by_file = {}
    for document in load_documents(DOCUMENTS):
        by_file.setdefault(Path(document.metadata["source"]).name, []).append(document)
    return by_file


def whole(documents):
    return "\n".join(document.page_content for document in documents)


def test_the_examples_are_of_all_formats_and_encodings(examples):
    files = [path for path in DOCUMENTS.iterdir() if path.suffix in readable_suffixes()]
    assert len(files) >= 12
    assert set(examples) == {path.name for path in files}
    formats = {documents[0].metadata["format"] for documents in examples.values()}
    assert formats >= {"md", "html", "pdf", "docx", "csv", "txt"}
    encodings = {documents[0].metadata.get("encoding") for documents in examples.values()}
    assert encodings >= {"utf-8", "cp932", "euc_jp", "iso2022_jp"}
    assert "\ufffd" not in "".join(map(whole, examples.values()))


def test_metadata_says_where_a_passage_stands(examples):
    for documents in examples.values():
        for document in documents:
            metadata = document.metadata
            assert Path(metadata["source"]).is_file()
            assert len(metadata["content_hash"]) == 64
            if metadata["format"] == "pdf":
                assert metadata["page"] >= 1
    assert any(" > " in d.metadata.get("headings", "") for ds in examples.values() for d in ds)


TEXT = "第1章 総則\n\n第1条（目的）\nこの規程は、髙橋製作所の①旅費～交通費を定める。"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp932", "cp932"),
        ("utf-16", "utf-16"),
    ],
)
def test_a_text_file_in_any_encoding(tmp_path, encoding, name):
    path = tmp_path / "規程.txt"
    text = TEXT.replace("～", "\uff5e")
    path.write_bytes(text.encode(encoding))
    documents = load_documents(path)
    assert "髙橋製作所の①旅費" in whole(documents)
    assert documents[0].metadata["encoding"] == name
    assert documents[0].metadata["title"] == "規程"


def test_sections_say_the_line_they_begin_at(tmp_path):
    path = tmp_path / "規程.txt"
    wrapped = "この規程は、社員の休暇について、その日数と手続きを定めるものである。\r\n"
    path.write_bytes(
        f"休暇規程\r\n\r\n第1章 総則\r\n{wrapped * 3}\r\n第2章 手続き\r\n申請する。\r\n".encode(
            "cp932"
        )
    )
    assert [(d.metadata["headings"], d.metadata["line"]) for d in load_documents(path)] == [
        ("第1章 総則", 1),
        ("第2章 手続き", 8),
    ]
    path = tmp_path / "規程.md"
    path.write_text(
        "---\ntitle: 休暇\n---\n前文。\n\n## 休暇\n休暇は10日。\n\n"
        "| 区分 | 日数 |\n|--|--|\n| 慶弔 | 5日 |\n"
        "\n## 申請\n休暇の前に申請する。\n",
        encoding="utf-8",
    )
    assert [d.metadata["line"] for d in load_documents(path)] == [4, 6, 13]
    path = tmp_path / "記録.jsonl"
    path.write_text('{"text": "一"}\n\n{"text": "三"}\n', encoding="utf-8")
    assert [d.metadata["line"] for d in load_documents(path)] == [1, 3]
    # A table becomes other text than stands there; a page has its number.
    path = tmp_path / "表.csv"
    path.write_text("品名,価格\n机,900円\n", encoding="utf-8")
    assert "line" not in load_documents(path)[0].metadata


def test_html_keeps_ruby_apart_and_drops_scripts(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><title>題</title><script>alert(1)</script></head><body><nav>戻る</nav>"
        "<h1>休暇</h1><p><ruby>慶弔<rp>（</rp><rt>けいちょう</rt><rp>）</rp></ruby>休暇は5日。</p>"
        "<table><tr><th>品名</th><th>価格</th></tr><tr><td>机</td><td>900円</td></tr></table>"
        "</body></html>",
        encoding="utf-8",
    )
    (document,) = load_documents(path)
    assert document.page_content == "題\n\n休暇\n\n慶弔休暇は5日。\n\n品名: 机、価格: 900円"
    assert document.metadata["headings"] == "休暇"


def test_the_title_of_a_page_is_not_twice_in_its_headings(tmp_path):
    """DocBook's pages have no h1, and begin with an h2 that says what their title says."""
    path = tmp_path / "a.html"
    path.write_text(
        "<title>休暇</title><h2>休暇</h2><p>前文。</p><h3>申請</h3><p>甲。</p><h2>附則</h2><p>乙。</p>",
        encoding="utf-8",
    )
    paths = [document.metadata["headings"] for document in load_documents(path)]
    assert paths == ["休暇", "休暇 > 申請", "休暇 > 附則"]


def test_html_says_its_own_encoding(tmp_path):
    path = tmp_path / "a.html"
    path.write_bytes('<meta charset="shift_jis"><p>ソ連と表</p>'.encode("cp932"))
    assert whole(load_documents(path)) == "ソ連と表"


def test_csv_rows_make_sense_alone(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('品名,価格\r\n"机, 大",900円\r\n椅子,500円\r\n'.encode("cp932"))
    text = whole(load_documents(path))
    assert "品名: 机, 大、価格: 900円" in text
    assert "品名: 椅子、価格: 500円" in text


def test_markdown_sections_carry_their_headings(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: x\n---\n# 規程\n前文。\n## 休暇\n- 有給は10日\n\n"
        "| 区分 | 日数 |\n|---|---|\n| 慶弔 | 5日 |\n"
        "```\n# これは見出しではない\n```\n",
        encoding="utf-8",
    )
    documents = load_documents(path)
    assert [d.metadata["headings"] for d in documents] == ["規程", "規程 > 休暇"]
    assert "区分: 慶弔、日数: 5日" in documents[1].page_content
    assert "# これは見出しではない" in documents[1].page_content


def test_docx_with_ruby_and_a_table(tmp_path):
    made = docx.Document()
    made.add_heading("旅費規程", 1)
    made.add_paragraph("日当は3,000円。")
    table = made.add_table(2, 2)
    cells = [cell for row in table.rows for cell in row.cells]
    for cell, text in zip(cells, ["区分", "金額", "国内", "3000"], strict=True):
        cell.text = text
    path = tmp_path / "a.docx"
    made.save(path)
    (document,) = load_documents(path)
    assert document.page_content == "旅費規程\n\n日当は3,000円。\n\n区分: 国内、金額: 3000"


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
RUBY = "<w:ruby><w:rt><w:r><w:t>けいちょう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>慶弔</w:t></w:r></w:rubyBase></w:ruby>"  # noqa: E501


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"<w:p>{RUBY}<w:r><w:t>休暇</w:t></w:r></w:p>", "慶弔休暇"),
        (
            "<w:sdt><w:sdtContent><w:p><w:r><w:t>中身</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            "中身",
        ),
        (
            "<w:p><mc:AlternateContent><mc:Choice><w:r><w:t>枠</w:t></w:r></mc:Choice>"
            "<mc:Fallback><w:r><w:t>枠</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>",
            "枠",
        ),
        ("<w:p><w:r><w:t>一</w:t><w:br/><w:t>二</w:t></w:r></w:p>", "一\n二"),
    ],
    ids=["ruby", "content control", "text box", "line break"],
)
def test_docx_texts_stand_once_and_where_they_are_read(tmp_path, body, text):
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        document = f"<w:document {W} {MC}><w:body>{body}</w:body></w:document>"
        archive.writestr("word/document.xml", document)
    assert whole(load_documents(path)) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.xyz", b"x", r"a.xyz has an unknown format. Known are \.bas, .*\.csv"),
        ("a.XDW", b"x", r"a.XDW has an unknown format. Save .xdw in DocuWorks as PDF"),
        ("a.pdf", b"not a pdf", r"a\.pdf"),
        ("a.docx", b"not a zip", r"a\.docx"),
        ("a.txt", bytes(range(128, 256)) * 8, r"a\.txt"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=match):
        load_documents(path)


def test_one_bad_file_does_not_lose_the_others(tmp_path, caplog):
    (tmp_path / "a.pdf").write_bytes(b"x")
    (tmp_path / "b.txt").write_text("良い文書。", encoding="utf-8")
    assert whole(load_documents(tmp_path, on_error="skip")) == "良い文書。"
    assert "a.pdf" in caplog.text


def test_a_table_with_an_open_quotation_mark_does_not_lose_the_others(tmp_path):
    (tmp_path / "表.csv").write_text(
        '品名,価格\n"机,900\n' + "椅子,500\n" * 20_000, encoding="utf-8"
    )
    (tmp_path / "良.txt").write_text("良い文書。", encoding="utf-8")
    found = load_documents(tmp_path, on_error="skip")
    assert whole(found) == "良い文書。"
    (reason,) = found.failed.values()
    assert "表.csv: it is not a valid table from line" in reason
    assert "quotation mark may be open" in reason


def test_what_a_parser_stumbles_over_does_not_lose_the_others(tmp_path, monkeypatch):
    def stumble(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr("langchain_swallow.documents.load.read_content", stumble)
    (tmp_path / "a.txt").write_text("文書。", encoding="utf-8")
    found = load_documents(tmp_path, on_error="skip")
    assert "RecursionError('too deep')" in found.failed[str(tmp_path / "a.txt")]


@pytest.mark.parametrize("name", ["禁止.txt", "禁止"])
def test_what_may_not_be_read_does_not_lose_the_others(name, caplog):
    with shared_folder() as folder:
        (folder / "禁止").mkdir()
        for file in ("良.txt", "禁止.txt", "禁止/中.txt"):
            (folder / file).write_text(f"{file}の文書。", encoding="utf-8")
        with unreadable(folder / name):
            found = load_documents(folder, on_error="skip")
            assert len(found) == 2
            refusal = f"{folder / name} cannot be read: Permission denied."
            assert found.failed == {str(folder / name): refusal}
            assert refusal in caplog.text
            assert len(list(lazy_load_documents(folder, on_error="skip"))) == 2
            with pytest.raises(DocumentError, match="Permission denied"):
                load_documents(folder)


def test_limits_and_missing_paths(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("あ" * 1000, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"larger than max_file_mb=0\.001"):
        load_documents(path, max_file_mb=0.001)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_documents(tmp_path / "none")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("下。", encoding="utf-8")
    assert len(load_documents(tmp_path, recursive=False)) == 1
    assert len(load_documents(tmp_path)) == 2


@pytest.mark.slow
def test_a_docx_that_grows_without_end_is_refused(tmp_path):
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", b" " * 300_000_000)
    with pytest.raises(DocumentError, match=r"bomb\.docx"):
        load_documents(path)


def test_documents_that_no_reader_knows_are_told(tmp_path, caplog):
    for name in ("一.jtd", "二.JTD", "表.XBD", "図.png", "三.txt"):
        (tmp_path / name).write_text("本文。", encoding="utf-8")
    assert len(list(lazy_load_documents(tmp_path))) == 1
    assert [record.getMessage().split(":")[:2] for record in caplog.records] == [
        [
            "Left out",
            " 2 files .jtd. Save .jtd in Ichitaro (一太郎) as .docx or PDF, or pass a reader",
        ],
        ["Left out", " 1 files .xbd. Save .xbd in DocuWorks as PDF, or pass a reader"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "named"), [(".docx", ".docm"), (".xlsx", ".XLSM")])
def test_macros_are_no_obstacle(tmp_path, ending, named):
    path = tmp_path / f"a{ending}"
    if ending == ".docx":
        made = docx.Document()
        made.add_paragraph("休暇は5日。")
        made.save(path)
    else:
        book = openpyxl.Workbook()
        book.active.append(["品名", "価格"])
        book.active.append(["机", 900])
        book.save(path)
    expected = [d.page_content for d in load_documents(path)]
    renamed = path.rename(path.with_suffix(named))
    assert [d.page_content for d in load_documents(renamed)] == expected


# Splitting


def test_chunks_say_where_they_are_from():
    text = "一つ目の文です。二つ目の文です。三つ目の文です。" * 3
    document = Document(text, metadata={"source": "a"})
    chunks = JapaneseTextSplitter(30, len, overlap=0).split_documents([document])
    assert "".join(chunk.page_content for chunk in chunks) == text
    for chunk in chunks:
        start, end = chunk.metadata["start_index"], chunk.metadata["end_index"]
        assert text[start:end] == chunk.page_content
        assert len(chunk.page_content) <= 30
        assert chunk.metadata["source"] == "a"


def test_rows_of_a_long_table_carry_its_caption_and_unit():
    rows = "\n\n".join(f"品名: 部品{i}、価格: {i}" for i in range(30))
    document = Document(f"表1（単位: 千円）\n\n{rows}", metadata={"headings": "部品 > 価格"})
    first, *rest = JapaneseTextSplitter(90, len).split_documents([document])
    assert "table" not in first.metadata
    assert len(rest) > 3
    for chunk in rest:
        shown = passage_text(chunk.page_content, chunk.metadata)
        assert shown == f"部品 > 価格 > 表1（単位: 千円）\n{chunk.page_content}"


class _Counts:
    def get_num_tokens(self, text):
        return 2 * len(text)


@pytest.mark.parametrize(
    ("counter", "tokens"),
    [(None, 3), (len, 3), (_Counts(), 6)],
    ids=["estimate", "function", "chat model"],
)
def test_counters(counter, tokens):
    assert as_counter(counter)("東京都") == tokens


def test_a_tokenizer_counts_without_special_tokens():
    assert as_counter(trained_tokenizer())("東京") == len(trained_tokenizer().tokenize("東京"))
    with pytest.raises(TypeError, match="must be a function, a tokenizer or a chat model, not int"):
        JapaneseTextSplitter(10, 3)
    with pytest.raises(ValueError, match="max_tokens must be at least 1"):
        JapaneseTextSplitter(0)


def test_the_estimate_is_from_above():
    for path in DOCUMENTS.glob("*.md"):
        text = path.read_text("utf-8")
        assert estimate_tokens(text) >= 0.6 * len(text)


def test_rules_without_styles_have_the_headings_of_their_lines(tmp_path):
    document = docx.Document()
    lines = [
        "第１章　総則",
        "（目的）",
        "第１条　就業を定める。",
        "２　この規則は。",
        "（適用）",
        "第２条　社員に。",
    ]
    for line in lines:
        document.add_paragraph(line)
    document.save(tmp_path / "規則.docx")
    found = load_documents(tmp_path / "規則.docx")
    assert [(d.metadata["headings"], d.page_content) for d in found] == [
        ("第１章　総則 > 第１条（目的）", "\n\n".join(lines[:4])),
        ("第１章　総則 > 第２条（適用）", "\n\n".join(lines[4:])),
    ]
